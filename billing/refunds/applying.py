"""What a gateway says about a refund, made ours: by an answer, a look-up or an event, in any order, each fact once."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from backoffice.kit.actors import Actor, system
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable, durable
from billing.gateways.port import Answer, Outcome
from billing.gateways.registry import MANUAL, gateway_named
from billing.payments import attempts
from billing.payments.models import Attempt
from billing.payments.states import OPEN_ATTEMPTS
from billing.refunds.locks import lock_refund
from billing.refunds.models import Refund
from billing.refunds.money import book_card_refund, take_back
from billing.refunds.preparing import tell_refund, write
from billing.refunds.states import REFUND, RefundSource, RefundStatus

logger = logging.getLogger(__name__)
R = RefundStatus
SWEEPER = system("refunds")
FIRST_LOOK, NEXT_LOOK = timedelta(hours=1), timedelta(days=1)
_BY_OUTCOME = {
    Outcome.DONE: R.SUCCEEDED,
    Outcome.PENDING: R.PENDING,
    Outcome.NEEDS_ACTION: R.REQUIRES_ACTION,
    Outcome.DECLINED: R.FAILED,
    Outcome.UNKNOWN: R.UNKNOWN,
}
_ON_ITS_WAY = (R.PENDING, R.REQUIRES_ACTION, R.SUCCEEDED)


class OnAnotherPayment(Refusal):
    code = "refund_differs"
    sentence = "The gateway has {refund} with another amount or currency than was asked."


@composable
def apply_provider_state(*, refund_id: int, answer: Answer, actor: Actor, at: datetime) -> str:
    """Apply what the gateway says about a refund now; answer `applied`, `same` or `stale`.

    `answer` comes from the gateway's `get_refund`, made outside any transaction. Ends an attempt whose outcome was unknown; a refund that comes back
    after it had succeeded is booked back. Events: refund.*. Refuses: NotFound, OnAnotherPayment, PeriodIsClosed.
    """
    refund = lock_refund(refund_id)
    if answer.outcome == Outcome.UNKNOWN or refund.provider_ref not in ("", answer.provider_ref):
        return "stale"
    waiting = Attempt.objects.filter(kind="refund", target=refund.public_id, status__in=OPEN_ATTEMPTS, called=True)
    for row in waiting.select_for_update():
        attempts.close_answered(row, answer, actor=actor, at=at)
    return apply_answer(refund, answer, actor=actor, at=at)


def apply_answer(refund: Refund, answer: Answer, *, actor: Actor, at: datetime) -> str:
    """Move a locked refund to what an answer says, with what follows from it."""
    wanted = (
        R.CANCELED
        if answer.status == "canceled" and refund.status in (R.PENDING, R.REQUIRES_ACTION)
        else _BY_OUTCOME[answer.outcome]
    )
    if wanted == refund.status or not REFUND.allows(refund.status, wanted):
        return "same" if wanted == refund.status else "stale"
    _check(refund, answer)
    manual = refund.payment is not None and refund.payment.gateway == MANUAL
    columns: dict[str, Any] = {
        "code": answer.code[:100],
        "detail": answer.detail,
        "looks": 0,
        "next_look_at": at + FIRST_LOOK if wanted in (R.PENDING, R.REQUIRES_ACTION) and not manual else None,
    }
    columns |= {"provider_ref": answer.provider_ref} if answer.provider_ref and not refund.provider_ref else {}
    columns |= {"completed_at": at} if wanted == R.SUCCEEDED else {}
    if wanted in _ON_ITS_WAY and refund.posting_id is None:
        columns |= {"posting_id": book_card_refund(refund, actor=actor, at=at)}
    write(refund, columns)
    if wanted in (R.FAILED, R.CANCELED):
        take_back(refund, actor=actor, at=at, reason=f"The refund did not go through: {answer.code or answer.status}.")
    transition(REFUND, refund, wanted, actor=actor, at=at, code=answer.code[:60], reason=answer.detail)
    tell_refund(f"refund.{wanted.value}", refund, at)
    return "applied"


def _check(refund: Refund, answer: Answer) -> None:
    if answer.outcome == Outcome.DECLINED or "amount_minor" not in answer.facts:
        return
    if (answer.facts["amount_minor"], answer.facts.get("currency")) != (refund.amount_minor, refund.currency):
        raise OnAnotherPayment(refund=refund.public_id)


class SendRefund:
    """What attempts of the kind `refund` do."""

    def lock(self, target_id: int, *, skip: bool = False) -> Refund | None:
        try:
            return lock_refund(target_id)
        except NotFound:
            return None

    def why_not(self, target: Refund, attempt: Attempt, actor: Actor, at: datetime) -> str:
        """The last gate: the refund is approved, and its share of the sale is booked where it has one."""
        return "" if target.status == R.APPROVED else f"The refund is {target.get_status_display()}."

    def send(self, attempt: Attempt) -> Answer:
        asked = attempt.request
        return gateway_named(attempt.gateway).refund(
            payment_ref=asked["payment_ref"], amount_minor=asked["amount_minor"], currency=asked["currency"],
            reference=attempt.target, reason=asked["reason"], key=attempt.key,
        )  # fmt: skip

    def look_up(self, attempt: Attempt) -> Answer:
        return gateway_named(attempt.gateway).get_refund(
            reference=attempt.target, key=attempt.key, payment_ref=attempt.request["payment_ref"]
        )

    def record(self, target: Refund, attempt: Attempt, answer: Answer, actor: Actor, at: datetime) -> None:
        apply_answer(target, answer, actor=actor, at=at)

    def unknown(self, target: Refund, attempt: Attempt, actor: Actor, at: datetime) -> None:
        transition(REFUND, target, R.UNKNOWN, actor=actor, at=at, reason="No certain answer came; the gateway is being asked.")
        tell_refund("refund.unknown", target, at)

    def absent(self, target: Refund, attempt: Attempt, actor: Actor, at: datetime) -> None:
        """The gateway never saw it, so the buyer has nothing: it fails, what was booked is undone, and a person asks for it anew."""
        apply_answer(
            target, Answer(Outcome.DECLINED, code="never_arrived", detail="The gateway has never seen it."), actor=actor, at=at
        )


def plug_in() -> None:
    """Register what attempts of this room's kind do."""
    attempts.register("refund", SendRefund())


@durable
def look_after(*, at: datetime, limit: int = 200) -> dict[str, int]:
    """Ask about refunds that are on their way; a refund may fail days after it was taken. Answers how many, and how many changed."""
    rows = list(
        Refund.objects.filter(next_look_at__lte=at, source=RefundSource.CARD)
        .select_related("payment")
        .order_by("next_look_at")[:limit]
    )
    return {"refunds": len(rows), "changed": sum(_look_at(row, at) for row in rows)}


def _look_at(refund: Refund, at: datetime) -> bool:
    payment = refund.payment
    if payment is None:
        return False
    try:
        found = gateway_named(payment.gateway).get_refund(provider_ref=refund.provider_ref)
        with transaction.atomic():
            if apply_provider_state(refund_id=refund.pk, answer=found, actor=SWEEPER, at=at) == "applied":
                return True
    except (Refusal, IntegrityError):
        logger.exception("what the gateway says about refund %s could not be booked; asked again later", refund.public_id)
    Refund.objects.filter(pk=refund.pk).update(next_look_at=at + NEXT_LOOK, looks=refund.looks + 1)
    return False
