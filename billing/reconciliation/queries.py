"""Questions to the proof: how much matched by itself, what is open and how old, what a break is about."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from billing.reconciliation.models import Break, MatchGroup, ProviderPayout, ReconciliationRun, StagedLine
from billing.reconciliation.states import LIVE_BREAKS, LineState, Side

# Days since the fact, both included; the last is open.
AGES: dict[str, tuple[int, int | None]] = {"0–1": (0, 1), "2–3": (2, 3), "4–7": (4, 7), "8–30": (8, 30), "30+": (31, None)}
COVERAGE_DAYS = 90
UNOWNED = "finance"


def live_breaks() -> QuerySet[Break]:
    return Break.objects.filter(state__in=LIVE_BREAKS)


def late_breaks(at: datetime) -> QuerySet[Break]:
    """Return breaks older than the rulebook lets them be."""
    return live_breaks().filter(due_on__lt=at.date())


def unowned_breaks(at: datetime) -> QuerySet[Break]:
    """Return late breaks that no person has taken."""
    return late_breaks(at).filter(owner=UNOWNED)


def days_of(age: str, today: date) -> dict[str, date]:
    """Return the filter of `since_on` for a name of AGES."""
    youngest, oldest = AGES[age]
    wanted = {"since_on__lte": today - timedelta(days=youngest)} if youngest else {}
    return wanted | ({"since_on__gte": today - timedelta(days=oldest)} if oldest is not None else {})


def breaks_by_age(at: datetime) -> list[dict[str, Any]]:
    """Return live breaks by age and currency: {age, currency, count, amount_minor (without sign), unowned}."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT CASE WHEN d <= 1 THEN 0 WHEN d <= 3 THEN 1 WHEN d <= 7 THEN 2 WHEN d <= 30 THEN 3 ELSE 4 END, currency, count(*),
                      sum(abs(amount_minor))::bigint, count(*) FILTER (WHERE owner = %s)
                 FROM (SELECT %s::date - since_on AS d, currency, amount_minor, owner FROM billing_break
                        WHERE state IN ('open', 'requested')) b
                GROUP BY 1, 2 ORDER BY 1, 2""",
            [UNOWNED, at.date()],
        )
        names = list(AGES)
        return [
            {"age": names[place], "currency": currency, "count": count, "amount_minor": amount, "unowned": unowned}
            for place, currency, count, amount, unowned in cursor.fetchall()
        ]


def coverage(at: datetime) -> list[dict[str, Any]]:
    """Return per holder, account and currency of the last days: lines of theirs and how many matched by themselves, by count and by amount.

    Amounts are sums without sign, in minor units. It reads every line of these days: a pass keeps the answer for the screens.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT l.holder, l.leg, l.currency, count(*), sum(abs(l.amount_minor))::bigint,
                      count(*) FILTER (WHERE l.state = 'matched' AND g.decided_by = 'auto'),
                      coalesce(sum(abs(l.amount_minor)) FILTER (WHERE l.state = 'matched' AND g.decided_by = 'auto'), 0)::bigint,
                      count(*) FILTER (WHERE l.state = 'matched' AND g.decided_by <> 'auto')
                 FROM billing_stagedline l LEFT JOIN billing_matchgroup g ON g.id = l.group_id
                WHERE l.side = 'theirs' AND l.state <> 'void' AND l.staged_at >= %s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
            [at - timedelta(days=COVERAGE_DAYS)],
        )
        names = ("holder", "leg", "currency", "lines", "amount_minor", "auto_lines", "auto_amount_minor", "forced_lines")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def share(part: int, whole: int) -> str:
    """Return a share as people read it, cut and not rounded: only all is 100 %."""
    return f"{part * 1000 // whole / 10:.1f} %" if whole else "–"


def last_run() -> ReconciliationRun | None:
    return ReconciliationRun.objects.filter(finished_at__isnull=False).select_related("rulebook").order_by("-pk").first()


def lines_of(found: Break) -> QuerySet[StagedLine]:
    """Return the lines a break is about."""
    lines = found.group.lines.all() if found.group else StagedLine.objects.filter(pk=found.line_id or 0)
    return lines.order_by("side", "pk")


def perhaps(found: Break, limit: int = 20) -> list[StagedLine]:
    """Return loose lines that may belong to a break: the same name anywhere, or of the other side an amount near it in near days."""
    own = list(lines_of(found).values_list("pk", "side")[:200])
    sides = {side for _, side in own}
    loose = StagedLine.objects.filter(leg=found.leg, currency=found.currency, group__isnull=True).exclude(state=LineState.VOID)
    loose = loose.exclude(pk__in=[pk for pk, _ in own])
    named = list(loose.filter(reference=found.reference).order_by("pk")[:limit]) if found.reference else []
    other = Side.OURS if sides == {Side.THEIRS} else Side.THEIRS
    wanted = found.amount_minor if other == Side.OURS else -found.amount_minor
    near = loose.filter(
        side=other,
        amount_minor=wanted,
        on__gte=found.since_on - timedelta(days=7),
        on__lte=found.since_on + timedelta(days=7),
    )
    known = {line.pk for line in named}
    return (named + [line for line in near.order_by("pk")[:limit] if line.pk not in known])[:limit]


def summary(at: datetime) -> dict[str, Any]:
    """Return what the command answers beside its counts: coverage, open breaks by age, payouts on their way."""
    run = last_run()
    return {
        "coverage": [
            row
            | {
                "auto_share": share(row["auto_lines"], row["lines"]),
                "auto_amount_share": share(row["auto_amount_minor"], row["amount_minor"]),
            }
            for row in (run.coverage if run else [])
        ],
        "breaks": breaks_by_age(at),
        "payouts_open": ProviderPayout.objects.filter(closed_at__isnull=True).count(),
        "groups_open": MatchGroup.objects.exclude(state__in=["posted", "void"]).count(),
    }
