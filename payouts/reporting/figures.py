"""What the ledger says each seller was paid or credited in a year, by month; and the same money counted another way, to prove the first.

Counted are the postings that come from earnings (sales, refunds, chargebacks, their reversals, corrections of a line) by effective date in the
regime's zone. Manual adjustments are no consideration. The first way goes from a posting to its earning and so to the seller; the second never
looks at earnings: it takes whose account an entry stands on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from backoffice.kit.invariants import rows_of

TEMPLATES = ["sale", "refund", "chargeback", "chargeback_reversal", "earning_adjustment", "reversal"]
SELLER_CODES = ["seller.pending", "seller.available", "seller.reserved", "seller.in_payout", "receivable.seller_debt"]
# A line may be dated a day ahead of its recording, never more (earnings.lines.FUTURE_TOLERANCE).
_AHEAD = timedelta(days=2)
MONTHS = 12
FIGURES = ("activities", "consideration", "fees", "taxes", "gross")


def _months() -> list[int]:
    return [0] * MONTHS


@dataclass(slots=True)
class Figures:
    """One seller and currency in one year, by month, minor units; a refund counts in the month it happened."""

    seller_id: int
    currency: str
    activities: list[int] = field(default_factory=_months)
    consideration: list[int] = field(default_factory=_months)
    fees: list[int] = field(default_factory=_months)
    taxes: list[int] = field(default_factory=_months)
    gross: list[int] = field(default_factory=_months)

    @property
    def is_empty(self) -> bool:
        return not any(any(getattr(self, name)) for name in FIGURES)


def quarters(months: Sequence[int]) -> list[int]:
    """Return the sums of the four quarters."""
    return [sum(months[start : start + 3]) for start in range(0, MONTHS, 3)]


def year_bounds(year: int, zone: str) -> tuple[datetime, datetime]:
    """Return the first instant of a year and of the next, where `zone` keeps the calendar."""
    return datetime(year, 1, 1, tzinfo=ZoneInfo(zone)), datetime(year + 1, 1, 1, tzinfo=ZoneInfo(zone))


_FIGURES = """
    WITH chosen AS MATERIALIZED (
        SELECT p.id, p.source_id, extract(month FROM p.effective_at AT TIME ZONE %(zone)s)::int AS month FROM payouts_posting p
         WHERE p.recorded_at >= %(recorded_from)s AND p.effective_at >= %(start)s AND p.effective_at < %(end)s
           AND p.source_kind = 'earning' AND p.template = ANY(%(templates)s))
    SELECT g.seller_id, e.currency, c.month,
           coalesce(sum(sign(e.amount_minor)) FILTER (WHERE a.code = 'psp.clearing' AND g.kind = 'sale'), 0)::bigint AS activities,
           coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = ANY(%(seller_codes)s)), 0)::bigint AS consideration,
           coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = 'revenue.commission'), 0)::bigint AS fees,
           coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = 'tax.payable'), 0)::bigint AS taxes,
           coalesce(sum(e.amount_minor) FILTER (WHERE a.code = 'psp.clearing' AND g.kind = 'sale'), 0)::bigint AS gross
      FROM chosen c JOIN payouts_earning g ON g.id = c.source_id JOIN payouts_entry e ON e.posting_id = c.id
      JOIN payouts_account a ON a.id = e.account_id
     WHERE %(sellers)s::bigint[] IS NULL OR g.seller_id = ANY(%(sellers)s)
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""


def figures_of(year: int, zone: str, seller_ids: Collection[int] | None = None) -> dict[tuple[int, str], Figures]:
    """Return {(seller id, currency): figures} of every seller with postings in the year, or of some."""
    found: dict[tuple[int, str], Figures] = {}
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, _period(year, zone) | {"sellers": None if seller_ids is None else list(seller_ids)})
        for seller_id, currency, month, activities, consideration, fees, taxes, gross in cursor.fetchall():
            one = found.setdefault((seller_id, currency), Figures(seller_id, currency))
            place = month - 1
            one.activities[place], one.consideration[place] = activities, consideration
            one.fees[place], one.taxes[place], one.gross[place] = fees, taxes, gross
    return found


