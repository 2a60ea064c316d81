"""Small moves that every verb of this room makes: lock, change the status, say when the next thing is due, tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition, transition_set
from billing.collection.attempting import WITH_BALANCE, WITH_CARD
from billing.collection.opening import stop_collections
from billing.customers.clock import lock_payer, time_of
from billing.customers.models import Customer
from billing.subscriptions.models import PendingLine, Redemption, Subscription, SubscriptionChange
from billing.subscriptions.states import CHANGE, ENDED, ITEM, RENEWING, SUBSCRIPTION, ChangeState, ItemState, SubscriptionStatus

# Stripe gives a first payment 23 hours; longer, and a seller would find himself subscribed on a day he has forgotten why.
INCOMPLETE_FOR = timedelta(hours=23)
WAITING = (ChangeState.AWAITING_PAYMENT, ChangeState.AT_PERIOD_END)


class SubscriptionInvalid(InputError):
    code = "subscription_invalid"
    sentence = "{detail}"


class SubscriptionNotReady(Refusal):
    code = "subscription_not_ready"
    sentence = "This is not possible while the subscription is {state}."


def locked(subscription_id: int, at: datetime) -> tuple[Subscription, datetime]:
    """Lock seller, customer and subscription, in this order; return it and the instant its customer lives in. Refuses: NotFound."""
    found = Subscription.objects.filter(pk=subscription_id).values_list("customer_id", flat=True).first()
    if found is None:
        raise NotFound(what="subscription", ref=subscription_id)
    customer = lock_payer(found)
    return relocked(subscription_id, customer), time_of(customer, at)


def relocked(subscription_id: int, customer: Customer) -> Subscription:
    """Lock a subscription of a customer locked before."""
    rows = Subscription.objects.select_for_update(no_key=True, of=("self",)).select_related("price__plan")
    row = rows.get(pk=subscription_id)
    row.customer = customer
    return row


def waiting_change(row: Subscription) -> SubscriptionChange | None:
    return row.changes.select_related("to_price__plan", "from_price__plan").filter(status__in=WAITING).first()


def next_moment(row: Subscription, change: SubscriptionChange | None) -> datetime | None:
    """Return when the next thing is due for a subscription, None for never."""
    moments: list[datetime | None] = [row.cancel_at]
    if row.status in ENDED:
        return None
    if row.status == SubscriptionStatus.SCHEDULED:
        moments.append(row.start_at)
    elif row.status == SubscriptionStatus.INCOMPLETE:
        moments.append(row.current_period_start + INCOMPLETE_FOR)
    elif row.status == SubscriptionStatus.PAUSED:
        moments.append(row.resumes_at)
    elif row.status in RENEWING:
        moments += [row.current_period_end, change.expires_at if change else None]
    return min((moment for moment in moments if moment is not None), default=None)


def keep(row: Subscription, *fields: str) -> None:
    """Write columns of a locked subscription, with the moment of its next work."""
    row.next_at = next_moment(row, waiting_change(row))
    row.save(update_fields=["next_at", *fields])


def move(row: Subscription, to: str, *, actor: Actor, at: datetime, reason: str = "", code: str = "") -> None:
    """Move a locked subscription to another status, and tell `subscription.<status>`."""
    if to in ENDED:
        row.ended_at, row.next_at = at, None
        # status and end are one fact, which the database checks together
        Subscription.objects.filter(pk=row.pk).update(next_at=None)
        _end(row, to, actor, at, reason, code)
    else:
        transition(SUBSCRIPTION, row, to, actor=actor, at=at, reason=reason, code=code)
    announce(row, str(to), at)


def _end(row: Subscription, to: str, actor: Actor, at: datetime, reason: str, code: str) -> None:
    moved = transition_set(
        SUBSCRIPTION, "SELECT %(one)s::bigint AS id", {"one": row.pk}, to, actor=actor, at=at, reason=reason, code=code,
        also={"ended_at": at},
    )  # fmt: skip
    if moved != 1:
        raise SubscriptionNotReady(state=row.get_status_display())
    row.status = to
    drop_changes(row, actor, at, "The subscription ended.")
    stop_collections(origin=row.public_id, actor=actor, at=at, reason="The subscription ended.")
    transition_set(
        ITEM,
        "SELECT i.id FROM billing_renewalitem i WHERE i.subscription_id = %(sub)s AND i.status IN ('open', 'parked') ORDER BY i.id FOR UPDATE",
        {"sub": row.pk}, ItemState.DISMISSED, actor=actor, at=at, reason="The subscription ended.",
    )  # fmt: skip


def drop_changes(row: Subscription, actor: Actor, at: datetime, reason: str) -> None:
    """Drop the change that waits, where one does; the invoice it waited for is voided by who calls, or stays owed."""
    transition_set(
        CHANGE,
        "SELECT c.id FROM billing_subscriptionchange c WHERE c.subscription_id = %(sub)s ORDER BY c.id FOR UPDATE",
        {"sub": row.pk}, ChangeState.DROPPED, actor=actor, at=at, reason=reason, also={"ended_at": at},
    )  # fmt: skip


def announce(row: Subscription, what: str, at: datetime, **more: Any) -> None:
    """Tell `subscription.<what>` to the customer's partner."""
    payload = {"customer": row.customer.public_id, "status": row.status, "price": row.price.public_id, "seats": row.seats}
    payload |= {"period_start": row.current_period_start.isoformat(), "period_end": row.current_period_end.isoformat()} | more
    tell(f"subscription.{what}", subject=row.public_id, payload=payload, at=at, partner_id=row.customer.partner_id)


def could_pay(row: Subscription) -> bool:
    """Tell whether there is anything the policy could take from: a card on file, or a seller's balance."""
    by_card = row.method in WITH_CARD and bool(row.customer.gateway_method)
    return by_card or (row.method in WITH_BALANCE and row.customer.seller_id is not None)


def redemptions_of(ids: Sequence[int]) -> dict[int, list[Redemption]]:
    """Return the coupons still good on some subscriptions, the first given first."""
    found: dict[int, list[Redemption]] = {}
    live = Redemption.objects.select_related("coupon").filter(Q(invoices_left__isnull=True) | Q(invoices_left__gt=0))
    for one in live.filter(subscription_id__in=ids).order_by("id"):
        found.setdefault(one.subscription_id, []).append(one)
    return found


def waiting_lines(ids: Sequence[int]) -> dict[int, list[PendingLine]]:
    """Return the lines that wait for the next invoice of some subscriptions."""
    found: dict[int, list[PendingLine]] = {}
    for one in PendingLine.objects.filter(subscription_id__in=ids, invoiced_at__isnull=True).order_by("id"):
        found.setdefault(one.subscription_id, []).append(one)
    return found
