"""Invented sales, refunds and chargebacks of the demo, day by day, in the import format of earnings."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from backoffice.demo.sellers import DemoSeller

HEADER = "external_id seller kind order_ref occurred_at delivered_at currency gross fee".split()
PRICES = [19, 29, 49, 79, 99, 129, 179, 249, 329, 449, 599, 799]


class Shop:
    """Draws the lines of one day after the other; refunds come some days after their sale."""

    def __init__(self, sellers: list[DemoSeller], chooser: random.Random) -> None:
        self.sellers, self.chooser = sellers, chooser
        self.orders = 0
        self.later: dict[date, list[list[str]]] = {}

    def day(self, on: date) -> str:
        """Return one day's CSV file."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        for seller in self.sellers:
            for line in self._sales(seller, on):
                writer.writerow(line)
        writer.writerows(self.later.pop(on, []))
        return out.getvalue()

    def _sales(self, seller: DemoSeller, on: date) -> Iterator[list[str]]:
        sold = int(seller.volume) + (self.chooser.random() < seller.volume % 1)
        for _ in range(sold):
            self.orders += 1
            order = f"order-{self.orders:06d}"
            moment = datetime.combine(on, time(self.chooser.randrange(7, 22), self.chooser.randrange(60)), tzinfo=UTC)
            gross = Decimal(self.chooser.choice(PRICES)) * (150 if seller.currency == "JPY" else 1)
            fee = (gross * 12 / 100).quantize(Decimal(1) if seller.currency == "JPY" else Decimal("0.01"))
            delivered = moment + timedelta(days=self.chooser.randrange(1, 6))
            yield self._line(f"{order}:1", seller, "sale", order, moment, delivered, gross, fee)
            self._maybe_back(seller, order, moment, gross, fee)

    def _maybe_back(self, seller: DemoSeller, order: str, moment: datetime, gross: Decimal, fee: Decimal) -> None:
        chance = self.chooser.random()
        if chance < 0.035:
            back = moment + timedelta(days=self.chooser.randrange(2, 20))
            line = self._line(f"{order}:refund", seller, "refund", order, back, None, gross, fee)
        elif chance < 0.039:
            back = moment + timedelta(days=self.chooser.randrange(15, 40))
            line = self._line(f"{order}:chargeback", seller, "chargeback", order, back, None, gross, fee)
        else:
            return
        self.later.setdefault(back.date(), []).append(line)

    def _line(
        self,
        external_id: str,
        seller: DemoSeller,
        kind: str,
        order: str,
        at: datetime,
        delivered: datetime | None,
        gross: Decimal,
        fee: Decimal,
    ) -> list[str]:
        times = [at.isoformat(), delivered.isoformat() if delivered else ""]
        return [external_id, seller.external_id, kind, order, *times, seller.currency, str(gross), str(fee)]


def bad_lines(seller: DemoSeller, at: datetime) -> str:
    """Return a file with three lines that cannot be accepted, so that the desk has rejected lines to show."""
    stamp = at.isoformat()
    rows = [
        ["odd-1", "shop-9999", "sale", "odd-1", stamp, "", "EUR", "49.00", "5.88"],
        ["odd-2", seller.external_id, "sale", "odd-2", stamp, "", "JPY", "4900.50", "588"],
        ["odd-3", seller.external_id, "sale", "odd-3", stamp, "", "EUR", "-49.00", "0.00"],
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows)
    return out.getvalue()
