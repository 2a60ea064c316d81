"""What people decide about payments: give one up, say what became of one nobody knows about, record a transfer, note a dispute."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval, ApprovalState
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from billing.gateways.port import Answer, Outcome
from billing.gateways.registry import MANUAL, gateway_named
from billing.payments import attempts
from billing.payments.applying import apply_answer, apply_provider_state, lock_payment, mark_canceled, write
from billing.payments.models import Attempt, Payment
from billing.payments.states import ATTEMPT, AttemptStatus, PaymentStatus

ABSENCE = "payment_absent"


class CannotBeCanceled(Refusal):
    code = "payment_cannot_be_canceled"
    sentence = "The payment {payment} is {state}; it cannot be cancelled now. What was paid is given back by a refund."


class PaymentNotUnknown(Refusal):
    code = "payment_not_unknown"
    sentence = "The outcome of the payment {payment} is not unknown: it is {state}."


class NotThisPayment(Refusal):
    code = "not_this_payment"
    sentence = "What {gateway} has under {ref} does not carry this payment's reference. Look for the id beside {payment} there."


class GatewayDoesNotKnow(Refusal):
    code = "gateway_does_not_know"
    sentence = "{gateway} has nothing under that id, or could not be asked. Nothing was changed; try again or check the id."


class NotATransfer(Refusal):
    code = "not_a_transfer"
    sentence = "The payment {payment} is {state} through {gateway}: only a transfer that is awaited can be recorded by hand."


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history."


class OnlyAPersonDecides(Refusal):
    code = "only_a_person_decides"
    sentence = "Only a person can say this."


@composable
def cancel_payment(*, payment_id: int, reason: str, actor: Actor, at: datetime) -> Payment:
    """Give a payment up: at once when nothing left us, else by asking the gateway (the worker does).

    Events: payment.canceled, when it is. Refuses: NotFound, CannotBeCanceled, ReasonMissing.
    """
    payment = lock_payment(payment_id)
    if not reason.strip():
        raise ReasonMissing()
    if payment.status == PaymentStatus.CANCELED or attempts.open_attempt_of("cancel", payment.public_id):
        return payment

    charge = attempts.open_attempt_of("charge", payment.public_id)
    if payment.status == PaymentStatus.CREATED and charge is not None:
        if not attempts.withdraw(attempt=charge, actor=actor, at=at, reason=reason):
            raise CannotBeCanceled(payment=payment.public_id, state="being sent just now")
        mark_canceled(payment, "canceled", reason, actor=actor, at=at)
    elif payment.status in (PaymentStatus.UNKNOWN, PaymentStatus.SUCCEEDED) or not payment.provider_ref:
        raise CannotBeCanceled(payment=payment.public_id, state=payment.get_status_display())
    else:
        request = {"provider_ref": payment.provider_ref, "reason": "abandoned"}
        attempts.open_attempt(
            kind="cancel",
            target=payment.public_id,
            target_id=payment.pk,
            gateway=payment.gateway,
            request=request,
            actor=actor,
            at=at,
        )
    audit.record(actor, "payment.cancel", payment.public_id, at, reason)
    return payment


@durable
def resolve_unknown(*, payment_id: int, provider_ref: str, reason: str, actor: Actor, at: datetime) -> Payment:
    """Ask the gateway about the id a person found there, and book what it says. Nobody's word alone makes money of an unknown outcome.

    Events: payment.*. Refuses: NotFound, PaymentNotUnknown, NotThisPayment, GatewayDoesNotKnow, OnlyAPersonDecides, ReasonMissing.
    """
    payment = Payment.objects.filter(pk=payment_id).first() or lock_payment(payment_id)
    _check_person(actor, reason)
    if payment.status != PaymentStatus.UNKNOWN:
        raise PaymentNotUnknown(payment=payment.public_id, state=payment.get_status_display())
    found = gateway_named(payment.gateway).get_payment(provider_ref=provider_ref.strip())
    if found.outcome == Outcome.UNKNOWN:
        raise GatewayDoesNotKnow(gateway=payment.gateway)
    if found.facts.get("reference") != payment.public_id:
        raise NotThisPayment(gateway=payment.gateway, ref=provider_ref, payment=payment.public_id)
    apply_provider_state(payment_id=payment_id, answer=found, actor=actor, at=at)
    audit.record(
        actor, "payment.resolve", payment.public_id, at, reason, {"provider_ref": found.provider_ref, "status": found.status}
    )
    payment.refresh_from_db()
    return payment


@composable
def request_absence(*, payment_id: int, reason: str, actor: Actor, at: datetime) -> Approval:
    """Say, with evidence, that an unknown payment never arrived; it stays unknown until another person confirms exactly this.

    Refuses: NotFound, PaymentNotUnknown, OnlyAPersonDecides, ReasonMissing.
    """
    _check_person(actor, reason)
    payment, attempt = _lock_unknown(payment_id)
    content = _content(payment, attempt, reason)
    asked = approvals.request_approval(
        action=ABSENCE, subject=payment.public_id, content_hash=fingerprint(content), shown=content, maker=actor, at=at
    )
    audit.record(actor, "payment_absent.request", payment.public_id, at, reason, {"approval": asked.public_id})
    return asked


@composable
def confirm_absence(*, payment_id: int, actor: Actor, at: datetime, content_hash: str = "", reason: str = "") -> Payment:
    """Confirm as another person that a payment never arrived: it is given up, and its purpose may be charged again.

    Refuses: NotFound, PaymentNotUnknown, and what approvals refuse. Events: payment.canceled.
    """
    payment, attempt = _lock_unknown(payment_id)
    asked = open_request(payment)
    if asked is None:
        raise approvals.ApprovalMissing()
    evidence = str(asked.shown["evidence"])
    facts: dict[str, Any] = {
        "action": ABSENCE,
        "subject": payment.public_id,
        "content_hash": fingerprint(_content(payment, attempt, evidence)),
        "at": at,
    }
    if content_hash and content_hash != asked.content_hash:
        raise approvals.ContentChanged()
    approvals.approve(**facts, checker=actor, reason=reason)
    approvals.use_approval(**facts)
    attempts.close_absent(attempt, actor=actor, at=at, reason=f"It never arrived: {evidence}")
    mark_canceled(payment, "never_arrived", f"It never arrived: {evidence}", actor=actor, at=at)
    audit.record(actor, "payment_absent.confirm", payment.public_id, at, reason, {"asked_by": asked.maker})
    return payment


@composable
def refuse_absence(*, payment_id: int, actor: Actor, at: datetime, reason: str) -> Payment:
    """Do not confirm that a payment never arrived, or take one's own word back; it stays unknown. Refuses: NotFound, ReasonMissing, and as approvals do."""
    if not reason.strip():
        raise ReasonMissing()
    payment = lock_payment(payment_id)
    approvals.refuse(action=ABSENCE, subject=payment.public_id, checker=actor, at=at, reason=reason)
    audit.record(actor, "payment_absent.refuse", payment.public_id, at, reason)
    return payment


