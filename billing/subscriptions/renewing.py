"""The renewal batch: a snapshot of what is due becomes work items, worked off in sets. It may be killed anywhere and goes on.

An item is unique by subscription and boundary, so no period is invoiced twice, whoever runs how often. A set that fails is done again one by one, and
what fails then is parked with its reason: it waits for a person, and keeps nobody else waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.outbox import tell_set
from backoffice.kit.states import born, born_set, transition, transition_set
from backoffice.kit.transactions import durable
from billing.collection.states import Trigger
from billing.customers.clock import lock_customers
from billing.customers.models import Customer
from billing.plans.queries import recurring_minor
from billing.subscriptions.changing import drop_unpaid_change
from billing.subscriptions.invoicing import issue
from billing.subscriptions.models import RenewalBatch, RenewalItem, Subscription, SubscriptionChange
from billing.subscriptions.moving import keep
from billing.subscriptions.renewal_plan import Renewal, due, plan_renewals
from billing.subscriptions.states import (
    BATCH,
    CHANGE,
    ITEM,
    RENEWING,
    SUBSCRIPTION,
    BatchState,
    ChangeState,
    ItemState,
    SubscriptionStatus,
)
from billing.subscriptions.stopping import cancel_now, issue_final, pause_now

logger = logging.getLogger(__name__)
CHUNK = 1_000
ITEMS_A_DAY = 15  # of one subscription; Kill Bill's bound. More is a loop, or an outage somebody should look at
declare("renewals.snapshot", "renewals.chunk")
_SNAPSHOT = """
    INSERT INTO billing_renewalitem (public_id, batch_id, subscription_id, period_start, status, what, currency, amount_minor, previous_minor,
                                     invoice, code, detail, accepted_by, created_at)
    SELECT kit_typeid('rni'), %(batch)s, s.id, s.current_period_end, 'open', '', p.currency, 0, s.last_minor, '', '', '', '', %(at)s
      FROM billing_subscription s JOIN billing_price p ON p.id = s.price_id WHERE s.id = ANY(%(ids)s::bigint[])
    ON CONFLICT (subscription_id, period_start) DO NOTHING RETURNING id"""
_WRITE_SUBSCRIPTIONS = """
    UPDATE billing_subscription s
       SET price_id = u.price, seats = u.seats, anchor_at = u.anchor, current_period_start = s.current_period_end, current_period_end = u.upto,
           usage_since = s.current_period_end, last_minor = u.gross, next_at = LEAST(u.upto, s.cancel_at)
      FROM unnest(%(ids)s::bigint[], %(prices)s::bigint[], %(seats)s::int[], %(anchors)s::timestamptz[], %(ends)s::timestamptz[],
                  %(grosses)s::bigint[]) AS u(id, price, seats, anchor, upto, gross)
     WHERE s.id = u.id"""
_WRITE_ITEMS = """
    UPDATE billing_renewalitem i
       SET what = u.what, amount_minor = u.amount, previous_minor = u.previous, invoice = u.invoice, worked_at = %(at)s, code = '', detail = ''
      FROM unnest(%(ids)s::bigint[], %(whats)s::text[], %(amounts)s::bigint[], %(previous)s::bigint[], %(invoices)s::text[])
           AS u(id, what, amount, previous, invoice) WHERE i.id = u.id"""
_TOLD = """
    SELECT s.public_id, jsonb_build_object('customer', c.public_id, 'status', s.status, 'price', p.public_id, 'seats', s.seats, 'period_start', s.current_period_start,
                                           'period_end', s.current_period_end, 'invoice', s.latest_invoice), c.partner_id
      FROM billing_subscription s JOIN billing_customer c ON c.id = s.customer_id JOIN billing_price p ON p.id = s.price_id
     WHERE s.id = ANY(%(ids)s::bigint[])"""


@durable
def renew_subscriptions(
    *, actor: Actor, at: datetime, customer: Customer | None = None, seconds: float | None = None
) -> dict[str, Any]:
    """Renew every subscription whose period is over, and go on with what an earlier run left; answers items done, parked, dismissed.

    In chunks of a transaction each; two at once share the work. A subscription several periods behind is renewed period by period. `seconds`
    bounds the run: what is left is done by the next one. Tells `subscription.renewed` and what else a boundary comes to.
    """
    ends = None if seconds is None else time.monotonic() + seconds
    answer: dict[str, Any] = {"batch": None, "done": 0, "parked": 0, "dismissed": 0}
    touched: set[int] = set()
    while True:
        batch = _snapshot(actor, at, customer)
        if batch is not None:
            answer["batch"] = batch.public_id
        failpoint("renewals.snapshot")
        worked = 0
        while ends is None or time.monotonic() < ends:
            counts, batches = _chunk(actor, at, customer)
            touched |= batches
            for name, count in counts.items():
                answer[name] += count
            if not counts:
                break
            worked += sum(counts.values())
            failpoint("renewals.chunk")
        if not worked or (ends is not None and time.monotonic() >= ends):
            break
    finish_batches(touched, actor, at)
    return answer


@transaction.atomic
def _snapshot(actor: Actor, at: datetime, customer: Customer | None) -> RenewalBatch | None:
    known = RenewalItem.objects.filter(subscription=OuterRef("pk"), period_start=OuterRef("current_period_end"))
    ids = list(due(at, customer).exclude(Exists(known)).order_by("id").values_list("pk", flat=True))
    if not ids:
        return None
    batch = RenewalBatch.objects.create(due_at=at, made_by=str(actor), started_at=at)
    with connection.cursor() as cursor:
        cursor.execute(_SNAPSHOT, {"batch": batch.pk, "ids": ids, "at": at})
        items = [row[0] for row in cursor.fetchall()]
    if not items:  # another worker has taken them all meanwhile
        transaction.set_rollback(True)
        return None
    born(BATCH, batch, actor=actor, at=at)
    born_set(ITEM, "SELECT unnest(%(ids)s::bigint[])", {"ids": items}, actor=actor, at=at)
    RenewalBatch.objects.filter(pk=batch.pk).update(items=len(items))
    return batch


@transaction.atomic
def _chunk(actor: Actor, at: datetime, customer: Customer | None) -> tuple[dict[str, int], set[int]]:
    """Work off one set of open items; {} when there are none."""
    rows = RenewalItem.objects.select_for_update(skip_locked=True, of=("self",)).filter(status=ItemState.OPEN)
    rows = rows.exclude(batch__status=BatchState.STOPPED)
    whose = Q(subscription__customer__clock_at__isnull=True) if customer is None else Q(subscription__customer=customer)
    items = list(rows.filter(whose).order_by("batch_id", "id")[:CHUNK])
    if not items:
        return {}, set()
    batches = {item.batch_id for item in items}
    try:
        with transaction.atomic():
            return _work(items, actor, at), batches
    except Exception:
        logger.exception("a set of %s renewals failed and is done one by one", len(items))
    counts: dict[str, int] = {}
    for item in items:
        for name, count in _one(item, actor, at).items():
            counts[name] = counts.get(name, 0) + count
    return counts, batches


def _one(item: RenewalItem, actor: Actor, at: datetime) -> dict[str, int]:
    try:
        with transaction.atomic():
            return _work([item], actor, at)
    except Refusal as refusal:
        park(item, refusal.code, str(refusal), actor, at)
    except Exception as error:
        logger.exception("renewal item %s failed", item.public_id)
        park(item, "unexpected", f"It failed with {type(error).__name__}; the log of {at:%Y-%m-%d %H:%M} UTC has it.", actor, at)
    return {"parked": 1}


def park(item: RenewalItem, code: str, detail: str, actor: Actor, at: datetime) -> None:
    """Set an item aside for a person, with the reason."""
    RenewalItem.objects.filter(pk=item.pk).update(code=code[:60], detail=detail[:1000], worked_at=at)
    transition(ITEM, item, ItemState.PARKED, actor=actor, at=at, reason=detail[:1000], code=code[:60])


def _work(items: Sequence[RenewalItem], actor: Actor, at: datetime) -> dict[str, int]:
    found = Subscription.objects.filter(pk__in=[item.subscription_id for item in items])
    customers = lock_customers(found.values_list("customer_id", flat=True))
    rows = {
        row.pk: row for row in found.select_for_update(no_key=True, of=("self",)).select_related("price__plan").order_by("pk")
    }
    for row in rows.values():
        row.customer = customers[row.customer_id]
    live = [item for item in items if _still_due(rows[item.subscription_id], item)]
    busy = _too_busy(live, at)
    accepted = [item.subscription_id for item in live if item.accepted_by]
    by_row = {item.subscription_id: item for item in live if item.pk not in busy}
    planned = plan_renewals([rows[pk] for pk in by_row], accepted)
    good = [one for one in planned if not one.code]
    for one in planned:
        if one.code:
            item = by_row[one.subscription.pk]
            RenewalItem.objects.filter(pk=item.pk).update(
                amount_minor=one.amount_minor, previous_minor=one.subscription.last_minor
            )
            park(item, one.code, one.problem, actor, at)
    for item in live:
        if item.pk in busy:
            park(item, "too_many_items", f"More than {ITEMS_A_DAY} periods were renewed today.", actor, at)
    _renew(good, by_row, actor, at)
    done = [by_row[one.subscription.pk] for one in good]
    counts = _finish(items, live, len(planned) - len(good) + len(busy), done, actor, at)
    for one in good:  # behind the items: an end dismisses what is still open of its subscription
        if one.what != "renewed":
            _end(one, by_row[one.subscription.pk], actor, at)
    return counts


def _still_due(row: Subscription, item: RenewalItem) -> bool:
    return row.status in RENEWING and row.current_period_end == item.period_start


def _too_busy(items: Sequence[RenewalItem], at: datetime) -> set[int]:
    """Return the items of subscriptions that had their share of a day already, unless somebody looked."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    counted = RenewalItem.objects.filter(
        subscription_id__in=[item.subscription_id for item in items], status=ItemState.DONE, worked_at__gte=day,
        worked_at__lt=day + timedelta(days=1),
    )  # fmt: skip
    full = {pk for pk, count in counted.values_list("subscription_id").annotate(n=Count("id")) if count >= ITEMS_A_DAY}
    return {item.pk for item in items if item.subscription_id in full and not item.accepted_by}


