"""The device arrives and is looked at: accepted at the price agreed or a lower one, above a limit by two people, or refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.money import Money
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.rails.calendars import add_business_days
from payouts.tradeins import money
from payouts.tradeins.agreeing import ACTION, AmountNotPositive, drop_request, open_request
from payouts.tradeins.limits import takes_two
from payouts.tradeins.locks import ReasonMissing, lock_trade_in
from payouts.tradeins.models import TradeIn
from payouts.tradeins.states import TradeInStatus
from payouts.tradeins.telling import move

# "Up to six business days": what the largest marketplace of the trade promises (Back Market help, article 360010965060).
PAY_BUSINESS_DAYS = 6
# Where the money was all set off against what the consumer owed us: nothing is left for a run to pay.
SET_OFF = "set_off"


class PriceAboveAgreed(InputError):
    code = "price_above_agreed"
    sentence = "The price agreed is {agreed}; {asked} is more. A better price is another trade-in, agreed anew."


class TradeInNotReceived(Refusal):
    code = "trade_in_not_received"
    sentence = "The trade-in {trade_in} is {state}; only a device that is here and not decided yet can be accepted or refused."


class NothingToApprove(Refusal):
    code = "nothing_to_approve"
    sentence = "The trade-in {trade_in} is {state}; it waits for nobody's approval."


@composable
def receive_trade_in(*, trade_in_id: int, actor: Actor, at: datetime) -> TradeIn:
    """Note that the device is here; once noted, again changes nothing. Tells `trade_in.received`. Refuses: NotFound, MoveNotAllowed."""
    row = lock_trade_in(trade_in_id)
    if row.received_at is None or row.status == TradeInStatus.AGREED:
        move(row, TradeInStatus.RECEIVED, actor=actor, at=at, received_at=at)
    return row


@composable
def accept_trade_in(
    *, trade_in_id: int, actor: Actor, at: datetime, amount_minor: int | None = None, reason: str = ""
) -> TradeIn:
    """Accept a device at the price agreed, or at a lower one with its reason; within the limit the price is owed at once, else a second person decides.

    A device nobody noted as received is received with it. The same answer twice changes nothing. Tells `trade_in.accepted` (and `trade_in.paid`
    where all of it repaid a debt), or `trade_in.needs_approval`. Refuses: NotFound, TradeInNotReceived, PriceAboveAgreed, AmountNotPositive, ReasonMissing.
    """
    row = lock_trade_in(trade_in_id)
    price = row.agreed_minor if amount_minor is None else amount_minor
    if row.status in (TradeInStatus.ACCEPTED, TradeInStatus.PAID, TradeInStatus.NEEDS_APPROVAL) and row.amount_minor == price:
        return row
    if row.status not in (TradeInStatus.AGREED, TradeInStatus.RECEIVED):
        raise TradeInNotReceived(trade_in=row.public_id, state=row.get_status_display())
    _check_price(row, price, reason)

    if row.status == TradeInStatus.AGREED:
        move(row, TradeInStatus.RECEIVED, actor=actor, at=at, received_at=at)
    columns: dict[str, Any] = {"amount_minor": price, "accepted_by": str(actor), "checker": ""}
    audit.record(actor, "trade_in.accept", row.public_id, at, reason, {"amount_minor": price, "currency": row.currency})
    if not takes_two(row, price, at):
        _buy(row, actor, at, reason=reason, **columns)
        return row
    move(row, TradeInStatus.NEEDS_APPROVAL, actor=actor, at=at, reason=reason, **columns)
    content = content_of(row)
    approvals.request_approval(
        action=ACTION,
        subject=row.public_id,
        content_hash=fingerprint(content),
        shown=content | {"reason": reason},
        maker=actor,
        at=at,
    )
    return row


def _check_price(row: TradeIn, price: int, reason: str) -> None:
    if price <= 0:
        raise AmountNotPositive()
    if price > row.agreed_minor:
        raise PriceAboveAgreed(agreed=Money(row.agreed_minor, row.currency), asked=Money(price, row.currency))
    if price < row.agreed_minor and not reason.strip():
        raise ReasonMissing()


@composable
def approve_trade_in(*, trade_in_id: int, actor: Actor, at: datetime, content_hash: str = "", reason: str = "") -> TradeIn:
    """Approve a price above the limit as another person than accepted the device; it is owed from now on.

    `content_hash` is that of the request as it was shown. Tells `trade_in.accepted`. Refuses: NotFound, NothingToApprove, and as approvals do.
    """
    row = _lock_waiting(trade_in_id)
    asked = open_request(row)
    if asked is None:
        raise approvals.ApprovalMissing()
    wanted = fingerprint(content_of(row))
    if content_hash and content_hash != asked.content_hash:
        raise approvals.ContentChanged()
    approvals.approve(action=ACTION, subject=row.public_id, content_hash=wanted, checker=actor, at=at, reason=reason)
    approvals.use_approval(action=ACTION, subject=row.public_id, content_hash=wanted, at=at)
    audit.record(actor, "trade_in.approve", row.public_id, at, reason, {"asked_by": asked.maker})
    _buy(row, actor, at, reason=row.reason, checker=str(actor))
    return row


@composable
def send_back_trade_in(*, trade_in_id: int, reason: str, actor: Actor, at: datetime) -> TradeIn:
    """Refuse to approve the price, or take one's own request back: the device is looked at again. Refuses: NotFound, NothingToApprove, ReasonMissing."""
    row = _lock_waiting(trade_in_id)
    if not reason.strip():
        raise ReasonMissing()
    drop_request(row, actor=actor, at=at, reason=reason)
    columns: dict[str, Any] = {"amount_minor": row.agreed_minor, "accepted_by": ""}
    move(row, TradeInStatus.RECEIVED, actor=actor, at=at, code="sent_back", reason=reason, **columns)
    audit.record(actor, "trade_in.send_back", row.public_id, at, reason)
    return row


