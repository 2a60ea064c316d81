"""Begin a subscription: now, later, or with a trial."""

from __future__ import annotations

from datetime import datetime, timedelta

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.states import born
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.collection.attempting import take_from_balance_now
from billing.collection.states import Trigger
from billing.customers.clock import lock_payer, time_of
from billing.plans.models import CollectionPolicy, Duration, Price
from billing.plans.operations import redeem_coupon
from billing.plans.periods import Anchor, anchor_of
from billing.plans.queries import recurring_minor
from billing.plans.states import Offer
from billing.subscriptions.invoicing import issue
from billing.subscriptions.lines import make_bill, next_boundary, period_lines
from billing.subscriptions.models import Redemption, Subscription, TrialEnd
from billing.subscriptions.moving import (
    SubscriptionInvalid,
    SubscriptionNotReady,
    announce,
    keep,
    locked,
    move,
    redemptions_of,
    waiting_lines,
)
from billing.subscriptions.states import ENDED, SUBSCRIPTION, SubscriptionStatus

SEATS_MAX = 1_000_000
TRIAL_DAYS_MAX = 366


class PriceNotOffered(Refusal):
    code = "price_not_offered"
    sentence = "The price {price} is not offered any more; choose a current one from the plan."


class CouponUsedBefore(Refusal):
    code = "coupon_used_before"
    sentence = "This customer had the coupon {coupon} before."


@composable
def create_subscription(
    *,
    customer_id: int,
    price_id: int,
    actor: Actor,
    at: datetime,
    key: str,
    seats: int = 1,
    anchor: str = Anchor.ANNIVERSARY,
    start_at: datetime | None = None,
    trial_days: int = 0,
    trial_end: str = TrialEnd.BILL,
    coupon: str = "",
    method: str = "",
) -> Subscription:
    """Subscribe a customer to a price.

    With a start ahead it is `scheduled`, with a trial `trialing`; else the first period is invoiced now and it is `incomplete` until that is
    paid: from the balance at once where that suffices, by card in the next moments. `method` overrides the plan's collection policy. Tells
    `subscription.created`. Refuses: NotFound, PriceNotOffered, SubscriptionInvalid, CouponNotRedeemable, CouponUsedBefore.
    """
    customer = lock_payer(customer_id)
    content = [customer_id, price_id, seats, anchor, str(start_at), trial_days, trial_end, coupon, method]
    earlier = recall(scope="create_subscription", key=key, content=content)
    if earlier.outcome is not None:
        return Subscription.objects.get(pk=earlier.outcome)
    at = time_of(customer, at)

    price = _price(price_id)
    start = start_at or at
    _check(seats, anchor, start, at, trial_days, trial_end, method)
    first_end = start + timedelta(days=trial_days) if trial_days else start
    anchor_at = anchor_of(anchor, price.interval, first_end)
    row = Subscription(
        customer=customer, price=price, seats=seats, method=method or price.plan.collection, anchor=anchor, anchor_at=anchor_at,
        start_at=start, trial_days=trial_days, trial_end=trial_end, current_period_start=start, usage_since=start,
        current_period_end=first_end if trial_days else next_boundary(anchor_at, price, start), made_by=str(actor), created_at=at,
        status=SubscriptionStatus.SCHEDULED if start > at else _first_status(trial_days),
    )  # fmt: skip
    row.save()
    born(SUBSCRIPTION, row, actor=actor, at=at)
    if coupon:
        _redeem(row, coupon, at)
    announce(row, "created", at)
    audit.record(actor, "subscription.create", row.public_id, at, facts={"price": price.public_id, "seats": seats})
    if row.status == SubscriptionStatus.INCOMPLETE:
        bill_first_period(row, Trigger.PURCHASE, actor, at)
    keep(row)
    earlier.keep(row.pk)
    return row


def _price(price_id: int) -> Price:
    price = Price.objects.select_related("plan").filter(pk=price_id).first()
    if price is None:
        raise NotFound(what="price", ref=price_id)
    if price.status != Offer.OFFERED or price.plan.status != Offer.OFFERED:
        raise PriceNotOffered(price=price.public_id)
    return price