def _renew(planned: Sequence[Renewal], items: dict[int, RenewalItem], actor: Actor, at: datetime) -> None:
    renewed = [one for one in planned if one.what == "renewed"]
    for one in renewed:
        one.subscription.price, one.subscription.seats = one.price, one.seats  # the invoice speaks of what counts from now on
    bills = [(one.subscription, one.bill, _key(one)) for one in renewed if one.bill is not None]
    issued = issue(bills=bills, trigger=Trigger.CYCLE, actor=actor, at=at)
    _write(renewed, at)
    _follow_changes(renewed, actor, at)
    free = [
        one.subscription.pk
        for one in renewed
        if one.subscription.status == SubscriptionStatus.TRIALING and issued[one.subscription.pk].is_paid
    ]
    transition_set(
        SUBSCRIPTION, "SELECT unnest(%(ids)s::bigint[]) AS id", {"ids": free}, SubscriptionStatus.ACTIVE, actor=actor, at=at,
        reason="The trial is over.",
    )  # fmt: skip
    tell_set("subscription.renewed", _TOLD, {"ids": [one.subscription.pk for one in renewed]}, at=at)
    for one in planned:
        item, found = items[one.subscription.pk], issued.get(one.subscription.pk)
        item.what, item.amount_minor = one.what, one.amount_minor
        item.invoice = found.invoice.public_id if found and found.invoice else ""


