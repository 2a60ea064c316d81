"""What the demo marketplace buys from consumers: one telephone paid, one that waits for its bank data, one refused, one above a single person's limit."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from backoffice.demo.sellers import iban_of
from backoffice.kit.actors import Actor, system
from payouts.sellers.models import CONSUMER_TIER
from payouts.sellers.operations import change_payee_account, create_seller
from payouts.tradeins.models import TradeIn
from payouts.tradeins.operations import accept_trade_in, agree_trade_in, follow_trade_ins, receive_trade_in, refuse_trade_in

ROBOT = system("seed_demo")
# Two days before one of the demo's runs, which then pays what was accepted.
BEGINS_BEFORE_END = 13
# name, country, whether verified and with an account, device, serial number, price agreed
_DEALS: list[tuple[str, str, bool, str, str, int]] = [
    ("Camille Petit", "FR", True, "iPhone 13 128 GB, very good", "356938035643809", 24_000),
    ("Jonas Weber", "DE", False, "Galaxy S22 256 GB, good", "352099001761481", 18_500),
    ("Lucía Romero", "ES", True, "iPad Air 64 GB, as new", "354444064445558", 21_000),
    ("Théo Lambert", "FR", True, "MacBook Air M2 512 GB, as new", "C02XL0GTJGH5", 69_000),
]


@dataclass
class DemoTradeIns:
    """The trade-ins of the demo under way: who works on them, and until when the demo runs."""

    people: dict[str, Actor]
    end: date
    days: int
    rows: dict[str, TradeIn] = field(default_factory=dict)

    def day(self, day: date) -> None:
        """Do what happens on a day: the deals are agreed on, the devices arrive the day after and are looked at; what runs paid is noted."""
        at = datetime.combine(day, time(11), tzinfo=UTC)
        begins_on = self.end - timedelta(days=min(BEGINS_BEFORE_END, self.days))
        if day == begins_on:
            for number, deal in enumerate(_DEALS):
                self.rows[deal[0]] = self._agree(number, deal, at)
        elif day == begins_on + timedelta(days=1):
            self._inspect(at)
        if self.rows:
            follow_trade_ins(actor=ROBOT, at=at)

    def _agree(self, number: int, deal: tuple[str, str, bool, str, str, int], at: datetime) -> TradeIn:
        name, country, verified, device, serial, price = deal
        consumer = create_seller(
            external_id=f"consumer-{number + 1:04d}", legal_name=name, entity_type="consumer", country=country, currency="EUR",
            tier=CONSUMER_TIER, schedule="daily", status="active" if verified else "created", actor=self.people["lead"], at=at,
            key=f"demo:consumer:{number}",
        )  # fmt: skip
        if verified:
            bank = {"FR": "30006", "ES": "2100"}[country]
            # a chooser of its own, so that the rest of the demo stays what it was
            account = iban_of(country, bank, random.Random(number))  # noqa: S311 - a demo must be repeatable
            change_payee_account(
                seller_id=consumer.pk, currency="EUR", kind="iban", account_holder=name, number=account, actor=self.people["lead"], at=at,
                key=f"demo:consumer:{number}",
            )  # fmt: skip
        return agree_trade_in(
            consumer_id=consumer.pk, external_id=f"buyback-{5_120 + number}", order_ref=f"BB-{5_120 + number}", device=device, serial=serial,
            amount_minor=price, currency="EUR", actor=self.people["finance"], at=at, key=f"demo:trade-in:{number}",
        )  # fmt: skip

    def _inspect(self, at: datetime) -> None:
        said: dict[str, Any] = {"actor": self.people["finance"], "at": at}
        paid, waiting, refused, dear = (self.rows[deal[0]].pk for deal in _DEALS)
        accept_trade_in(
            trade_in_id=paid, amount_minor=21_000, reason="A scratch across the display; agreed to on the telephone.", **said
        )
        accept_trade_in(trade_in_id=waiting, **said)
        receive_trade_in(trade_in_id=refused, **said)
        refuse_trade_in(trade_in_id=refused, reason="Locked to another account; it goes back.", **said)
        accept_trade_in(trade_in_id=dear, **said)


def bought() -> dict[str, int]:
    """Return how many trade-ins stand in which state."""
    counts: dict[str, int] = {}
    for status in TradeIn.objects.order_by("pk").values_list("status", flat=True):
        counts[status] = counts.get(status, 0) + 1
    return counts
