"""What a gateway says about a payment, made ours: by an answer, a look-up or an event, in any order, each fact once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from billing.gateways.port import Answer, Outcome
from billing.gateways.registry import MANUAL
from billing.payments import attempts
from billing.payments.models import Attempt, Payment
from billing.payments.money import book_capture
from billing.payments.states import OPEN_ATTEMPTS, PAYMENT, PaymentStatus

P = PaymentStatus
_BY_OUTCOME = {
    Outcome.DONE: P.SUCCEEDED,
    Outcome.PENDING: P.PROCESSING,
    Outcome.NEEDS_ACTION: P.REQUIRES_ACTION,
    Outcome.UNKNOWN: P.UNKNOWN,
}
_EVENTS = {
    P.SUCCEEDED: "payment.succeeded",
    P.REQUIRES_PAYMENT_METHOD: "payment.failed",
    P.CANCELED: "payment.canceled",
    P.REQUIRES_ACTION: "payment.needs_action",
    P.PROCESSING: "payment.processing",
    P.UNKNOWN: "payment.unknown",
}
# Kill Bill's janitor asks about what is pending after an hour, then daily; events of the gateway normally come first.
FIRST_LOOK, NEXT_LOOK = timedelta(hours=1), timedelta(days=1)
WAITING = (P.PROCESSING, P.REQUIRES_ACTION, P.REQUIRES_CONFIRMATION, P.REQUIRES_CAPTURE)


@composable
def apply_provider_state(*, payment_id: int, answer: Answer, actor: Actor, at: datetime) -> str:
    """Apply what the gateway says about a payment now; answer `applied`, `same` or `stale` (older than what we know).

    `answer` comes from the gateway's `get_payment`, made outside any transaction; an unknown one changes nothing. Ends an attempt whose outcome was
    unknown. Events: payment.*. Refuses: NotFound, CapturedDiffers, PeriodIsClosed.
    """
    payment = lock_payment(payment_id)
    if answer.outcome == Outcome.UNKNOWN:
        return "stale"
    # The row of the attempt says which of the provider's objects is ours; another object with our reference is not this payment.
    if payment.provider_ref and answer.provider_ref and payment.provider_ref != answer.provider_ref:
        return "stale"
    waiting = Attempt.objects.filter(kind="charge", target=payment.public_id, status__in=OPEN_ATTEMPTS, called=True)
    for row in waiting.select_for_update():
        attempts.close_answered(row, answer, actor=actor, at=at)
    return apply_answer(payment, answer, actor=actor, at=at)


def apply_answer(payment: Payment, answer: Answer, *, actor: Actor, at: datetime) -> str:
    """Move a locked payment to what an answer says, with what follows from it."""
    wanted = status_of(answer)
    if wanted == payment.status or not PAYMENT.allows(payment.status, wanted):
        return "same" if wanted == payment.status else "stale"
    columns: dict[str, Any] = {
        "decline_code": answer.code[:100] if answer.outcome == Outcome.DECLINED else "",
        "retryable": answer.retryable,
        "reason": answer.detail,
        "action_url": answer.action_url if wanted == P.REQUIRES_ACTION else "",
        "looks": 0,
        "next_look_at": at + FIRST_LOOK if wanted in WAITING and payment.gateway != MANUAL else None,
    }
    columns |= {"provider_ref": answer.provider_ref} if answer.provider_ref else {}
    columns |= {"charge_ref": answer.facts["charge_ref"]} if answer.facts.get("charge_ref") else {}
    if wanted == P.SUCCEEDED:
        captured = int(answer.facts.get("amount_minor", 0))
        surplus = book_capture(
            payment, captured_minor=captured, currency=str(answer.facts.get("currency", "")), actor=actor, at=at
        )
        columns |= {"captured_minor": captured, "surplus_minor": surplus, "completed_at": at}
    write(payment, columns)
    transition(PAYMENT, payment, wanted, actor=actor, at=at, code=answer.code[:60], reason=answer.detail)
    tell_payment(payment, at)
    return "applied"


def status_of(answer: Answer) -> str:
    """Return our status for an answer: the gateway's own word where we have it, else by its outcome."""
    if answer.status in PaymentStatus.values and answer.outcome != Outcome.UNKNOWN:
        return answer.status
    # Refused before anything was executed: there is nothing at the gateway that could still be paid.
    return P.CANCELED if answer.outcome == Outcome.DECLINED else _BY_OUTCOME[answer.outcome]


def mark_unknown(payment: Payment, reason: str, *, actor: Actor, at: datetime) -> None:
    """Note on a locked payment that nobody knows what became of its charge."""
    if PAYMENT.allows(payment.status, P.UNKNOWN):
        write(payment, {"reason": reason})
        transition(PAYMENT, payment, P.UNKNOWN, actor=actor, at=at, reason=reason)
        tell_payment(payment, at)


def mark_canceled(payment: Payment, code: str, reason: str, *, actor: Actor, at: datetime) -> None:
    """Give up a locked payment of which nothing is at the gateway, or nothing that could be paid."""
    write(payment, {"decline_code": code, "reason": reason, "next_look_at": None, "action_url": ""})
    transition(PAYMENT, payment, P.CANCELED, actor=actor, at=at, code=code, reason=reason)
    tell_payment(payment, at)


def write(payment: Payment, columns: dict[str, Any]) -> None:
    Payment.objects.filter(pk=payment.pk).update(**columns)
    for name, value in columns.items():
        setattr(payment, name, value)


def tell_payment(payment: Payment, at: datetime) -> None:
    """Tell what became of a payment: payment.succeeded, .failed, .canceled, .needs_action, .processing, .unknown."""
    event = _EVENTS.get(PaymentStatus(payment.status))
    if event is None:
        return
    payload = {
        "payment": payment.public_id,
        "customer": payment.customer.public_id,
        "purpose": payment.purpose,
        "amount_minor": payment.amount_minor,
        "captured_minor": payment.captured_minor,
        "surplus_minor": payment.surplus_minor,
        "currency": payment.currency,
        "status": payment.status,
        "code": payment.decline_code,
        "retryable": payment.retryable,
    }
    tell(event, subject=payment.public_id, payload=payload, at=at, partner_id=payment.customer.partner_id)


def lock_payment(payment_id: int, *, skip: bool = False) -> Payment:
    """Lock one payment until the transaction ends. Refuses: NotFound."""
    with transaction.atomic():
        rows = Payment.objects.select_for_update(of=("self",), skip_locked=skip).select_related("customer", "seller")
        payment = rows.filter(pk=payment_id).first()
    if payment is None:
        raise NotFound(what="payment", ref=payment_id)
    return payment
