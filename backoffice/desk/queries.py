"""Figures of the desk. Each is one statement over an index, and each names the list that shows its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from backoffice.desk.models import BooksCheck
from backoffice.kit.admin import QUEUES, display
from payouts.ledger.models import Account
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.states import OPEN_STATES, PayoutStage, RunStatus

BUCKETS = {"pending": "Pending", "available": "Available", "reserved": "Reserved", "in_payout": "In payout"}
DAYS_SHOWN = 14
REMEMBER_SECONDS = 600
REMEMBER_TODAY_SECONDS = 20
# What the chart counts: the template of a posting and the account on its debit side.
_COUNTED = {"sale": "psp.clearing", "payout_settled": "bank.in_transit"}


@dataclass(slots=True)
class Figure:
    """One card: a name and, per currency, an amount with the address of its rows."""

    name: str
    lines: list[tuple[Any, str]] = field(default_factory=list)
    empty: str = "nothing"


@dataclass(slots=True)
class QueueLine:
    """One queue as the desk shows it."""

    title: str
    count: int
    age: str
    address: str
    help_text: str
    tone: str
    always_help: bool = False


def queue_lines(user: Any, at: datetime) -> list[QueueLine]:
    """Return every queue this person may see, the fullest needs first; what is empty comes last."""
    lines = []
    for one in sorted(QUEUES, key=lambda q: q.order):
        if user.has_perm(one.permission):
            count, oldest = one.measure(at)
            lines.append(
                QueueLine(one.title, count, display.age(oldest, at) if count else "", one.address(), one.help_text, one.tone)
            )
    if user.has_perm("backoffice.view_bookscheck"):
        lines.append(_truths(at))
    return sorted(lines, key=lambda line: line.count == 0)


def _truths(at: datetime) -> QueueLine:
    last = BooksCheck.objects.order_by("-id").first()
    if last is None:
        return QueueLine(
            "Truths broken", 0, "", display.list_url(BooksCheck), "The books have not been checked here yet.", "warn", True
        )
    said = f"Checked {display.age(last.checked_at, at)} ago."
    help_text = said if last.is_clean else f"{said} Stop paying out and call whoever runs this system."
    return QueueLine("Truths broken", last.broken, "", display.page_of(last) or "", help_text, "bad", True)


def owed_to_sellers() -> list[Figure]:
    """Return what sellers are owed, by bucket and currency: the sums of the materialised balances."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.code, a.currency, sum(b.amount_minor * b.normal_sign)::bigint
                 FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
                WHERE a.code = ANY(%s) GROUP BY 1, 2 HAVING sum(b.amount_minor) <> 0 ORDER BY 2""",
            [[f"seller.{bucket}" for bucket in BUCKETS]],
        )
        rows = cursor.fetchall()
    figures = {bucket: Figure(name) for bucket, name in BUCKETS.items()}
    for code, currency, amount in rows:
        address = display.list_url(Account, code=code, currency=currency)
        figures[code.removeprefix("seller.")].lines.append((display.money(amount, currency), address))
    return list(figures.values())


def in_flight() -> Figure:
    """Return what stands in open payouts, by currency."""
    sums = (
        Payout.objects.filter(stage=PayoutStage.OPEN).values("currency").annotate(total=Sum("amount_minor")).order_by("currency")
    )
    return Figure(
        "In flight",
        [
            (display.money(s["total"], s["currency"]), display.list_url(Payout, stage="open", currency=s["currency"]))
            for s in sums
        ],
    )


def paid_this_week(at: datetime) -> Figure:
    """Return what was paid since Monday in the operator's zone, by currency; what came back since is not in it."""
    local = timezone.localtime(at)
    monday = datetime.combine(local.date() - timedelta(days=local.weekday()), time.min, tzinfo=local.tzinfo)
    rows = Payout.objects.filter(paid_at__gte=monday, stage=PayoutStage.PAID)
    sums = rows.values("currency").annotate(total=Sum("amount_minor")).order_by("currency")
    since = monday.isoformat()
    return Figure(
        "Paid this week",
        [
            (
                display.money(s["total"], s["currency"]),
                display.list_url(Payout, status="paid", paid_at__gte=since, currency=s["currency"]),
            )
            for s in sums
        ],
    )


def moving_runs() -> list[PayoutRun]:
    """Return the runs under way, with how far each is."""
    runs = list(PayoutRun.objects.filter(status=RunStatus.SUBMITTED).order_by("-id")[:5])
    for run in runs:
        done = run.payouts.exclude(status__in=[*OPEN_STATES]).count()
        run.done_count = done  # type: ignore[attr-defined]
        run.done_percent = 100 * done // max(1, run.payouts_count)  # type: ignore[attr-defined]
    return runs


def currencies() -> list[str]:
    """Return the currencies sellers have balances in, in the order of the settings."""
    found = set(Account.objects.filter(code="seller.pending").values_list("currency", flat=True).distinct())
    return [code for code in settings.CURRENCIES if code in found] + sorted(found - set(settings.CURRENCIES))


def money_by_day(currency: str, at: datetime) -> list[tuple[date, int, int]]:
    """Return (day, in, out) of the last days in minor units: what buyers paid us, what the bank paid sellers.

    Days that are over do not change (postings are recorded now and never edited), so they are remembered; today is, for some seconds.
    """
    zone = timezone.get_current_timezone_name()
    today = timezone.localtime(at).date()
    wanted = [today - timedelta(days=back) for back in range(DAYS_SHOWN - 1, -1, -1)]
    keys = {day: f"money_by_day:{connection.settings_dict['NAME']}:{zone}:{currency}:{day}" for day in wanted}
    known = cache.get_many(keys.values())
    missing = [day for day in wanted if keys[day] not in known]
    fresh = _sums_by_day(currency, missing[0], zone) if missing else {}
    for day in missing:
        known[keys[day]] = fresh.get(day, (0, 0))
        cache.set(keys[day], known[keys[day]], REMEMBER_TODAY_SECONDS if day == today else REMEMBER_SECONDS)
    return [(day, *known[keys[day]]) for day in wanted]


def _sums_by_day(currency: str, since: date, zone: str) -> dict[date, tuple[int, int]]:
    start = datetime.combine(since, time.min, tzinfo=ZoneInfo(zone))
    accounts = dict(Account.objects.filter(code__in=_COUNTED.values(), currency=currency).values_list("pk", "code"))
    with connection.cursor() as cursor:
        # From the postings of these days to their entries; the planner would rather read every entry of two busy accounts.
        cursor.execute(
            """WITH recent AS MATERIALIZED (
                   SELECT id, template, (recorded_at AT TIME ZONE %(zone)s)::date AS day FROM payouts_posting
                    WHERE recorded_at >= %(start)s AND template = ANY(%(templates)s))
               SELECT r.day, r.template, e.account_id, sum(e.amount_minor)::bigint
                 FROM recent r CROSS JOIN LATERAL (
                      SELECT account_id, amount_minor FROM payouts_entry
                       WHERE posting_id = r.id AND account_id = ANY(%(accounts)s) AND amount_minor > 0 OFFSET 0) e
                GROUP BY 1, 2, 3""",
            {"zone": zone, "start": start, "templates": list(_COUNTED), "accounts": list(accounts)},
        )
        rows = cursor.fetchall()
    sums: dict[date, tuple[int, int]] = {}
    for day, template, account_id, amount in rows:
        if accounts[account_id] == _COUNTED[template]:
            came, went = sums.get(day, (0, 0))
            sums[day] = (came + amount, went) if template == "sale" else (came, went + amount)
    return sums
