"""People judge hits: somebody else, or the same. A strong hit is cleared by two; a clearance ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.screening.finding import CLEAR_ACTION, end_clearance, reopen, resettle, withdraw_request
from fraud.screening.models import Clearance, Hit, Party
from fraud.screening.policy import policy_in_force
from fraud.screening.states import HIT, HitState, PartyState

REASON_MIN = 10


class HitNotInState(Refusal):
    code = "hit_not_in_state"
    sentence = "This hit is {state}; that is not possible now. Open it again to see where it stands."


class PartyErased(Refusal):
    code = "screening_party_erased"
    sentence = "The party was erased; its hits stay as they were judged."


class JudgeIsNotAPerson(Refusal):
    code = "judge_is_not_a_person"
    sentence = "Only a person judges a hit."


class ReasonTooShort(InputError):
    code = "hit_reason_too_short"
    sentence = f"Say what shows it, in {REASON_MIN} letters or more: an auditor must be able to follow."


@composable
def clear_hit(*, hit_id: int, reason: str, actor: Actor, at: datetime) -> Hit:
    """Say that the party is somebody else. A strong hit then waits for a second person; a weaker one is cleared.

    Tells `screening.changed`. Refuses: NotFound, HitNotInState, JudgeIsNotAPerson, ReasonTooShort.
    """
    hit = _judge(hit_id, {HitState.OPEN}, reason, actor)
    if not hit.strong:
        return _clear(hit, reason, actor, "", at)
    approvals.request_approval(
        action=CLEAR_ACTION,
        subject=hit.public_id,
        content_hash=content_hash(hit, reason),
        shown=shown(hit, reason),
        maker=actor,
        at=at,
    )
    hit.decided_by, hit.decided_at = str(actor), at
    hit.save(update_fields=["decided_by", "decided_at"])
    transition(HIT, hit, HitState.WAITING, actor=actor, at=at, reason=reason)
    audit.record(actor, "screening_hit.ask_clearance", hit.public_id, at, reason=reason, facts={"score": str(hit.score)})
    return hit


def shown(hit: Hit, reason: str) -> dict[str, Any]:
    """Return what the second person agrees to: ids and scores, no name of the party."""
    return {
        "subject": hit.party.subject,
        "list": hit.list_name,
        "entry": hit.source_id,
        "score": str(hit.score),
        "reason": reason,
    }


def content_hash(hit: Hit, reason: str) -> str:
    return fingerprint([hit.public_id, hit.party_fingerprint, hit.entry_fingerprint, reason])


def requested_reason(hit: Hit) -> str:
    """Return the reason of the clearance that waits."""
    found = Approval.objects.filter(action=CLEAR_ACTION, subject=hit.public_id).order_by("-id").first()
    return str(found.shown.get("reason", "")) if found else ""


@composable
def approve_clearance(*, hit_id: int, actor: Actor, at: datetime, reason: str = "") -> Hit:
    """Agree that a strong hit is somebody else, as another person than who said so first, about exactly what was shown.

    Tells `screening.changed`. Refuses: NotFound, HitNotInState, and what approvals refuse.
    """
    hit = _lock(hit_id, {HitState.WAITING})
    said = requested_reason(hit)
    exact: Any = {"action": CLEAR_ACTION, "subject": hit.public_id, "content_hash": content_hash(hit, said), "at": at}
    approvals.approve(checker=actor, reason=reason, **exact)
    used = approvals.use_approval(**exact)
    return _clear(hit, said, Actor.parse(used.maker), str(actor), at)


@composable
def refuse_clearance(*, hit_id: int, reason: str, actor: Actor, at: datetime) -> Hit:
    """Disagree, or withdraw: the hit is open again. Refuses: NotFound, HitNotInState, JudgeIsNotAPerson, ReasonTooShort."""
    hit = _judge(hit_id, {HitState.WAITING}, reason, actor)
    approvals.refuse(action=CLEAR_ACTION, subject=hit.public_id, checker=actor, at=at, reason=reason)
    transition(HIT, hit, HitState.OPEN, actor=actor, at=at, reason=reason, code="clearance_refused")
    audit.record(actor, "screening_hit.refuse_clearance", hit.public_id, at, reason=reason)
    return hit


@composable
def confirm_hit(*, hit_id: int, reason: str, actor: Actor, at: datetime) -> Hit:
    """Say that the party is who the list means; it stays blocked until somebody opens the hit again.

    Refuses: NotFound, HitNotInState, JudgeIsNotAPerson, ReasonTooShort.
    """
    hit = _judge(hit_id, {HitState.OPEN, HitState.WAITING}, reason, actor)
    withdraw_request(hit, actor=actor, at=at, reason=reason)
    hit.decided_by, hit.decided_at = str(actor), at
    hit.save(update_fields=["decided_by", "decided_at"])
    transition(HIT, hit, HitState.CONFIRMED, actor=actor, at=at, reason=reason)
    audit.record(actor, "screening_hit.confirm", hit.public_id, at, reason=reason, facts={"score": str(hit.score)})
    resettle(hit.party, actor=actor, at=at, code="hit_confirmed")
    return hit


@composable
def reopen_hit(*, hit_id: int, reason: str, actor: Actor, at: datetime) -> Hit:
    """Put a judged hit before people again; a clearance of it ends. Tells `screening.changed`. Refuses as confirm_hit."""
    hit = _judge(hit_id, {HitState.CLEARED, HitState.CONFIRMED}, reason, actor)
    reopen(hit, because="reopened", actor=actor, at=at, reason=reason)
    audit.record(actor, "screening_hit.reopen", hit.public_id, at, reason=reason)
    resettle(hit.party, actor=actor, at=at, code="hit_reopened")
    return hit


def _judge(hit_id: int, states: set[HitState], reason: str, actor: Actor) -> Hit:
    if not actor.is_person:
        raise JudgeIsNotAPerson()
    if len(reason.strip()) < REASON_MIN:
        raise ReasonTooShort()
    return _lock(hit_id, states)


def _lock(hit_id: int, states: set[HitState]) -> Hit:
    """Lock the party, then the hit: the order of the checks."""
    party_id = Hit.objects.filter(pk=hit_id).values_list("party_id", flat=True).first()
    if party_id is None:
        raise NotFound(what="hit", ref=hit_id)
    party = Party.objects.select_for_update().get(pk=party_id)
    hit = Hit.objects.select_for_update().get(pk=hit_id)
    hit.party = party
    if party.state == PartyState.ERASED:
        raise PartyErased()
    if hit.state not in states:
        raise HitNotInState(state=hit.get_state_display())
    return hit


def _clear(hit: Hit, reason: str, maker: Actor, approver: str, at: datetime) -> Hit:
    end_clearance(hit, because="replaced", at=at)
    clearance = Clearance.objects.create(
        hit=hit, party_fingerprint=hit.party_fingerprint, entry_fingerprint=hit.entry_fingerprint, strong=hit.strong, reason=reason,
        cleared_by=str(maker), approved_by=approver, cleared_at=at, expires_at=at + timedelta(days=policy_in_force().clearance_days),
    )  # fmt: skip
    actor = Actor.parse(approver) if approver else maker
    hit.decided_by, hit.decided_at = str(actor), at
    hit.save(update_fields=["decided_by", "decided_at"])
    transition(HIT, hit, HitState.CLEARED, actor=actor, at=at, reason=reason)
    facts = {"score": str(hit.score), "strong": hit.strong, "expires_at": clearance.expires_at.isoformat()}
    audit.record(actor, "screening_hit.clear", hit.public_id, at, reason=reason, facts=facts)
    resettle(hit.party, actor=actor, at=at, code="hit_cleared")
    return hit