# From the entries alone: the accounts of the sellers, and ours that took fee and tax.
_LEDGER = """
    SELECT e.currency,
           coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = ANY(%(seller_codes)s)), 0)::bigint AS consideration_minor,
           coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = ANY(%(seller_codes)s) AND s.country = ANY(%(countries)s)), 0)::bigint AS own_minor,
           coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = 'revenue.commission'), 0)::bigint AS fees_minor,
           coalesce(-sum(e.amount_minor) FILTER (WHERE a.code = 'tax.payable'), 0)::bigint AS taxes_minor,
           coalesce(sum(e.amount_minor) FILTER (WHERE a.code = 'psp.clearing'), 0)::bigint AS clearing_minor
      FROM payouts_posting p JOIN payouts_entry e ON e.posting_id = p.id JOIN payouts_account a ON a.id = e.account_id
      LEFT JOIN payouts_seller s ON s.id = a.holder_id AND a.code = ANY(%(seller_codes)s)
     WHERE p.recorded_at >= %(recorded_from)s AND p.effective_at >= %(start)s AND p.effective_at < %(end)s
       AND p.source_kind = 'earning' AND p.template = ANY(%(templates)s)
     GROUP BY 1 ORDER BY 1"""


def ledger_of(year: int, zone: str, countries: Collection[str]) -> dict[str, dict[str, int]]:
    """Return what the accounts moved in a year, by currency: of all sellers, and (`own_minor`) of those from some countries."""
    rows = rows_of(_LEDGER, _period(year, zone) | {"countries": list(countries)})
    return {row.pop("currency"): row for row in rows}


def _period(year: int, zone: str) -> dict[str, Any]:
    start, end = year_bounds(year, zone)
    return {
        "zone": zone,
        "start": start,
        "end": end,
        "recorded_from": start - _AHEAD,
        "templates": TEMPLATES,
        "seller_codes": SELLER_CODES,
    }


def totals_of(
    own: Sequence[Figures], elsewhere: Sequence[Figures], ledger: dict[str, dict[str, int]]
) -> dict[str, dict[str, int]]:
    """Return by currency what the lines add up to, what the ledger says, and the difference, which is 0.

    Consideration is compared for the report's own sellers by whose account it stands on; fees and taxes, which stand on accounts of ours, for
    all sellers together.
    """
    found: dict[str, dict[str, int]] = {}
    for currency in sorted({one.currency for one in (*own, *elsewhere)} | set(ledger)):
        mine, theirs = _sums(own, currency), _sums(elsewhere, currency)
        books = ledger.get(currency) or dict.fromkeys(("consideration_minor", "own_minor", "fees_minor", "taxes_minor"), 0)
        difference = (
            abs(mine["consideration_minor"] - books["own_minor"])
            + abs(mine["consideration_minor"] + theirs["consideration_minor"] - books["consideration_minor"])
            + abs(mine["fees_minor"] + theirs["fees_minor"] - books["fees_minor"])
            + abs(mine["taxes_minor"] + theirs["taxes_minor"] - books["taxes_minor"])
        )
        if not difference and not any(mine.values()):
            continue  # only sellers of other countries have it
        found[currency] = mine | {
            "ledger_consideration_minor": books["own_minor"],
            "ledger_fees_minor": books["fees_minor"] - theirs["fees_minor"],
            "ledger_taxes_minor": books["taxes_minor"] - theirs["taxes_minor"],
            "difference_minor": difference,
        }
    return found


def _sums(rows: Sequence[Figures], currency: str) -> dict[str, int]:
    sums = {name: sum(sum(getattr(one, name)) for one in rows if one.currency == currency) for name in FIGURES}
    return {name if name == "activities" else f"{name}_minor": amount for name, amount in sums.items()}
