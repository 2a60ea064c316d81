"""What people decide about refunds: approve, refuse, cancel, let go in spite of a short seller, record one sent by hand."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval, ApprovalState
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.gateways.port import Answer, Outcome
from billing.gateways.registry import MANUAL
from billing.payments import attempts
from billing.payments.applying import lock_payment
from billing.payments.models import Attempt, Payment
from billing.payments.states import AttemptStatus
from billing.refunds.applying import apply_answer
from billing.refunds.locks import lock_refund
from billing.refunds.models import Refund
from billing.refunds.money import take_back
from billing.refunds.preparing import QUEUED, approve_now, prepare, tell_refund, write
from billing.refunds.requesting import ACTION, RefundNotFailed, content_of, refundable
from billing.refunds.states import REFUND, RefundStatus


class RefundNotRequested(Refusal):
    code = "refund_not_requested"
    sentence = "The refund {refund} is {state}; there is nothing to decide any more."


class RefundOnItsWay(Refusal):
    code = "refund_on_its_way"
    sentence = "The refund {refund} is {state}, or leaves just now; it cannot be taken back."


class RefundNotQueued(Refusal):
    code = "refund_not_queued"
    sentence = "The refund {refund} does not wait for its seller: it is {state}."


class NotSentByHand(Refusal):
    code = "not_sent_by_hand"
    sentence = "The refund {refund} is {state} through {gateway}: only one that goes by bank transfer is recorded by hand."


class OnlyAPersonDecides(Refusal):
    code = "only_a_person_decides"
    sentence = "Only a person can decide this."


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history."


@composable
def approve_refund(*, refund_id: int, actor: Actor, at: datetime, content_hash: str = "", reason: str = "") -> Refund:
    """Approve a refund as another person than asked for it; the worker sends it. `content_hash` is that of the request as it was shown.

    Events: refund.approved, refund.queued. Refuses: NotFound, RefundNotRequested, and as approvals do.
    """
    refund = _lock_requested(refund_id)
    asked = open_request(refund)
    if asked is None:
        raise approvals.ApprovalMissing()
    wanted = fingerprint(content_of(refund))
    if content_hash and content_hash != asked.content_hash:
        raise approvals.ContentChanged()
    approvals.approve(action=ACTION, subject=refund.public_id, content_hash=wanted, checker=actor, at=at, reason=reason)
    approvals.use_approval(action=ACTION, subject=refund.public_id, content_hash=wanted, at=at)
    approve_now(refund, checker=str(actor), actor=actor, at=at, reason=reason)
    audit.record(actor, "refund.approve", refund.public_id, at, reason, {"asked_by": asked.maker})
    return refund


@composable
def refuse_refund(*, refund_id: int, actor: Actor, at: datetime, reason: str) -> Refund:
    """Refuse a refund, or take one's own request back. Events: refund.canceled. Refuses: NotFound, RefundNotRequested, ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing()
    refund = _lock_requested(refund_id)
    if open_request(refund) is not None:
        approvals.refuse(action=ACTION, subject=refund.public_id, checker=actor, at=at, reason=reason)
    _cancel(refund, reason, actor, at)
    audit.record(actor, "refund.refuse", refund.public_id, at, reason)
    return refund


@composable
def cancel_refund(*, refund_id: int, actor: Actor, at: datetime, reason: str) -> Refund:
    """Take back a refund that certainly has not left; the seller has the share again. Events: refund.canceled.

    Refuses: NotFound, RefundOnItsWay, ReasonMissing.
    """
    if not reason.strip():
        raise ReasonMissing()
    refund = lock_refund(refund_id)
    if refund.status == RefundStatus.CANCELED:
        return refund
    if refund.status == RefundStatus.REQUESTED:
        return refuse_refund(refund_id=refund_id, actor=actor, at=at, reason=reason)
    waiting = attempts.open_attempt_of("refund", refund.public_id)
    left = waiting is not None and not attempts.withdraw(attempt=waiting, actor=actor, at=at, reason=reason)
    if refund.status != RefundStatus.APPROVED or left:
        raise RefundOnItsWay(refund=refund.public_id, state=refund.get_status_display())
    take_back(refund, actor=actor, at=at, reason=reason)
    _cancel(refund, reason, actor, at)
    audit.record(actor, "refund.cancel", refund.public_id, at, reason)
    return refund


