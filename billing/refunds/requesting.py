"""Asking for a refund: guarded under the payment's lock, approved at once below the limit, else by another person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Sum

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.gates import Objection
from backoffice.kit.idempotency import fingerprint, recall
from backoffice.kit.money import Money
from backoffice.kit.states import born
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.payments.applying import lock_payment
from billing.payments.models import Payment
from billing.payments.sockets import claims
from billing.payments.states import PaymentStatus
from billing.refunds.gates import before_refund
from billing.refunds.limits import limit_of
from billing.refunds.models import Refund
from billing.refunds.preparing import approve_now, tell_refund
from billing.refunds.states import LIVE_REFUNDS, REFUND, RefundSource, RefundStatus
from payouts.sellers.queries import lock_sellers

ACTION = "refund"
CAUSES = ("requested_by_customer", "duplicate", "fraudulent", "surplus", "other")


class RefundExceedsCaptured(Refusal):
    code = "refund_exceeds_captured"
    sentence = "Of {payment}, {left} can still be given back; refunds and disputes before this one count. {asked} is more."


class PaymentNotPaid(Refusal):
    code = "payment_not_paid"
    sentence = "The payment {payment} is {state}; only what was paid can be given back."


class ChargeDisputed(Refusal):
    code = "charge_disputed"
    sentence = (
        "The payment {payment} is disputed with {disputed}: what is in dispute goes back through the dispute, not by a refund."
    )


class GoesBackInProportion(Refusal):
    code = "goes_back_in_proportion"
    sentence = "A part of {purpose} was paid from a seller's balance. Refund {purpose} itself: each source gets back its part."


class NothingPaid(Refusal):
    code = "nothing_paid"
    sentence = "For {purpose}, {paid} was paid and not given back yet; {asked} is more than that."


class RefundBlocked(Refusal):
    code = "refund_blocked"
    sentence = "This refund may not be made: {why}"


class RefundNotFailed(Refusal):
    code = "refund_not_failed"
    sentence = "The refund {refund} did not fail: it is {state}."


class UnknownCause(InputError):
    code = "unknown_cause"
    sentence = "The cause of a refund is one of: {known}."


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept with the refund."


class AmountNotPositive(InputError):
    code = "amount_not_positive"
    sentence = "The amount of a refund is positive."


@composable
def request_refund(
    *, payment_id: int, amount_minor: int, reason: str, actor: Actor, at: datetime, key: str, cause: str = "requested_by_customer"
) -> Refund:
    """Ask for a part or all of a payment to go back; minor units of its currency. Below the limit it is approved at once and sent by the worker.

    What of the payment nobody had owed goes first. Events: refund.requested, refund.approved, refund.queued. Refuses: NotFound, PaymentNotPaid,
    RefundExceedsCaptured, ChargeDisputed, GoesBackInProportion, RefundBlocked, AmountNotPositive, ReasonMissing, UnknownCause, KeyReused.
    """
    seller_id = Payment.objects.filter(pk=payment_id).values_list("seller_id", flat=True).first()
    if seller_id is not None:
        lock_sellers([seller_id])
    payment = lock_payment(payment_id)
    memory = recall(scope="refund", key=key, content=[payment_id, amount_minor, reason, cause])
    if memory.outcome is not None:
        return Refund.objects.get(pk=memory.outcome)

    _check_words(amount_minor, reason, cause)
    surplus = min(amount_minor, _surplus_left(payment))
    claim = claims.of(payment.purpose)
    if claim is not None and amount_minor > surplus and claim.balance_sources(purpose=payment.purpose):
        raise GoesBackInProportion(purpose=payment.purpose)
    refund = card_refund(payment, amount_minor, reason=reason, cause=cause, actor=actor, at=at, whole_minor=amount_minor)
    memory.keep(refund.pk)
    return refund


@composable
def ask_again(*, refund_id: int, actor: Actor, at: datetime, key: str) -> Refund:
    """Ask once more for the money of a refund that failed, as a refund of its own; the failed one leaves the queue. Refuses: NotFound, RefundNotFailed, and as request_refund."""
    earlier = Refund.objects.select_related("payment").filter(pk=refund_id).first()
    if earlier is None or earlier.payment_id is None:
        raise NotFound(what="refund to a card", ref=refund_id)
    if earlier.status not in (RefundStatus.FAILED, RefundStatus.CANCELED):
        raise RefundNotFailed(refund=earlier.public_id, state=earlier.get_status_display())
    made = request_refund(
        payment_id=earlier.payment_id, amount_minor=earlier.amount_minor, reason=earlier.reason, cause=earlier.cause, actor=actor,
        at=at, key=key,
    )  # fmt: skip
    Refund.objects.filter(pk=refund_id, looked_after_at=None).update(looked_after_at=at)
    return made


@composable
def refund_claim(
    *, purpose: str, amount_minor: int, reason: str, actor: Actor, at: datetime, key: str, cause: str = "requested_by_customer"
) -> list[Refund]:
    """Give back a part or all of what was paid for a claim, to every source in proportion: cards by the gateway, balances by the ledger.

    Below the limit (of the whole) all parts are approved at once. Events and refusals as request_refund, and NothingPaid.
    """
    claim = claims.of(purpose)
    if claim is None:
        raise NotFound(what="claim", ref=purpose[:120])
    sources = list(claim.balance_sources(purpose=purpose))
    lock_sellers([source.seller_id for source in sources])
    paid = Payment.objects.filter(purpose=purpose, status=PaymentStatus.SUCCEEDED).order_by("pk").values_list("pk", flat=True)
    payments = [lock_payment(pk) for pk in list(paid)]
    memory = recall(scope="refund_claim", key=key, content=[purpose, amount_minor, reason, cause])
    if memory.outcome is not None:
        return list(Refund.objects.filter(pk__in=memory.outcome).order_by("pk"))

    _check_words(amount_minor, reason, cause)
    due = claim.due(purpose=purpose)
    left = [refundable(payment) - _surplus_left(payment) for payment in payments]
    left += [source.amount_minor - _given_to_balance(purpose, source.seller_id) for source in sources]
    asked = Money(amount_minor, due.currency)
    if amount_minor > sum(left):
        raise NothingPaid(purpose=purpose, paid=Money(sum(left), due.currency), asked=asked)
    kept = [place for place, amount in enumerate(left) if amount > 0]
    parts = dict(zip(kept, asked.allocate([left[place] for place in kept]), strict=True))
    made = []
    facts: dict[str, Any] = {"reason": reason, "cause": cause, "actor": actor, "at": at, "whole_minor": amount_minor}
    for place, part in parts.items():
        if not part.amount_minor:
            continue
        if place < len(payments):
            made.append(card_refund(payments[place], part.amount_minor, owed_only=True, **facts))
        else:
            seller_id = sources[place - len(payments)].seller_id
            made.append(_balance_refund(purpose, due.customer_id, seller_id, part, **facts))
    memory.keep([refund.pk for refund in made])
    return made


def card_refund(
    payment: Payment,
    amount_minor: int,
    *,
    reason: str,
    cause: str,
    actor: Actor,
    at: datetime,
    whole_minor: int,
    owed_only: bool = False,
) -> Refund:
    """Put a refund of a locked payment on record, after the guard; approve it where one person may."""
    asked = Money(amount_minor, payment.currency)
    if payment.status != PaymentStatus.SUCCEEDED:
        raise PaymentNotPaid(payment=payment.public_id, state=payment.get_status_display())
    left = refundable(payment)
    if amount_minor > left and amount_minor <= left + payment.disputed_minor:
        raise ChargeDisputed(payment=payment.public_id, disputed=Money(payment.disputed_minor, payment.currency))
    if amount_minor > left:
        raise RefundExceedsCaptured(payment=payment.public_id, left=Money(left, payment.currency), asked=asked)
    refund = Refund(
        payment=payment, customer=payment.customer, seller=payment.seller, purpose=payment.purpose, source=RefundSource.CARD,
        amount_minor=amount_minor, surplus_minor=0 if owed_only else min(amount_minor, _surplus_left(payment)),
        currency=payment.currency, cause=cause, reason=reason, maker=str(actor), requested_at=at,
    )  # fmt: skip
    return _put_on_record(refund, whole_minor, actor=actor, at=at)


def _balance_refund(
    purpose: str,
    customer_id: int,
    seller_id: int,
    part: Money,
    *,
    reason: str,
    cause: str,
    actor: Actor,
    at: datetime,
    whole_minor: int,
) -> Refund:
    refund = Refund(
        customer_id=customer_id, seller_id=seller_id, purpose=purpose, source=RefundSource.BALANCE, amount_minor=part.amount_minor,
        currency=part.currency, cause=cause, reason=reason, maker=str(actor), requested_at=at,
    )  # fmt: skip
    return _put_on_record(refund, whole_minor, actor=actor, at=at)


def _put_on_record(refund: Refund, whole_minor: int, *, actor: Actor, at: datetime) -> Refund:
    """Ask the gate, write the row, and approve it where one person may decide; else ask for a second one."""
    objections: list[Objection] = before_refund.ask(refund=refund, actor=actor, at=at)
    blocks = [one for one in objections if one.effect != "hold"]
    if blocks:
        raise RefundBlocked(why=blocks[0].reason)
    alone = _decided_alone(refund) + whole_minor <= limit_of(refund.currency)
    refund.save()
    born(REFUND, refund, actor=actor, at=at, reason=refund.reason)
    audit.record(
        actor,
        "refund.request",
        refund.public_id,
        at,
        refund.reason,
        {"amount_minor": refund.amount_minor, "currency": refund.currency},
    )
    if alone and not objections:
        approve_now(refund, checker="", actor=actor, at=at)
        return refund
    shown = content_of(refund) | {"why": [one.reason for one in objections] or ["above the limit for one person"]}
    approvals.request_approval(
        action=ACTION, subject=refund.public_id, content_hash=fingerprint(content_of(refund)), shown=shown, maker=actor, at=at
    )
    tell_refund("refund.requested", refund, at)
    return refund


def _decided_alone(refund: Refund) -> int:
    """Return what of the same payment (or claim) went back on one person's word before: a limit is not evaded in parts."""
    same = (
        Refund.objects.filter(payment_id=refund.payment_id)
        if refund.payment_id
        else Refund.objects.filter(purpose=refund.purpose)
    )
    return int(
        same.filter(checker="", approved_at__isnull=False, status__in=LIVE_REFUNDS).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    )


