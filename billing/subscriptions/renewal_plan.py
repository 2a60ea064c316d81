"""What a renewal would come to: the same computation for the dry run and for the batch. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet

from billing.collection.models import BillingBrake, BrakeScope
from billing.customers.models import Customer
from billing.plans.models import Price
from billing.plans.periods import anchor_of
from billing.subscriptions.lines import Bill, make_bill, metered, next_boundary, period_lines, usage_lines, usage_or_nothing
from billing.subscriptions.models import Redemption, Subscription, SubscriptionChange, TrialEnd
from billing.subscriptions.moving import could_pay, redemptions_of, waiting_lines
from billing.subscriptions.states import RENEWING, ChangeState, SubscriptionStatus
from billing.subscriptions.usage import Usage, Window, usage_of

JUMP = 3  # how many times the last period's amount an invoice may be before somebody looks at it


@dataclass
class Renewal:
    """One boundary: what it comes to, with the bill and the row's next period. `problem` is why a person has to look first."""

    subscription: Subscription
    what: str  # renewed | canceled | paused
    bill: Bill | None
    price: Price
    seats: int
    anchor_at: datetime
    end: datetime
    change: SubscriptionChange | None
    code: str = ""
    problem: str = ""

    @property
    def amount_minor(self) -> int:
        return self.bill.total_minor if self.bill else 0


def due(at: datetime, customer: Customer | None = None) -> QuerySet[Subscription]:
    """Return subscriptions whose period is over, of everybody whose time is real, or of one customer; those under a brake are left out."""
    rows = Subscription.objects.filter(next_at__lte=at, status__in=RENEWING, current_period_end__lte=at)
    rows = rows.filter(customer__clock_at__isnull=True) if customer is None else rows.filter(customer=customer)
    rows = rows.filter(Q(cancel_at__isnull=True) | Q(cancel_at__gt=F("current_period_end")))
    brakes = BillingBrake.objects.filter(lifted_at__isnull=True, scope__in=[BrakeScope.INVOICING, BrakeScope.ALL])
    if brakes.filter(customer__isnull=True).exists():
        return rows.none()
    return rows.exclude(customer_id__in=brakes.filter(customer__isnull=False).values("customer_id"))


def plan_renewals(rows: Sequence[Subscription], accepted: Iterable[int] = ()) -> list[Renewal]:
    """Return what the boundary of each row comes to; a handful of queries for a thousand. `accepted` are ids somebody let pass the bounds."""
    ids, passed = [row.pk for row in rows], set(accepted)
    waiting, coupons, usage = waiting_lines(ids), redemptions_of(ids), usage_of(_windows(rows))
    changes = SubscriptionChange.objects.select_related("to_price__plan").filter(
        subscription_id__in=ids, status__in=[ChangeState.AT_PERIOD_END, ChangeState.AWAITING_PAYMENT]
    )
    by_row = {change.subscription_id: change for change in changes}
    planned = []
    for row in rows:
        one = _renewal(row, by_row.get(row.pk), usage_or_nothing(usage, row), waiting.get(row.pk, []), coupons.get(row.pk, []))
        if row.pk not in passed:
            _look(one)
        planned.append(one)
    return planned


def _windows(rows: Sequence[Subscription]) -> list[Window]:
    return [
        Window(row.pk, row.customer.seller_id, row.price.currency, row.usage_since, row.current_period_end)
        for row in rows
        if row.customer.seller_id is not None and metered(row.price)
    ]


def _renewal(
    row: Subscription, change: SubscriptionChange | None, usage: Usage, waiting: list, coupons: list[Redemption]
) -> Renewal:
    at = row.current_period_end
    used = usage_lines(row.price, usage, row.usage_since, at)
    what = _what(row)
    if what != "renewed":
        last = make_bill(subscription=row, lines=used, period_start=row.current_period_start, period_end=at) if used else None
        return Renewal(row, what, last, row.price, row.seats, row.anchor_at, at, change)
    price, seats, anchor_at = row.price, row.seats, row.anchor_at
    if change is not None and change.status == ChangeState.AT_PERIOD_END:
        price, seats = change.to_price, change.to_seats
        if (price.interval, price.interval_count) != (row.price.interval, row.price.interval_count):
            anchor_at = anchor_of(row.anchor, price.interval, at)
    end = next_boundary(anchor_at, price, at)
    lines = period_lines(price, seats, anchor_at, at, end) + used
    bill = make_bill(subscription=row, lines=lines, period_start=at, period_end=end, waiting=waiting, redemptions=coupons)
    return Renewal(row, what, bill, price, seats, anchor_at, end, change)


def _what(row: Subscription) -> str:
    if row.cancel_at_period_end:
        return "canceled"
    if row.pause_at_period_end:
        return "paused"
    if row.status == SubscriptionStatus.TRIALING and row.trial_end != TrialEnd.BILL and not could_pay(row):
        return "paused" if row.trial_end == TrialEnd.PAUSE else "canceled"
    return "renewed"


def _look(one: Renewal) -> None:
    """Find what a person has to see first: an amount out of proportion to the period before. A change of price or seats explains itself."""
    row, bill = one.subscription, one.bill
    changed = (one.price.pk, one.seats) != (row.price_id, row.seats)
    if bill and row.last_minor > 0 and not changed and bill.gross_minor > JUMP * row.last_minor:
        one.code = "amount_jump"
        one.problem = f"The invoice would be more than {JUMP} times that of the period before."
