"""The limit above which a refund takes two people: data, changed by two people."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.money import Money
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.refunds.models import RefundLimit
from billing.refunds.states import LIMIT, LimitState

ACTION = "refund_limit"


class LimitNotProposed(Refusal):
    code = "limit_not_proposed"
    sentence = "This limit is {state}; only a proposed one can be decided."


class LimitNegative(InputError):
    code = "limit_negative"
    sentence = "A limit is zero or more; zero means that every refund takes two people."


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history."


def limit_of(currency: str) -> int:
    """Return the limit in force in minor units; 0 where none is set, so that everything takes two people."""
    found = RefundLimit.objects.filter(currency=currency, state=LimitState.IN_FORCE).values_list("limit_minor", flat=True).first()
    return found or 0


@composable
def propose_limit(*, currency: str, limit_minor: int, reason: str, actor: Actor, at: datetime) -> RefundLimit:
    """Propose a limit; it counts once another person has approved it. An open proposal is replaced. Refuses: LimitNegative, ReasonMissing."""
    if limit_minor < 0:
        raise LimitNegative()
    if not reason.strip():
        raise ReasonMissing()
    for earlier in RefundLimit.objects.select_for_update().filter(currency=currency, state=LimitState.PROPOSED):
        transition(LIMIT, earlier, LimitState.REPLACED, actor=actor, at=at, reason="Another proposal came.")
    made = RefundLimit.objects.create(currency=currency, limit_minor=limit_minor, reason=reason, made_by=str(actor), made_at=at)
    born(LIMIT, made, actor=actor, at=at, reason=reason)
    approvals.request_approval(
        action=ACTION, subject=made.public_id, content_hash=_hash(made), maker=actor, at=at,
        shown={"limit": Money(limit_minor, currency).as_json(), "reason": reason},
    )  # fmt: skip
    audit.record(actor, "refund_limit.propose", made.public_id, at, reason, {"currency": currency, "limit_minor": limit_minor})
    return made


@composable
def approve_limit(*, limit_id: int, actor: Actor, at: datetime, reason: str = "") -> RefundLimit:
    """Approve a proposed limit as another person; it replaces the one in force. Refuses: NotFound, LimitNotProposed, and as approvals do."""
    row = _lock(limit_id)
    approvals.approve(action=ACTION, subject=row.public_id, content_hash=_hash(row), checker=actor, at=at, reason=reason)
    approvals.use_approval(action=ACTION, subject=row.public_id, content_hash=_hash(row), at=at)
    for earlier in RefundLimit.objects.select_for_update().filter(currency=row.currency, state=LimitState.IN_FORCE):
        transition(LIMIT, earlier, LimitState.REPLACED, actor=actor, at=at)
    RefundLimit.objects.filter(pk=row.pk).update(approved_by=str(actor), in_force_at=at)
    transition(LIMIT, row, LimitState.IN_FORCE, actor=actor, at=at, reason=reason)
    audit.record(actor, "refund_limit.approve", row.public_id, at, reason)
    row.refresh_from_db()
    return row


@composable
def refuse_limit(*, limit_id: int, actor: Actor, at: datetime, reason: str) -> RefundLimit:
    """Refuse a proposed limit, or take one's own back. Refuses: NotFound, LimitNotProposed."""
    row = _lock(limit_id)
    approvals.refuse(action=ACTION, subject=row.public_id, checker=actor, at=at, reason=reason)
    transition(LIMIT, row, LimitState.REFUSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "refund_limit.refuse", row.public_id, at, reason)
    return row


def _lock(limit_id: int) -> RefundLimit:
    row = RefundLimit.objects.select_for_update().filter(pk=limit_id).first()
    if row is None:
        raise NotFound(what="refund limit", ref=limit_id)
    if row.state != LimitState.PROPOSED:
        raise LimitNotProposed(state=row.get_state_display())
    return row


def _hash(row: RefundLimit) -> str:
    return fingerprint([row.public_id, row.currency, row.limit_minor])
