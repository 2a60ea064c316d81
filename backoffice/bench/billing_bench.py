"""`bench billing`: subscriptions due at one instant are renewed, invoiced, numbered without gaps and posted, in the batch that runs every day.

One in ten is by seats, one in ten has a coupon, the rest pay a flat fee; three currencies, one legal entity, so that every number is of one series.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from backoffice.bench import measure
from backoffice.kit import failpoints
from backoffice.kit.actors import system
from backoffice.kit.invariants import check_books
from backoffice.kit.states import born_set
from billing.customers.models import Customer
from billing.invoices.queries import series_state
from billing.plans.models import Price
from billing.plans.operations import add_price, create_coupon, create_plan
from billing.plans.queries import recurring_minor
from billing.subscriptions.models import Redemption, Subscription
from billing.subscriptions.operations import renew_subscriptions
from billing.subscriptions.states import SUBSCRIPTION

FULL = {"subscriptions": 100_000}
QUICK = {"subscriptions": 2_000}
START, AT = datetime(2026, 2, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 9, tzinfo=UTC)
ROBOT = system("bench")
CURRENCIES = ("EUR", "USD", "GBP")
GOAL = 100_000
# What one renewal writes, in the order in which the plain copy below writes it again.
WRITTEN = (
    "billing_invoice billing_invoiceline billing_invoicetax billing_collection billing_collectionattempt billing_renewalitem "
    "payouts_posting payouts_entry backoffice_statechange backoffice_event"
).split()


def run(subscriptions: int = 100_000) -> list[dict[str, Any]]:
    """Return invoices a second of the whole batch (ours), and of one plain statement a table that writes the same rows again (yardstick)."""
    _fill(subscriptions)
    before = {table: _last(table) for table in WRITTEN}
    chunks: list[float] = []
    started = last = time.perf_counter()
    cpu = time.process_time()

    def chunk_done() -> None:
        nonlocal last
        chunks.append((time.perf_counter() - last) * 1000)
        last = time.perf_counter()

    failpoints.hook("renewals.chunk", chunk_done)
    answer = renew_subscriptions(actor=ROBOT, at=AT)
    failpoints.hook("renewals.chunk", None)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    again = measure.timed(lambda: renew_subscriptions(actor=ROBOT, at=AT)) / 1000
    copied = _copy_seconds(before)
    series = series_state()
    red = [verdict.name for verdict in check_books({1, 2, 9, 10}) if not verdict.ok]
    invoices = sum(row["documents"] for row in series)
    half = len(chunks) // 2
    return [
        measure.result(
            "billing.renewal",
            invoices / seconds,
            invoices / copied,
            latencies=chunks,
            rows=invoices,
            seconds=round(seconds, 2),
            again_seconds=round(again, 2),
            own_cpu_seconds=round(cpu, 2),  # what a busy neighbour does not stretch; the server's comes on top
            seconds_for_100_000=round(seconds / max(1, invoices) * GOAL, 1),
            # above 1 a later set costs more than an earlier one, and the line above flatters
            later_sets_against_earlier=round(_mean(chunks[half:]) / _mean(chunks[:half]), 2) if half else None,
            parked=answer["parked"],
            gaps=sum(row["broken"] for row in series),
            books="clean" if not red else f"NOT CLEAN: {', '.join(red)}",
        )
    ]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _fill(count: int) -> None:
    """Make the customers and subscriptions of a month ago in bulk: they are what a year of business leaves, not what is measured."""
    prices = [_price(currency, seats) for currency in CURRENCIES for seats in (False, True)]
    coupon = create_coupon(code="BENCH", duration="forever", basis_points=1_000, actor=ROBOT, at=START)
    for first in range(0, count, 5_000):
        _some(range(first, min(count, first + 5_000)), prices, coupon.pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_coupon SET redemptions = (SELECT count(*) FROM billing_redemption)")
        cursor.execute("ANALYZE")


def _price(currency: str, seats: bool) -> Price:
    plan = create_plan(code=f"bench-{currency}-{seats}", name="Bench", actor=ROBOT, at=START)
    measured = {"measure": "seats"} if seats else {}
    part = {"code": "base", "unit_minor": 900 if seats else 2_900} | measured
    made = add_price(plan_id=plan.pk, currency=currency, interval="month", components=[part], actor=ROBOT, at=START)
    return Price.objects.select_related("plan").get(pk=made.pk)


@transaction.atomic
def _some(numbers: range, prices: list[Price], coupon_id: int) -> None:
    customers = Customer.objects.bulk_create(
        Customer(
            external_id=f"bench-{n}", name=f"Bench {n} SARL", address="1 rue de la Paix\n75002 Paris", country="FR",
            currency=CURRENCIES[n % 3], gateway="fake", gateway_customer=f"bench_{n}", gateway_method="fake_ok", created_at=START,
        )
        for n in numbers
    )  # fmt: skip
    rows = Subscription.objects.bulk_create(
        _subscription(customer, prices[2 * (n % 3) + (n % 10 == 0)], 1 + n % 7 if n % 10 == 0 else 1)
        for n, customer in zip(numbers, customers, strict=True)
    )
    born_set(SUBSCRIPTION, "SELECT unnest(%(ids)s::bigint[])", {"ids": [row.pk for row in rows]}, actor=ROBOT, at=START)
    Redemption.objects.bulk_create(
        Redemption(subscription=row, customer_id=row.customer_id, coupon_id=coupon_id, redeemed_at=START)
        for n, row in zip(numbers, rows, strict=True)
        if n % 10 == 5
    )


def _subscription(customer: Customer, price: Price, seats: int) -> Subscription:
    return Subscription(
        customer=customer, price=price, seats=seats, method=price.plan.collection, status="active", anchor="anniversary", anchor_at=START,
        start_at=START, current_period_start=START, current_period_end=AT, usage_since=START, last_minor=recurring_minor(price, seats),
        next_at=AT, made_by=str(ROBOT), created_at=START,
    )  # fmt: skip


def _last(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")
        return int(cursor.fetchone()[0])


def _copy_seconds(before: dict[str, int]) -> float:
    """Write the rows the batch wrote once more, into copies of the tables with their indexes and checks: no plan, no lock, no proof, no seal."""
    with connection.cursor() as cursor:
        for table in before:
            cursor.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL EXCLUDING IDENTITY)")
        started = time.perf_counter()
        for table, last in before.items():
            columns = _columns(cursor, table)
            cursor.execute(
                f"INSERT INTO bench_{table} ({columns}) SELECT {columns} FROM {table} WHERE id > %s",
                [last],
            )
        seconds = time.perf_counter() - started
        for table in before:
            cursor.execute(f"DROP TABLE bench_{table}")
    return seconds


def _columns(cursor: Any, table: str) -> str:
    cursor.execute(
        """SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''""",
        [table],
    )
    return str(cursor.fetchone()[0])
