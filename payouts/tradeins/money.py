"""The postings of trade-ins: bought, become available, taken back. The only place of this room that books; callers hold the consumer's lock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor
from payouts.earnings.allocation import Purse
from payouts.earnings.purses import lock_purses
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import Leg, non_zero, seller, trade_in
from payouts.tradeins.models import TradeIn

SOURCE = "trade_in"
BOUGHT, MATURED, WITHDRAWN = "trade_in", "trade_in_matured", "trade_in_withdrawn"


def book_bought(row: TradeIn, *, waits: bool, actor: Actor, at: datetime) -> int:
    """Book the price: pending where it has to wait, else available, a debt of the consumer first; return what of it can be paid out."""
    price: dict[str, Any] = {"seller_id": row.consumer_id, "currency": row.currency, "amount_minor": row.amount_minor}
    if waits:
        _post(BOUGHT, row, trade_in(**price, pending_minor=row.amount_minor), actor, at)
        return row.amount_minor
    available, repaid = _purse(row).give(row.amount_minor)
    _post(BOUGHT, row, trade_in(**price, available_minor=available, debt_minor=repaid), actor, at)
    return available


def book_matured(row: TradeIn, *, actor: Actor, at: datetime) -> int:
    """Book that what waited is available, a debt first; return what of it can be paid out."""
    available, repaid = _purse(row).give(row.pending_minor)
    legs = [
        seller("pending", row.consumer_id, row.currency, row.pending_minor),
        seller("available", row.consumer_id, row.currency, -available),
        Leg("receivable.seller_debt", row.consumer_id, "", row.currency, -repaid),
    ]
    _post(MATURED, row, non_zero(legs), actor, at)
    return available


def book_withdrawn(row: TradeIn, *, actor: Actor, at: datetime, reason: str) -> int:
    """Book the price back: what waits first, then what is available, the rest is owed to us; return what the consumer owes for it."""
    taken, owed = (0, 0) if row.pending_minor else _purse(row).take(row.amount_minor)
    legs = trade_in(
        seller_id=row.consumer_id, currency=row.currency, amount_minor=-row.amount_minor, pending_minor=-row.pending_minor,
        available_minor=taken, debt_minor=owed,
    )  # fmt: skip
    _post(WITHDRAWN, row, legs, actor, at, reason)
    return -owed


def _purse(row: TradeIn) -> Purse:
    return lock_purses([row.consumer_id]).get((row.consumer_id, row.currency)) or Purse(0, 0, 0)


def _post(template: str, row: TradeIn, legs: list[Leg], actor: Actor, at: datetime, reason: str = "") -> None:
    approver = Actor.parse(row.checker) if row.checker and template == BOUGHT else None
    post(drafts=[Draft(template, row.public_id, legs, SOURCE, row.pk)], actor=actor, approver=approver, at=at, reason=reason)
