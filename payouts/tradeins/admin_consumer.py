"""Trade-ins on the consumer's page: what was bought, and the button that agrees on another."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from backoffice.kit.admin import Button, Column, Look, Panel, Table, display, fields, plug
from backoffice.kit.money import to_minor
from payouts.sellers.models import Seller
from payouts.sellers.states import SellerStatus
from payouts.tradeins import operations
from payouts.tradeins.admin import WORK
from payouts.tradeins.models import TradeIn


def _bought(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(TradeIn.objects.filter(consumer=seller).select_related("payout"))
    return Table(
        [Column("Device"), Column("Status"), Column("Price", money=True), Column("Order"), Column("Promised"), Column("Paid by")],
        [
            (
                display.link(row, row.device),
                display.state(row),
                display.money(row.amount_minor, row.currency),
                row.order_ref or row.external_id,
                display.day(row.pay_by_on),
                display.link(row.payout, display.short_id(row.payout.public_id)) if row.payout else "",
            )
            for row in rows
        ],
        empty="No device was bought from this consumer yet.",
        older=older,
        links=[("All trade-ins of this consumer", display.list_url(TradeIn, consumer=seller.pk))],
    )


def _agree_fields(seller: Seller) -> dict[str, Any]:
    return {
        "external_id": fields.text("External id", "The name of the deal, unique.", max_length=120),
        "device": fields.text("Device", "As the consumer reads it on the statement.", max_length=120),
        "order_ref": fields.text("Order", required=False, max_length=120),
        "serial": fields.text("Serial number", "IMEI or serial number; kept sealed.", required=False, max_length=40),
        "currency": fields.choice("Currency", [(code, code) for code in settings.CURRENCIES], initial=seller.currency),
        "amount": fields.amount("Price"),
    }


def _agree(seller: Seller, asked: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in asked.items() if name != "amount"}
    if "amount" in asked:
        given["amount_minor"] = to_minor(asked["amount"], asked["currency"])
    return {"consumer_id": seller.pk, **given}


plug(
    Seller,
    Panel(
        "trade_ins",
        "Trade-ins",
        _bought,
        permission="payouts.view_tradein",
        lazy=False,
        when=lambda seller: seller.is_consumer,
        order=9,
    ),
    Button(
        name="agree_trade_in",
        label="Agree on a trade-in",
        verb=operations.agree_trade_in,
        permission=WORK,
        arguments=_agree,
        states=[state for state in SellerStatus if state not in (SellerStatus.BLOCKED, SellerStatus.CLOSED)],
        when=lambda seller: seller.is_consumer,
        fields=_agree_fields,
        effect=lambda seller: [("Consumer", seller.legal_name)],
        explain="Nothing is owed before the device was looked at.",
        done="It is on record.",
        then=lambda seller, made: display.page_of(made),
        order=15,
    ),
)