def content_of(refund: Refund) -> dict[str, object]:
    """Return what a second person approves; nothing of it changes afterwards."""
    return {
        "refund": refund.public_id,
        "payment": refund.payment.public_id if refund.payment else "",
        "source": str(refund.source),
        "amount": {refund.currency: refund.amount_minor},
        "reason": refund.reason,
    }


def refundable(payment: Payment) -> int:
    """Return what of a payment can still go back, in minor units: captured less refunds that are not over and disputes."""
    gone = Refund.objects.filter(payment=payment, status__in=LIVE_REFUNDS).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return int(payment.captured_minor - payment.disputed_minor - gone)


def _surplus_left(payment: Payment) -> int:
    gone = Refund.objects.filter(payment=payment, status__in=LIVE_REFUNDS).aggregate(sum=Sum("surplus_minor"))["sum"] or 0
    return max(0, int(payment.surplus_minor - gone))


def _given_to_balance(purpose: str, seller_id: int) -> int:
    rows = Refund.objects.filter(purpose=purpose, seller_id=seller_id, source=RefundSource.BALANCE, status__in=LIVE_REFUNDS)
    return int(rows.aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def _check_words(amount_minor: int, reason: str, cause: str) -> None:
    if amount_minor <= 0:
        raise AmountNotPositive()
    if not reason.strip():
        raise ReasonMissing()
    if cause not in CAUSES:
        raise UnknownCause(known=", ".join(CAUSES))
