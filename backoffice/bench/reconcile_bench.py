"""`bench reconcile`: a million lines three ways — a provider's transactions with their payouts, our postings, the bank's lines — in one pass."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from backoffice.bench import measure
from backoffice.kit.actors import system
from backoffice.kit.ids import new_id
from billing.reconciliation.models import Break, FeedKind, StagedLine
from billing.reconciliation.operations import reconcile
from billing.reconciliation.staging import Fact, feed_of, stage_facts
from payouts.dispatch.operations import import_bank_file
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import platform

AT = datetime(2026, 1, 20, 9, tzinfo=UTC)
DAY = date(2026, 1, 10)
ROBOT = system("bench")
GATEWAY = "benchpay"
FEE = 30
CHUNK = 5_000
FULL: dict[str, Any] = {}
QUICK: dict[str, Any] = {"lines": 6_000, "payouts": 20}


def run(lines: int = 1_000_000, payouts: int = 500) -> dict[str, Any]:
    """Return the figures of numbers.md: lines a second over the whole pass (ours), and of one plain join of the same lines (yardstick).

    Half the lines are the provider's, half ours; one in ten thousand has no partner, and must be a break. What others say is staged before.
    """
    pairs = (lines - 6 * payouts) // 2
    lonely = set(range(0, pairs, 10_000))
    told = _tell(pairs, payouts)
    _book(pairs, lonely)
    _bank(told)
    steps: list[float] = []
    last = started = time.perf_counter()

    def progress(step: str, count: int) -> None:
        nonlocal last
        steps.append((time.perf_counter() - last) * 1000)
        last = time.perf_counter()

    found = reconcile(actor=ROBOT, at=AT, progress=progress)
    seconds = time.perf_counter() - started
    staged = StagedLine.objects.count()
    again = time.perf_counter()
    reconcile(actor=ROBOT, at=AT)
    return measure.result(
        "reconcile",
        staged / seconds,
        staged / _join_seconds(),
        latencies=steps,
        rows=staged,
        seconds=round(seconds, 2),
        again_seconds=round(time.perf_counter() - again, 2),
        matched=StagedLine.objects.filter(state="matched").count(),
        payouts_agreed=found.counts["payouts_agreed"],
        breaks=Break.objects.filter(state="open").count(),
        breaks_expected=len(lonely),
    )


def _name(number: int) -> str:
    return f"order-{number:08d}"


def _amount(number: int) -> int:
    return 1_000 + number * 7919 % 90_000


def _tell(pairs: int, payouts: int) -> list[tuple[str, int]]:
    """Stage what the provider says; return its payouts with their amounts."""
    feed_of(GATEWAY, FeedKind.GATEWAY, AT)
    each = -(-pairs // payouts)
    told: list[tuple[str, int]] = []
    for number in range(payouts):
        ref = f"po_{number:08d}"
        members = range(number * each, min(pairs, (number + 1) * each))
        facts = [Fact(f"txn_{n}", "charge", _amount(n), "EUR", DAY, _name(n), f"ch_{n}", "", ref, FEE) for n in members]
        net = sum(_amount(n) - FEE for n in members)
        if net:
            told.append((ref, net))
            facts.append(Fact(f"txn_{ref}", "payout", -net, "EUR", DAY + timedelta(days=1), "", ref, "", ref))
        for start in range(0, len(facts), CHUNK):
            stage_facts(source="provider", holder=GATEWAY, facts=facts[start : start + CHUNK], actor=ROBOT, at=AT)
    return told


def _book(pairs: int, lonely: set[int]) -> None:
    """Post our side: as captured payments are, one posting each."""
    when = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    for start in range(0, pairs, CHUNK):
        drafts = [
            Draft(
                "sale",
                _name(number),
                [
                    platform("psp.clearing", "EUR", _amount(number), GATEWAY),
                    platform("revenue.commission", "EUR", -_amount(number)),
                ],
                "bench",
                number,
                when,
            )
            for number in range(start, min(pairs, start + CHUNK))
            if number not in lonely
        ]
        post(drafts=drafts, actor=ROBOT, at=AT)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payouts_posting")
        cursor.execute("ANALYZE payouts_entry")


def _bank(told: list[tuple[str, int]]) -> None:
    rows = [
        f"{settings.PLATFORM_IBAN},{DAY + timedelta(days=3)},{net // 100}.{net % 100:02d},EUR,B{ref},PAYOUT {ref}"
        for ref, net in told
    ]
    data = ("account,booked_on,amount,currency,reference,text\n" + "\n".join(rows) + "\n").encode()
    import_bank_file(data=data, file_name=f"bench-{new_id('bkf')}.csv", actor=ROBOT, at=AT)


def _join_seconds() -> float:
    """Time one statement that joins the same lines by name and writes the pairs down: what no matcher with a history can reach."""
    with connection.cursor() as cursor:
        started = time.perf_counter()
        cursor.execute(
            """CREATE UNLOGGED TABLE bench_pairs AS SELECT t.id AS theirs, o.id AS ours, t.amount_minor - o.amount_minor AS off
                 FROM billing_stagedline t JOIN billing_stagedline o ON o.side = 'ours' AND o.reference = t.reference AND o.leg = t.leg
                WHERE t.side = 'theirs' AND t.reference <> ''"""
        )
        seconds = time.perf_counter() - started
        cursor.execute("DROP TABLE bench_pairs")
    return seconds
