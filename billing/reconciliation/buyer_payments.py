"""Files of what buyers paid, order by order: the provider's side of imported sales, for marketplaces whose checkout is elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError
from backoffice.kit.money import AMOUNT_MINOR_MAX, MoneyError, exponent_of
from backoffice.kit.transactions import durable
from billing.reconciliation.models import FeedKind
from billing.reconciliation.staging import Fact, feed_of, stage_facts

COLUMNS = ("order_id", "payment_sequential", "payment_type", "payment_value_cents")
BATCH = 5_000
# The holder that imported sales stand under at the provider.
HOLDER = "psp"


class PaymentsUnreadable(InputError):
    code = "payments_unreadable"
    sentence = "{detail}"


@dataclass(slots=True)
class PaymentsImported:
    """What a file held; `new` were staged now, the rest was known."""

    read: int = 0
    new: int = 0
    total_minor: int = 0
    currency: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "new": self.new,
            "known": self.read - self.new,
            "total": {"amount_minor": self.total_minor, "currency": self.currency},
        }


@durable
def import_buyer_payments(*, path: Path, currency: str, actor: Actor, at: datetime, holder: str = HOLDER) -> PaymentsImported:
    """Stage a CSV of buyers' payments (`order_id, payment_sequential, payment_type, payment_value_cents`); the same file again is a no-op.

    Whole or not at all: the file is checked to its end before anything is staged. Amounts are minor units of `currency`. A payment counts on the
    day of its sale, or on the day of the import where no sale is known. Refuses: PaymentsUnreadable, with the line.
    """
    try:
        exponent_of(currency)
    except MoneyError as error:
        raise PaymentsUnreadable(detail=error.sentence) from None
    result = PaymentsImported(currency=currency)
    for _ in _read(path, currency, at.date()):
        pass
    feed_of(holder, FeedKind.BUYER, at, templates=("sale",))
    batch: list[Fact] = []
    for fact in _read(path, currency, at.date()):
        result.read, result.total_minor = result.read + 1, result.total_minor + fact.amount_minor
        batch.append(fact)
        if len(batch) == BATCH:
            result.new += stage_facts(source="buyer", holder=holder, facts=_dated(batch), actor=actor, at=at)
            batch = []
    result.new += stage_facts(source="buyer", holder=holder, facts=_dated(batch), actor=actor, at=at)
    return result


def _read(path: Path, currency: str, on: date) -> Iterator[Fact]:
    seen: set[str] = set()
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
            if missing:
                raise PaymentsUnreadable(detail=f"{path.name}, line 1: the column {missing[0]} is missing.")
            for row in reader:
                fact = _fact(row, f"{path.name}, line {reader.line_num}", currency, on)
                if fact.source_ref in seen:
                    raise PaymentsUnreadable(
                        detail=f"{path.name}, line {reader.line_num}: this payment of the order stands there twice."
                    )
                seen.add(fact.source_ref)
                if fact.amount_minor:
                    yield fact
    except OSError as error:
        raise PaymentsUnreadable(detail=f"Cannot read {path.name}: {error.strerror}.") from None
    except (csv.Error, UnicodeDecodeError):
        raise PaymentsUnreadable(detail=f"{path.name} is not a CSV file in UTF-8.") from None


def _fact(row: dict[str, Any], place: str, currency: str, on: date) -> Fact:
    order, number, kind, cents = ((row.get(name) or "").strip() for name in COLUMNS)
    if not order or len(order) > 120 or "|" in order:
        raise PaymentsUnreadable(detail=f"{place}: the order id is empty or longer than 120 letters.")
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        raise PaymentsUnreadable(detail=f"{place}: payment_sequential is not a number.")
    if not (cents.isascii() and cents.isdigit() and len(cents) < 16 and int(cents) <= AMOUNT_MINOR_MAX):
        raise PaymentsUnreadable(detail=f"{place}: payment_value_cents is not an amount in minor units.")
    return Fact(f"{order}/{number}", kind[:40] or "payment", int(cents), currency, on, reference=order)


def _dated(facts: list[Fact]) -> list[Fact]:
    """Give each payment the day of its order's first sale, where there is one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT order_ref, min(occurred_at)::date FROM payouts_earning
                WHERE kind = 'sale' AND order_ref = ANY(%s) GROUP BY 1""",
            [sorted({fact.reference for fact in facts})],
        )
        days: dict[str, date] = dict(cursor.fetchall())
    return [fact._replace(on=days.get(fact.reference, fact.on)) for fact in facts]