@composable
def refuse_trade_in(*, trade_in_id: int, reason: str, actor: Actor, at: datetime) -> TradeIn:
    """Refuse a device that is not what was described; it goes back and nothing is owed. Tells `trade_in.refused`.

    Refuses: NotFound, TradeInNotReceived, ReasonMissing.
    """
    row = lock_trade_in(trade_in_id)
    if not reason.strip():
        raise ReasonMissing()
    if row.status == TradeInStatus.REFUSED:
        return row
    if row.status == TradeInStatus.AGREED:
        move(row, TradeInStatus.RECEIVED, actor=actor, at=at, received_at=at)
    if row.status not in (TradeInStatus.RECEIVED, TradeInStatus.NEEDS_APPROVAL):
        raise TradeInNotReceived(trade_in=row.public_id, state=row.get_status_display())
    drop_request(row, actor=actor, at=at, reason=reason)
    move(row, TradeInStatus.REFUSED, actor=actor, at=at, code="not_as_described", reason=reason, ended_at=at)
    audit.record(actor, "trade_in.refuse", row.public_id, at, reason)
    return row


def content_of(row: TradeIn) -> dict[str, Any]:
    """Return what a second person approves; nothing of it changes afterwards."""
    return {
        "trade_in": row.public_id,
        "consumer": row.consumer.public_id,
        "device": row.device,
        "amount": {row.currency: row.amount_minor},
        "agreed": {row.currency: row.agreed_minor},
    }


def _lock_waiting(trade_in_id: int) -> TradeIn:
    row = lock_trade_in(trade_in_id)
    if row.status != TradeInStatus.NEEDS_APPROVAL:
        raise NothingToApprove(trade_in=row.public_id, state=row.get_status_display())
    return row


def _buy(row: TradeIn, actor: Actor, at: datetime, *, reason: str, **columns: Any) -> None:
    """Owe the price: available now, or after the days of the consumer's tier."""
    days = row.consumer.tier.delay_days
    columns |= {
        "accepted_at": at,
        "available_at": at + timedelta(days=days),
        "pay_by_on": _promised(row.currency, at.date(), days),
    }
    for name, value in columns.items():
        setattr(row, name, value)
    payable = money.book_bought(row, waits=days > 0, actor=actor, at=at)
    move(row, TradeInStatus.ACCEPTED, actor=actor, at=at, reason=reason, pending_minor=row.amount_minor if days else 0, **columns)
    settle_set_off(row, payable, actor=actor, at=at)


def settle_set_off(row: TradeIn, payable_minor: int, *, actor: Actor, at: datetime) -> None:
    """End a trade-in whose whole price repaid what the consumer owed."""
    if not payable_minor:
        sentence = "All of it repaid what the consumer owed us; nothing is left to pay out."
        move(row, TradeInStatus.PAID, actor=actor, at=at, code=SET_OFF, reason=sentence, paid_at=at)


def _promised(currency: str, on: date, wait_days: int) -> date:
    return add_business_days("FED" if currency == "USD" else "TARGET", on + timedelta(days=wait_days), PAY_BUSINESS_DAYS)