def _key(one: Renewal) -> str:
    return f"{one.subscription.public_id}:{one.subscription.current_period_end.isoformat()}"


def _end(one: Renewal, item: RenewalItem, actor: Actor, at: datetime) -> None:
    row = one.subscription
    if one.what == "canceled":
        cancel_now(row, actor, at, row.reason or "The period is over.")
    else:
        pause_now(row, actor, at, row.reason or "The trial is over and nothing could pay.")
        if one.bill is not None:
            Subscription.objects.filter(pk=row.pk).update(usage_since=row.current_period_end)
            issue_final(row, one.bill, actor, at)
    RenewalItem.objects.filter(pk=item.pk).update(invoice=row.latest_invoice if one.bill else "")


def _write(renewed: Sequence[Renewal], at: datetime) -> None:
    if not renewed:
        return
    columns: dict[str, Any] = {
        "ids": [one.subscription.pk for one in renewed],
        "prices": [one.price.pk for one in renewed],
        "seats": [one.seats for one in renewed],
        "anchors": [one.anchor_at for one in renewed],
        "ends": [one.end for one in renewed],
        # a stub tells little about the next period: the full price does
        "grosses": [max(one.bill.gross_minor if one.bill else 0, recurring_minor(one.price, one.seats)) for one in renewed],
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_SUBSCRIPTIONS, columns)