@composable
def release_anyway(*, refund_id: int, actor: Actor, at: datetime, reason: str) -> Refund:
    """Let a refund go although its seller's balance is short: what is missing becomes the seller's debt. Only a person may.

    Refuses: NotFound, RefundNotQueued (also while its sale is not recorded: then nobody knows the share), OnlyAPersonDecides, ReasonMissing.
    """
    if not actor.is_person:
        raise OnlyAPersonDecides()
    if not reason.strip():
        raise ReasonMissing()
    refund = lock_refund(refund_id)
    if refund.status != RefundStatus.APPROVED or refund.code not in QUEUED:
        raise RefundNotQueued(refund=refund.public_id, state=refund.get_status_display())
    write(refund, {"short_by_choice": True})
    if not prepare(refund, actor=actor, at=at):
        raise RefundNotQueued(refund=refund.public_id, state=refund.detail)
    audit.record(actor, "refund.release_anyway", refund.public_id, at, reason, {"share_minor": refund.share_minor})
    return refund


@composable
def record_refund_sent(*, refund_id: int, bank_ref: str, reason: str, actor: Actor, at: datetime) -> Refund:
    """Record that a refund by bank transfer was sent. Events: refund.succeeded. Refuses: NotFound, NotSentByHand, OnlyAPersonDecides, ReasonMissing."""
    if not actor.is_person:
        raise OnlyAPersonDecides()
    if not reason.strip():
        raise ReasonMissing()
    refund = lock_refund(refund_id)
    gateway = refund.payment.gateway if refund.payment else ""
    if gateway != MANUAL or refund.status != RefundStatus.PENDING:
        raise NotSentByHand(refund=refund.public_id, state=refund.get_status_display(), gateway=gateway or "the ledger")
    apply_answer(refund, Answer(Outcome.DONE, status="succeeded", detail=reason), actor=actor, at=at)
    audit.record(actor, "refund.sent", refund.public_id, at, reason, {"bank_ref": bank_ref})
    return refund


@composable
def close_failed(*, refund_id: int, reason: str, actor: Actor, at: datetime) -> Refund:
    """Note how a failed refund was dealt with (asked for anew, sent by bank, given up); it leaves the queue. Refuses: NotFound, RefundNotFailed."""
    if not reason.strip():
        raise ReasonMissing()
    refund = lock_refund(refund_id)
    if refund.status != RefundStatus.FAILED:
        raise RefundNotFailed(refund=refund.public_id, state=refund.get_status_display())
    write(refund, {"looked_after_at": at, "detail": reason})
    audit.record(actor, "refund.close_failed", refund.public_id, at, reason)
    return refund


@composable
def ask_now(*, refund_id: int, actor: Actor, at: datetime) -> Refund:
    """Have the gateway asked about a refund at the worker's next turn. Refuses: NotFound."""
    refund = lock_refund(refund_id)
    for waiting in Attempt.objects.filter(target=refund.public_id, status=AttemptStatus.UNKNOWN, claim=None):
        attempts.make_due(waiting.pk)
    if refund.provider_ref:
        write(refund, {"next_look_at": at})
    return refund


@composable
def set_disputed(*, payment_id: int, disputed_minor: int, actor: Actor, at: datetime, reason: str = "") -> Payment:
    """Say how much of a payment stands in disputes that are open or lost: it cannot be refunded any more. For the room of disputes.

    A buyer may dispute what went back already; only what has not gone back is noted here. Refuses: NotFound.
    """
    payment = lock_payment(payment_id)
    left = refundable(payment) + payment.disputed_minor
    noted = max(0, min(disputed_minor, left))
    if payment.disputed_minor != noted:
        Payment.objects.filter(pk=payment_id).update(disputed_minor=noted)
        payment.disputed_minor = noted
        audit.record(
            actor, "payment.disputed", payment.public_id, at, reason, {"disputed_minor": noted, "said_minor": disputed_minor}
        )
    return payment


def open_request(refund: Refund) -> Approval | None:
    """Return the request for a second person that waits on this refund, or None."""
    return Approval.objects.filter(action=ACTION, subject=refund.public_id, state=ApprovalState.REQUESTED).first()


def _lock_requested(refund_id: int) -> Refund:
    refund = lock_refund(refund_id)
    if refund.status != RefundStatus.REQUESTED:
        raise RefundNotRequested(refund=refund.public_id, state=refund.get_status_display())
    return refund


def _cancel(refund: Refund, reason: str, actor: Actor, at: datetime) -> None:
    write(refund, {"code": "canceled", "detail": reason})
    transition(REFUND, refund, RefundStatus.CANCELED, actor=actor, at=at, reason=reason)
    tell_refund("refund.canceled", refund, at)
