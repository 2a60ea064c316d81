"""The dry run: what the next renewal would invoice, whom it would park, and how it differs from the last period. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backoffice.kit.money import Money
from billing.subscriptions.models import Subscription
from billing.subscriptions.renewal_plan import Renewal, due, plan_renewals

CHUNK = 2_000
SHOWN = 200


@dataclass
class DryRun:
    """Counts and sums by currency, and the first rows of each kind; amounts in minor units before tax."""

    at: datetime
    counts: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    previous: dict[str, int] = field(default_factory=dict)
    changed: list[dict[str, Any]] = field(default_factory=list)
    parked: list[dict[str, Any]] = field(default_factory=list)

    def take(self, one: Renewal) -> None:
        what = "parked" if one.code else one.what
        self.counts[what] = self.counts.get(what, 0) + 1
        currency, before = one.subscription.price.currency, one.subscription.last_minor
        if what == "parked" and len(self.parked) < SHOWN:
            self.parked.append(_row(one) | {"code": one.code, "detail": one.problem})
        if what != "parked":
            self.totals[currency] = self.totals.get(currency, 0) + one.amount_minor
            self.previous[currency] = self.previous.get(currency, 0) + before
        if one.amount_minor != before and what != "parked":
            self.counts["differing"] = self.counts.get("differing", 0) + 1
            if len(self.changed) < SHOWN:
                self.changed.append(_row(one) | {"what": what})


def _row(one: Renewal) -> dict[str, Any]:
    row = one.subscription
    return {
        "subscription": row.public_id,
        "plan": one.price.plan.name,
        "period_start": row.current_period_end,
        "amount": Money(one.amount_minor, row.price.currency).as_json(),
        "previous": Money(row.last_minor, row.price.currency).as_json(),
    }


def plan_all(*, at: datetime) -> DryRun:
    """Return what `renew_subscriptions` would do at an instant, one boundary of each subscription."""
    found, last = DryRun(at), 0
    while rows := _next(at, last):
        for one in plan_renewals(rows):
            found.take(one)
        last = rows[-1].pk
    return found


def _next(at: datetime, after: int) -> list[Subscription]:
    rows = due(at).select_related("price__plan", "customer").filter(pk__gt=after)
    return list(rows.order_by("pk")[:CHUNK])
