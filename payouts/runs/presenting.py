"""Plans and runs as JSON-ready objects, for commands and whoever else prints them."""

from __future__ import annotations

from typing import Any

from backoffice.kit.money import Money
from payouts.runs.content import counts_and_totals
from payouts.runs.difference import Difference, DifferenceRow
from payouts.runs.models import PayoutRun
from payouts.runs.planning import Plan, PlanRow
from payouts.runs.queries import skips_by_code

# Of each list of a difference the largest changes are shown; the counts are always whole.
ROWS_SHOWN = 50


def present_plan(plan: Plan) -> dict[str, Any]:
    """Return a dry run: every payout, every skipped seller, totals, and the difference from the run before."""
    counts: dict[str, int] = {}
    for row in plan.payouts:
        counts[row.currency] = counts.get(row.currency, 0) + 1
    return {
        "on": plan.on.isoformat(),
        "currency": plan.currency or None,
        "payouts": [_paid(row) for row in plan.payouts],
        "skipped": [_skipped(row) for row in plan.skipped],
        "skipped_by_code": plan.skipped_by_code,
        "totals": {
            currency: {"count": counts[currency], **Money(total, currency).as_json()} for currency, total in plan.totals.items()
        },
        "difference": present_difference(plan.difference),
    }


def present_run(run: PayoutRun) -> dict[str, Any]:
    """Return a run with the counts and totals of what it still pays, and how many sellers it skipped by code."""
    payouts, totals = counts_and_totals(run)
    return {
        "run": run.public_id,
        "status": run.status,
        "on": run.run_on.isoformat(),
        "currency": run.currency or None,
        "kind": run.kind,
        "payouts": payouts,
        "taken_out": run.payouts_count - payouts,
        "skipped": run.skipped_count,
        "skipped_by_code": _counts(run),
        "totals": {currency: Money(total, currency).as_json() for currency, total in totals.items()},
        "content_hash": run.content_hash,
        "maker": run.maker,
        "checker": run.checker or None,
        "expires_at": run.expires_at.isoformat(),
    }


def present_difference(difference: Difference | None) -> dict[str, Any] | None:
    """Return a difference with its counts and the largest rows of each list; None where there is no earlier run."""
    if difference is None:
        return None
    return {
        "previous": difference.previous,
        **{f"{name}_count": count for name, count in difference.counts.items()},
        "new": [_changed(row) for row in difference.new[:ROWS_SHOWN]],
        "gone": [_changed(row) for row in difference.gone[:ROWS_SHOWN]],
        "changed": [_changed(row) for row in difference.changed[:ROWS_SHOWN]],
        "totals": {
            currency: {"before": Money(before, currency).as_json(), "after": Money(after, currency).as_json()}
            for currency, (before, after) in difference.totals.items()
        },
    }


def _paid(row: PlanRow) -> dict[str, Any]:
    return {
        "seller": row.seller,
        "external_id": row.external_id,
        "amount": Money(row.amount_minor, row.currency).as_json(),
        "payee": row.payee,
        "rail": row.rail,
    }


def _skipped(row: PlanRow) -> dict[str, Any]:
    return {
        "seller": row.seller,
        "external_id": row.external_id,
        "amount": Money(row.amount_minor, row.currency).as_json(),
        "code": row.code,
        "next_on": row.next_on.isoformat() if row.next_on else None,
    }


def _changed(row: DifferenceRow) -> dict[str, Any]:
    return {
        "seller": row.seller,
        "external_id": row.external_id,
        "before": Money(row.before_minor, row.currency).as_json(),
        "after": Money(row.after_minor, row.currency).as_json(),
    }


def _counts(run: PayoutRun) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in skips_by_code(run):
        counts[row["code"]] = counts.get(row["code"], 0) + row["count"]
    return counts