def absences_to_confirm() -> QuerySet[Payment]:
    """Return the payments of which somebody says that they never arrived."""
    asked = Approval.objects.filter(action=ABSENCE, state=ApprovalState.REQUESTED).values("subject")
    return Payment.objects.filter(status=PaymentStatus.UNKNOWN, public_id__in=asked)


def open_request(payment: Payment) -> Approval | None:
    """Return the request for a second person that waits on this payment, or None."""
    return Approval.objects.filter(action=ABSENCE, subject=payment.public_id, state=ApprovalState.REQUESTED).first()


@composable
def record_transfer(*, payment_id: int, bank_ref: str, reason: str, actor: Actor, at: datetime) -> Payment:
    """Record that an awaited bank transfer has come, in full; `bank_ref` is the bank's reference of the booking.

    The money is in our own hands (`psp.clearing` of `manual`) until reconciliation finds the bank's line. Events: payment.succeeded. Refuses: NotFound,
    NotATransfer, OnlyAPersonDecides, ReasonMissing.
    """
    payment = lock_payment(payment_id)
    _check_person(actor, reason)
    if payment.gateway != MANUAL or payment.status != PaymentStatus.PROCESSING:
        raise NotATransfer(payment=payment.public_id, state=payment.get_status_display(), gateway=payment.gateway)
    facts = {"amount_minor": payment.amount_minor, "currency": payment.currency, "charge_ref": bank_ref.strip()[:120]}
    apply_answer(payment, Answer(Outcome.DONE, status="succeeded", detail=reason, facts=facts), actor=actor, at=at)
    audit.record(actor, "payment.transfer", payment.public_id, at, reason, {"bank_ref": bank_ref})
    return payment


@composable
def ask_now(*, payment_id: int, actor: Actor, at: datetime) -> Payment:
    """Have the gateway asked about a payment at the worker's next turn. Refuses: NotFound."""
    payment = lock_payment(payment_id)
    for waiting in Attempt.objects.filter(target=payment.public_id, status=AttemptStatus.UNKNOWN, claim=None):
        attempts.make_due(waiting.pk)
    if payment.provider_ref:
        write(payment, {"next_look_at": at})
    return payment


def _check_person(actor: Actor, reason: str) -> None:
    if not actor.is_person:
        raise OnlyAPersonDecides()
    if not reason.strip():
        raise ReasonMissing()


def _lock_unknown(payment_id: int) -> tuple[Payment, Attempt]:
    """Lock an unknown payment and the attempt behind it. While a worker asks about it just now, nobody's word is taken."""
    payment = lock_payment(payment_id)
    rows = Attempt.objects.select_for_update().filter(kind="charge", target=payment.public_id, status=AttemptStatus.UNKNOWN)
    attempt = rows.first()
    if payment.status != PaymentStatus.UNKNOWN or attempt is None or not ATTEMPT.allows(attempt.status, AttemptStatus.ABSENT):
        raise PaymentNotUnknown(payment=payment.public_id, state=payment.get_status_display())
    return payment, attempt


def _content(payment: Payment, attempt: Attempt, evidence: str) -> dict[str, Any]:
    return {
        "payment": payment.public_id,
        "customer": payment.customer.public_id,
        "amount": {payment.currency: payment.amount_minor},
        "key": attempt.key,
        "evidence": evidence,
    }
