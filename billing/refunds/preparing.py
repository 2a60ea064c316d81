"""From approved to sent: the seller's share first, then the attempt; what has to wait for its seller waits here, with a notice."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from backoffice.kit.actors import Actor, system
from backoffice.kit.errors import Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import durable
from billing.payments import attempts
from billing.payments.sockets import claims
from billing.refunds.locks import lock_refund
from billing.refunds.models import Refund
from billing.refunds.money import book_balance_refund
from billing.refunds.shares import take_share, why_queued
from billing.refunds.states import REFUND, RefundSource, RefundStatus

QUEUED = ("sale_not_recorded", "seller_balance_short")


def approve_now(refund: Refund, *, checker: str, actor: Actor, at: datetime, reason: str = "") -> None:
    """Approve a locked refund and send it on its way as far as it goes; `checker` is empty where one person may decide."""
    Refund.objects.filter(pk=refund.pk).update(checker=checker, approved_at=at)
    refund.checker, refund.approved_at = checker, at
    transition(REFUND, refund, RefundStatus.APPROVED, actor=actor, at=at, reason=reason)
    tell_refund("refund.approved", refund, at)
    prepare(refund, actor=actor, at=at)


def prepare(refund: Refund, *, actor: Actor, at: datetime) -> bool:
    """Do what comes before the call, and put the call on record; False when the refund waits for its seller. Seller and refund are locked."""
    if refund.source == RefundSource.BALANCE:
        write(refund, {"posting_id": book_balance_refund(refund, actor=actor, at=at), "completed_at": at})
        transition(REFUND, refund, RefundStatus.SUCCEEDED, actor=actor, at=at)
        tell_refund("refund.succeeded", refund, at)
        return True
    if refund.seller_id is not None and claims.of(refund.purpose) is None and not refund.share_taken:
        code, sentence = why_queued(refund)
        if code:
            if refund.code != code:
                write(refund, {"code": code, "detail": sentence})
                tell_refund("refund.queued", refund, at)
            return False
        write(refund, {"share_minor": take_share(refund, actor=actor, at=at), "share_taken": True, "code": "", "detail": ""})
    _open_attempt(refund, actor, at)
    return True


def _open_attempt(refund: Refund, actor: Actor, at: datetime) -> None:
    payment = refund.payment
    if payment is None:
        raise ValueError(f"{refund}: a refund to a card has a payment.")
    request = {
        "payment_ref": payment.provider_ref,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "reason": refund.cause,
    }
    attempts.open_attempt(
        kind="refund", target=refund.public_id, target_id=refund.pk, gateway=payment.gateway, request=request, actor=actor, at=at
    )


@durable
def release_queued(*, at: datetime, limit: int = 500) -> int:
    """Send the refunds that waited for their seller and need not wait any more, the oldest first; answers how many."""
    waiting = Refund.objects.filter(status=RefundStatus.APPROVED, code__in=QUEUED).order_by("id").values_list("pk", flat=True)
    return sum(_release(pk, at) for pk in list(waiting[:limit]))


def _release(refund_id: int, at: datetime) -> bool:
    with transaction.atomic():
        refund = lock_refund(refund_id)
        if refund.status != RefundStatus.APPROVED or refund.code not in QUEUED:
            return False
        try:
            with transaction.atomic():
                return prepare(refund, actor=system("refunds"), at=at)
        except Refusal as refusal:
            Refund.objects.filter(pk=refund_id).update(detail=str(refusal))
            return False


def write(refund: Refund, columns: dict[str, Any]) -> None:
    Refund.objects.filter(pk=refund.pk).update(**columns)
    for name, value in columns.items():
        setattr(refund, name, value)


def tell_refund(event: str, refund: Refund, at: datetime) -> None:
    """Tell what became of a refund: refund.requested, .approved, .queued, .pending, .succeeded, .failed, .canceled, .unknown."""
    payload = {
        "refund": refund.public_id,
        "payment": refund.payment.public_id if refund.payment else None,
        "purpose": refund.purpose,
        "source": str(refund.source),
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "status": str(refund.status),
        "code": refund.code,
    }
    tell(event, subject=refund.public_id, payload=payload, at=at, partner_id=refund.customer.partner_id)
