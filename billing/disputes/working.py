"""What people do with a dispute before it is answered: take it, wait for the seller, call it ready; and decide on an early warning."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.disputes.mirroring import picture
from billing.disputes.models import Dispute
from billing.disputes.sockets import payments
from billing.disputes.states import NEEDS_ANSWER, OPEN_WORK, WORK, DisputeStatus, WorkState


class ReasonMissing(InputError):
    code = "dispute_reason_missing"
    sentence = "Give a reason: it is kept in the history of the dispute."


class DisputeNeedsNoAnswer(Refusal):
    code = "dispute_needs_no_answer"
    sentence = "The provider asks for no answer to this dispute: it is {state}."


class WorkIsDone(Refusal):
    code = "dispute_work_done"
    sentence = "Our answer to this dispute is {state} already."


class NoEarlyWarning(Refusal):
    code = "no_early_warning"
    sentence = "This is no early warning any more: it is {state}. Answer the dispute."


def lock_dispute(dispute_id: int) -> Dispute:
    """Return the dispute, locked. Refuses: NotFound."""
    row = Dispute.objects.select_for_update(of=("self",)).select_related("seller").filter(pk=dispute_id).first()
    if row is None:
        raise NotFound(what="dispute", ref=dispute_id)
    return row


def lock_open(dispute_id: int) -> Dispute:
    """Return a dispute that can still be answered, locked. Refuses: NotFound, DisputeNeedsNoAnswer, WorkIsDone."""
    row = lock_dispute(dispute_id)
    if row.status not in NEEDS_ANSWER:
        raise DisputeNeedsNoAnswer(state=row.get_status_display())
    if row.work_state not in OPEN_WORK:
        raise WorkIsDone(state=row.get_work_state_display())
    return row


def take_off_automatic(row: Dispute) -> None:
    """Stop an announced automatic acceptance: somebody has done something."""
    if row.auto_accept_at is not None:
        row.auto_accept_at = None
        row.save(update_fields=["auto_accept_at"])


@composable
def move_work(*, dispute_id: int, to: str, actor: Actor, at: datetime, reason: str) -> Dispute:
    """Say where our work on a dispute stands: triage, waiting_seller (its deadline is `seller_due_by`) or ready.

    Tells dispute.evidence_wanted when the seller is asked. Refuses: NotFound, DisputeNeedsNoAnswer, WorkIsDone, ReasonMissing, MoveNotAllowed.
    """
    if not reason.strip():
        raise ReasonMissing()
    row = lock_open(dispute_id)
    if row.work_state == to:
        return row
    transition(WORK, row, to if to in OPEN_WORK else WorkState.CLOSED, actor=actor, at=at, reason=reason)
    take_off_automatic(row)
    if row.work_state == WorkState.WAITING_SELLER:
        wanted = picture(row) | {"seller_due_by": row.seller_due_by.isoformat() if row.seller_due_by else None}
        tell("dispute.evidence_wanted", subject=row.public_id, payload=wanted, at=at, partner_id=row.partner_id)
    audit.record(actor, "dispute.work", row.public_id, at, reason=reason, facts={"to": str(row.work_state)})
    return row


@composable
def take_dispute(*, dispute_id: int, actor: Actor, at: datetime) -> Dispute:
    """Become the one who works on a dispute. Refuses: NotFound, DisputeNeedsNoAnswer, WorkIsDone."""
    row = lock_open(dispute_id)
    row.owner = str(actor)
    row.save(update_fields=["owner"])
    take_off_automatic(row)
    audit.record(actor, "dispute.take", row.public_id, at)
    return row


@composable
def decide_warning(*, dispute_id: int, refund: bool, actor: Actor, at: datetime, key: str, reason: str) -> Dispute:
    """Answer an early warning: give the buyer the money back before a dispute costs more, or leave it.

    Tells dispute.warning_decided. Refuses: NotFound, NoEarlyWarning, WorkIsDone, ReasonMissing, RefundElsewhere, and what refunds refuse.
    """
    if not reason.strip():
        raise ReasonMissing()
    row = lock_dispute(dispute_id)
    if row.status != DisputeStatus.EARLY_WARNING:
        raise NoEarlyWarning(state=row.get_status_display())
    if row.work_state not in OPEN_WORK:
        raise WorkIsDone(state=row.get_work_state_display())
    if refund:
        payments.refund(payment=row.payment, reason=reason, actor=actor, at=at, key=f"{key}:{row.public_id}")
    transition(WORK, row, WorkState.ACCEPTED if refund else WorkState.CLOSED, actor=actor, at=at, reason=reason)
    audit.record(actor, "dispute.decide_warning", row.public_id, at, reason=reason, facts={"refund": refund})
    told = {"refund": refund, "payment": row.payment}
    tell("dispute.warning_decided", subject=row.public_id, payload=told, at=at, partner_id=row.partner_id)
    return row
