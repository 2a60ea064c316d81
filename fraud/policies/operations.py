"""Verbs of policies: propose, approve as another person, refuse; and the question what is in force."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.policies.models import FraudPolicy
from fraud.policies.shapes import FraudPolicyInvalid, Shape
from fraud.policies.states import FRAUD_POLICY, FraudPolicyState

ACTION = "fraud_policy"
_shapes: dict[str, Shape] = {}


class FraudPolicyNotProposed(Refusal):
    code = "fraud_policy_not_proposed"
    sentence = "This policy is {state}; only a proposed one can be decided."


class FraudPolicyUnchanged(Refusal):
    code = "fraud_policy_unchanged"
    sentence = "This is what is in force already."


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history."


def declare_kind(kind: str, shape: Shape) -> None:
    """Register what a kind's content must look like; the room that reads it calls this when the wing plugs in."""
    _shapes[kind] = shape


def in_force(kind: str) -> FraudPolicy:
    """Return the version in force. Refuses: NotFound."""
    found = FraudPolicy.objects.filter(kind=kind, state=FraudPolicyState.IN_FORCE).first()
    if found is None:
        raise NotFound(what="policy in force for", ref=kind)
    return found


def parse(text: str) -> Any:
    """Read what somebody typed as JSON. Refuses: FraudPolicyInvalid."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "the text"
        raise FraudPolicyInvalid(place=where, detail="this is no JSON.") from None


@composable
def propose_fraud_policy(*, kind: str, content: Any, reason: str, actor: Actor, at: datetime) -> FraudPolicy:
    """Propose figures; they count once another person has approved them. An open proposal of the kind is replaced.

    Refuses: NotFound, FraudPolicyInvalid, FraudPolicyUnchanged, ReasonMissing.
    """
    if kind not in _shapes:
        raise NotFound(what="kind of policy", ref=kind)
    if not reason.strip():
        raise ReasonMissing()
    _shapes[kind]("", content)
    versions = FraudPolicy.objects.select_for_update().filter(kind=kind).order_by("number")
    known = list(versions)
    if any(one.state == FraudPolicyState.IN_FORCE and one.content == content for one in known):
        raise FraudPolicyUnchanged()
    for earlier in known:
        if earlier.state == FraudPolicyState.PROPOSED:
            transition(
                FRAUD_POLICY,
                earlier,
                FraudPolicyState.REPLACED,
                actor=actor,
                at=at,
                reason="Another proposal came.",
                code="replaced",
            )

    number = 1 + max((one.number for one in known), default=0)
    made = FraudPolicy.objects.create(
        kind=kind, number=number, content=content, reason=reason.strip(), made_by=str(actor), made_at=at
    )
    born(FRAUD_POLICY, made, actor=actor, at=at, reason=reason)
    approvals.request_approval(
        action=ACTION, subject=made.public_id, content_hash=_hash(made), maker=actor, at=at,
        shown={"kind": kind, "number": number, "reason": reason},
    )  # fmt: skip
    audit.record(actor, "fraud_policy.propose", made.public_id, at, reason, {"kind": kind, "number": number})
    return made


@composable
def approve_fraud_policy(*, policy_id: int, actor: Actor, at: datetime, reason: str = "") -> FraudPolicy:
    """Put proposed figures in force, as another person. Tells `fraud_policy.in_force`. Refuses: NotFound, FraudPolicyNotProposed, and as approvals do."""
    row = _lock(policy_id)
    exact: Any = {"action": ACTION, "subject": row.public_id, "content_hash": _hash(row), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    approvals.use_approval(**exact)
    for earlier in FraudPolicy.objects.select_for_update().filter(kind=row.kind, state=FraudPolicyState.IN_FORCE):
        transition(FRAUD_POLICY, earlier, FraudPolicyState.REPLACED, actor=actor, at=at, code="replaced")
    row.approved_by, row.in_force_at = str(actor), at
    row.save(update_fields=["approved_by", "in_force_at"])
    transition(FRAUD_POLICY, row, FraudPolicyState.IN_FORCE, actor=actor, at=at, reason=reason)
    audit.record(actor, "fraud_policy.approve", row.public_id, at, reason, {"kind": row.kind, "number": row.number})
    tell("fraud_policy.in_force", subject=row.public_id, payload={"kind": row.kind, "number": row.number}, at=at)
    return row


@composable
def refuse_fraud_policy(*, policy_id: int, actor: Actor, at: datetime, reason: str) -> FraudPolicy:
    """Refuse proposed figures, or take one's own back. Refuses: NotFound, FraudPolicyNotProposed, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    row = _lock(policy_id)
    approvals.refuse(action=ACTION, subject=row.public_id, checker=actor, at=at, reason=reason)
    transition(FRAUD_POLICY, row, FraudPolicyState.REFUSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "fraud_policy.refuse", row.public_id, at, reason)
    return row


def _lock(policy_id: int) -> FraudPolicy:
    row = FraudPolicy.objects.select_for_update().filter(pk=policy_id).first()
    if row is None:
        raise NotFound(what="policy", ref=policy_id)
    if row.state != FraudPolicyState.PROPOSED:
        raise FraudPolicyNotProposed(state=row.get_state_display())
    return row


def _hash(row: FraudPolicy) -> str:
    return fingerprint([row.public_id, row.kind, row.number, row.content])