def _follow_changes(renewed: Sequence[Renewal], actor: Actor, at: datetime) -> None:
    applied = [one.change.pk for one in renewed if one.change and one.change.status == ChangeState.AT_PERIOD_END]
    transition_set(
        CHANGE,
        "SELECT unnest(%(ids)s::bigint[]) AS id",
        {"ids": applied},
        ChangeState.APPLIED,
        actor=actor,
        at=at,
        also={"ended_at": at},
    )
    for one in renewed:
        if one.change is not None and one.change.status == ChangeState.AWAITING_PAYMENT:
            row = Subscription.objects.select_related("price__plan", "customer").get(pk=one.subscription.pk)
            drop_unpaid_change(
                row, SubscriptionChange.objects.get(pk=one.change.pk), actor, at, "The period ended before it was paid."
            )
            keep(row)


def _finish(
    items: Sequence[RenewalItem],
    live: Sequence[RenewalItem],
    parked: int,
    done: Sequence[RenewalItem],
    actor: Actor,
    at: datetime,
) -> dict[str, int]:
    due_still = {item.pk for item in live}
    gone = [item.pk for item in items if item.pk not in due_still]
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE_ITEMS,
            {
                "at": at, "ids": [item.pk for item in done], "whats": [item.what for item in done],
                "amounts": [item.amount_minor for item in done], "previous": [item.previous_minor for item in done],
                "invoices": [item.invoice for item in done],
            },
        )  # fmt: skip
    transition_set(
        ITEM, "SELECT unnest(%(ids)s::bigint[]) AS id", {"ids": [item.pk for item in done]}, ItemState.DONE, actor=actor, at=at
    )
    dismissed = transition_set(
        ITEM, "SELECT unnest(%(ids)s::bigint[]) AS id", {"ids": gone}, ItemState.DISMISSED, actor=actor, at=at,
        reason="The subscription is not due any more.",
    )  # fmt: skip
    counts = {"done": len(done), "parked": parked, "dismissed": dismissed}
    return {name: count for name, count in counts.items() if count}


def finish_batches(batch_ids: set[int], actor: Actor, at: datetime) -> None:
    """Count what became of batches, and end those without open items."""
    for batch_id in sorted(batch_ids):
        with transaction.atomic():
            batch = RenewalBatch.objects.select_for_update().get(pk=batch_id)
            rows = RenewalItem.objects.filter(batch=batch)
            by_status = dict(rows.values_list("status").annotate(n=Count("id")))
            batch.done, batch.parked = by_status.get("done", 0), by_status.get("parked", 0)
            batch.totals = totals_of(batch_id)
            open_items = by_status.get("open", 0)
            batch.finished_at = None if open_items else at
            batch.save(update_fields=["done", "parked", "totals", "finished_at"])
            if not open_items and batch.status == BatchState.RUNNING:
                transition(BATCH, batch, BatchState.DONE, actor=actor, at=at)


def totals_of(batch_id: int) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency, sum(amount_minor)::bigint FROM billing_renewalitem WHERE batch_id = %s AND status = 'done' GROUP BY 1",
            [batch_id],
        )
        return dict(cursor.fetchall())
