"""A dry run as its page shows it: the first rows of each kind, all counts and totals."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from backoffice.kit.admin import (
    display,
)
from payouts.runs.planning import Plan
from payouts.runs.states import SkipCode

PLAN_ROWS_SHOWN = 200


def plan_rows(plan: Plan, code: str) -> dict[str, Any]:
    """Return the dry run as the page shows it: the first rows of each kind, all counts and totals."""
    skipped = [row for row in plan.skipped if not code or row.code == code]
    labels = dict(SkipCode.choices)
    difference = plan.difference
    return {
        "plan": plan,
        "on": display.day_text(plan.on),
        "totals": display.totals(plan.totals),
        "payouts": [
            (row, display.money(row.amount_minor, row.currency), reverse("admin:payouts_seller_change", args=[row.seller_id]))
            for row in plan.payouts[:PLAN_ROWS_SHOWN]
        ],
        "payouts_more": max(0, len(plan.payouts) - PLAN_ROWS_SHOWN),
        "codes": [(one, labels.get(one, one), count) for one, count in plan.skipped_by_code.items()],
        "code": code,
        "skipped": [
            (
                row,
                display.money(row.amount_minor, row.currency),
                labels.get(row.code, row.code),
                display.day(row.next_on) if row.next_on else "once that changes",
                reverse("admin:payouts_seller_change", args=[row.seller_id]),
            )
            for row in skipped[:PLAN_ROWS_SHOWN]
        ],
        "skipped_more": max(0, len(skipped) - PLAN_ROWS_SHOWN),
        "difference": difference,
        "difference_totals": [
            (
                currency,
                display.money(before, currency),
                display.money(after, currency),
                display.money(after - before, currency, signed=True),
            )
            for currency, (before, after) in (difference.totals.items() if difference else [])
        ],
    }