def _check(seats: int, anchor: str, start: datetime, at: datetime, trial_days: int, trial_end: str, method: str) -> None:
    if not 1 <= seats <= SEATS_MAX:
        raise SubscriptionInvalid(detail=f"Seats: 1 to {SEATS_MAX:,}.")
    if anchor not in Anchor.values or trial_end not in TrialEnd.values:
        raise SubscriptionInvalid(detail="Anchor is anniversary or calendar; the end of a trial is bill, pause or cancel.")
    if start < at:
        raise SubscriptionInvalid(detail="The start lies in the past; leave it out to begin now.")
    if not 0 <= trial_days <= TRIAL_DAYS_MAX:
        raise SubscriptionInvalid(detail=f"A trial has 0 to {TRIAL_DAYS_MAX} days.")
    if method and method not in CollectionPolicy.values:
        raise SubscriptionInvalid(detail=f"The collection policy is one of {', '.join(CollectionPolicy.values)}.")


def _first_status(trial_days: int) -> str:
    return SubscriptionStatus.TRIALING if trial_days else SubscriptionStatus.INCOMPLETE


def _redeem(row: Subscription, code: str, at: datetime) -> Redemption:
    found = redeem_coupon(code=code, price=row.price, at=at)
    if Redemption.objects.filter(coupon=found, customer=row.customer).exists():
        raise CouponUsedBefore(coupon=found.code)
    left = {Duration.ONCE: 1, Duration.REPEATING: found.invoices}.get(Duration(found.duration))
    return Redemption.objects.create(subscription=row, customer=row.customer, coupon=found, invoices_left=left, redeemed_at=at)


@composable
def give_coupon(*, subscription_id: int, coupon: str, actor: Actor, at: datetime) -> Redemption:
    """Give a running subscription a coupon: it counts from the next invoice on, never on one that was issued.

    Tells `subscription.changed`. Refuses: NotFound, SubscriptionNotReady, CouponNotRedeemable, CouponUsedBefore.
    """
    row, at = locked(subscription_id, at)
    if row.status in ENDED:
        raise SubscriptionNotReady(state=row.get_status_display())
    made = _redeem(row, coupon, at)
    announce(row, "changed", at, coupon=made.coupon.code)
    audit.record(actor, "subscription.coupon", row.public_id, at, facts={"coupon": made.coupon.code})
    return made


def begin_scheduled(row: Subscription, actor: Actor, at: datetime) -> None:
    """Let a scheduled subscription begin: its trial, or its first period."""
    move(row, _first_status(row.trial_days), actor=actor, at=at, reason="Its start has come.")
    if row.status == SubscriptionStatus.INCOMPLETE:
        bill_first_period(row, Trigger.PURCHASE, actor, at)
    keep(row)


def bill_first_period(row: Subscription, trigger: str, actor: Actor, at: datetime) -> None:
    """Invoice the period a subscription stands in, take what the balance has, and let it be active once nothing is due."""
    start, end = row.current_period_start, row.current_period_end
    lines = period_lines(row.price, row.seats, row.anchor_at, start, end)
    bill = make_bill(
        subscription=row, lines=lines, period_start=start, period_end=end,
        waiting=waiting_lines([row.pk]).get(row.pk, ()), redemptions=redemptions_of([row.pk]).get(row.pk, ()),
    )  # fmt: skip
    issued = issue(bills=[(row, bill, f"{row.public_id}:{start.isoformat()}")], trigger=trigger, actor=actor, at=at)[row.pk]
    row.last_minor = full_price_minor(row)
    row.save(update_fields=["last_minor"])
    if issued.is_paid:
        activate(row, actor, at)
    elif issued.collection is not None:
        take_from_balance_now(collection_id=issued.collection.pk, trigger=trigger, actor=actor, at=at)
        row.refresh_from_db(fields=["status", "next_at"])  # the balance may have paid it all: then it is active already


def activate(row: Subscription, actor: Actor, at: datetime) -> None:
    if row.status != SubscriptionStatus.ACTIVE:
        move(row, SubscriptionStatus.ACTIVE, actor=actor, at=at)


def full_price_minor(row: Subscription) -> int:
    """Return what a full period costs before usage."""
    return recurring_minor(row.price, row.seats)
