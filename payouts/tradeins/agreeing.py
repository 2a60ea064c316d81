"""Agree on a trade-in, and call it off before anything is owed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from backoffice.kit import approvals
from backoffice.kit.actors import Actor
from backoffice.kit.approvals import Approval, ApprovalState
from backoffice.kit.crypto import blind_index
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.money import Money
from backoffice.kit.states import born
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.sellers.models import Seller
from payouts.sellers.queries import lock_seller
from payouts.sellers.states import SellerStatus
from payouts.sellers.validation import check_currency, clean_text
from payouts.tradeins.limits import check_price
from payouts.tradeins.locks import ReasonMissing, lock_trade_in
from payouts.tradeins.models import TradeIn
from payouts.tradeins.states import OPEN, TRADE_IN, TradeInStatus
from payouts.tradeins.telling import move, tell_trade_in

ACTION = "trade_in"
_COMPARED = ("consumer_id", "order_ref", "device", "serial_index", "currency", "agreed_minor")


class NotAConsumer(Refusal):
    code = "not_a_consumer"
    sentence = (
        "{external_id} is a shop: it sells on the marketplace. A trade-in is bought from a party of the form consumer; open one."
    )


class ConsumerTradesNoMore(Refusal):
    code = "consumer_trades_no_more"
    sentence = "{external_id} is {state}; nothing is bought from it."


class TradeInExists(Refusal):
    code = "trade_in_exists"
    sentence = "There is a trade-in {external_id} with other content ({trade_in}); send the correction under another name."


class DeviceInAnother(Refusal):
    code = "device_in_another_trade_in"
    sentence = (
        "The device with this serial number stands in a trade-in that is not over. Look for a copy, or end the other one first."
    )


class TradeInNotOpen(Refusal):
    code = "trade_in_not_open"
    sentence = (
        "The trade-in {trade_in} is {state}; it can no longer be cancelled. What is accepted already is taken back by finance."
    )


class AmountNotPositive(InputError):
    code = "amount_not_positive"
    sentence = "The price of a device is more than zero."


@composable
def agree_trade_in(
    *,
    consumer_id: int,
    external_id: str,
    device: str,
    amount_minor: int,
    currency: str,
    actor: Actor,
    key: str,
    at: datetime,
    order_ref: str = "",
    serial: str = "",
) -> TradeIn:
    """Put the offer a consumer agreed to on record; nothing is owed yet. The same external id with the same content answers the same trade-in.

    Tells `trade_in.agreed`. Refuses: NotFound, NotAConsumer, ConsumerTradesNoMore, TradeInExists, DeviceInAnother, TradeInTooDear,
    AmountNotPositive, KeyReused, and what `validation` refuses.
    """
    consumer = lock_seller(consumer_id)
    given: dict[str, Any] = {
        "external_id": clean_text("external id", external_id, 120), "device": clean_text("device", device, 120),
        "order_ref": clean_text("order reference", order_ref, 120) if order_ref else "", "currency": check_currency(currency),
        "serial_index": blind_index(plain_serial(serial)) if serial else "", "agreed_minor": amount_minor,
    }  # fmt: skip
    earlier = recall(scope="agree_trade_in", key=f"{consumer.partner_id or ''}:{key}", content=given | {"consumer": consumer_id})
    if earlier.outcome is not None:
        return TradeIn.objects.select_related("consumer").get(pk=earlier.outcome)

    _check(consumer, Money(amount_minor, given["currency"]))
    row = TradeIn(
        **given, amount_minor=amount_minor, consumer=consumer, partner_id=consumer.partner_id, serial=plain_serial(serial), agreed_by=str(actor),
        agreed_at=at,
    )  # fmt: skip
    named = TradeIn.objects.filter(external_id=row.external_id, partner=consumer.partner).select_related("consumer")
    known = named.first()
    if known is None:
        _insert(row, actor, at)
    elif any(getattr(known, name) != getattr(row, name) for name in _COMPARED):
        raise TradeInExists(external_id=row.external_id, trade_in=known.public_id)
    found = known or row
    earlier.keep(found.pk)
    return found


def _check(consumer: Seller, price: Money) -> None:
    if not consumer.is_consumer:
        raise NotAConsumer(external_id=consumer.external_id)
    if consumer.status in (SellerStatus.BLOCKED, SellerStatus.CLOSED):
        raise ConsumerTradesNoMore(external_id=consumer.external_id, state=consumer.get_status_display())
    if price.amount_minor <= 0:
        raise AmountNotPositive()
    check_price(price)


def _insert(row: TradeIn, actor: Actor, at: datetime) -> None:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if "device_in_one_trade_in" in str(error):
            raise DeviceInAnother() from None
        # a rival used the name for another consumer just now
        raise TradeInExists(external_id=row.external_id, trade_in="just made") from None
    born(TRADE_IN, row, actor=actor, at=at)
    facts: dict[str, Any] = {"consumer": row.consumer.public_id, "amount_minor": row.amount_minor, "currency": row.currency}
    audit.record(actor, "trade_in.agree", row.public_id, at, facts=facts)
    tell_trade_in("trade_in.agreed", row, at)


def plain_serial(serial: str) -> str:
    """Return a serial number in one form, so that spaces and dashes hide no copy."""
    return "".join(sign for sign in serial.upper() if sign.isalnum())[:40]


@composable
def cancel_trade_in(*, trade_in_id: int, reason: str, actor: Actor, at: datetime) -> TradeIn:
    """Call off a trade-in before it is accepted; nothing was owed. Tells `trade_in.canceled`. Refuses: NotFound, ReasonMissing, TradeInNotOpen."""
    row = lock_trade_in(trade_in_id)
    if not reason.strip():
        raise ReasonMissing()
    if row.status == TradeInStatus.CANCELED:
        return row
    if row.status not in OPEN:
        raise TradeInNotOpen(trade_in=row.public_id, state=row.get_status_display())
    drop_request(row, actor=actor, at=at, reason=reason)
    move(row, TradeInStatus.CANCELED, actor=actor, at=at, code="canceled", reason=reason, ended_at=at)
    audit.record(actor, "trade_in.cancel", row.public_id, at, reason)
    return row


def open_request(row: TradeIn) -> Approval | None:
    """Return the request for a second person that waits on this trade-in, or None."""
    return Approval.objects.filter(action=ACTION, subject=row.public_id, state=ApprovalState.REQUESTED).first()


def drop_request(row: TradeIn, *, actor: Actor, at: datetime, reason: str) -> None:
    """End a request that waits: what was asked for is decided otherwise."""
    if open_request(row) is not None:
        approvals.refuse(action=ACTION, subject=row.public_id, checker=actor, at=at, reason=reason)
