"""What falls due beside renewals: a start, a resumption, an end at an instant, a first payment or a change that was not paid in time."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet

from backoffice.kit.actors import Actor
from backoffice.kit.transactions import durable
from billing.collection.models import BrakeScope, CollectionAttempt
from billing.collection.queries import braked
from billing.collection.sockets import rooms
from billing.collection.states import ON_THE_WAY
from billing.customers.models import Customer
from billing.subscriptions.changing import drop_unpaid_change, give_up_invoice
from billing.subscriptions.creating import begin_scheduled
from billing.subscriptions.models import Subscription
from billing.subscriptions.moving import keep, locked, move, waiting_change
from billing.subscriptions.states import RENEWING, ChangeState, SubscriptionStatus
from billing.subscriptions.stopping import cancel_now, resume_now

logger = logging.getLogger(__name__)
S = SubscriptionStatus


def due(at: datetime, customer: Customer | None = None) -> QuerySet[Subscription]:
    """Return subscriptions for which something other than their renewal is due."""
    rows = Subscription.objects.filter(next_at__lte=at)
    rows = rows.filter(customer__clock_at__isnull=True) if customer is None else rows.filter(customer=customer)
    return rows.exclude(Q(status__in=RENEWING) & Q(next_at__gte=F("current_period_end"))).order_by("next_at", "id")


@durable
def run_boundaries(*, actor: Actor, at: datetime, customer: Customer | None = None, limit: int = 5_000) -> dict[str, int]:
    """Do what is due, one subscription a transaction; one that fails is logged and keeps nobody waiting. Answers done and failed."""
    counts = {"done": 0, "failed": 0}
    seen: set[int] = set()
    rows = due(at, customer)
    for row_id, customer_id in list(rows.values_list("pk", "customer_id")[:limit]):
        if row_id in seen or braked(BrakeScope.INVOICING, [customer_id]):
            continue
        seen.add(row_id)
        try:
            run_boundary(row_id, actor, at)
            counts["done"] += 1
        except Exception:
            # stays due: the next tick tries again, and the truths name it when it stays so
            logger.exception("the boundary of subscription %s could not be passed", row_id)
            counts["failed"] += 1
    return counts


@transaction.atomic
def run_boundary(subscription_id: int, actor: Actor, at: datetime) -> None:
    row, _ = locked(subscription_id, at)
    if row.next_at is None or row.next_at > at:
        return
    change = waiting_change(row)
    if row.cancel_at is not None and row.cancel_at <= at:
        cancel_now(row, actor, at, row.reason or "Its end has come.")
    elif row.status == S.SCHEDULED:
        begin_scheduled(row, actor, at)
    elif row.status == S.INCOMPLETE:
        _expire(row, actor, at)
    elif row.status == S.PAUSED:
        resume_now(row, actor, at)
    elif change is not None and change.status == ChangeState.AWAITING_PAYMENT and change.expires_at and change.expires_at <= at:
        drop_unpaid_change(row, change, actor, at, "It was not paid in time.")
        keep(row)
    else:
        keep(row)


def _expire(row: Subscription, actor: Actor, at: datetime) -> None:
    """End what was never paid, unless money is on its way: its outcome decides then."""
    if CollectionAttempt.objects.filter(collection__origin=row.public_id, status__in=ON_THE_WAY).exists():
        return
    move(row, S.INCOMPLETE_EXPIRED, actor=actor, at=at, reason="The first invoice was not paid in time.")
    if row.latest_invoice and rooms.invoices.facts(invoice=row.latest_invoice).status in ("open", "draft", "finalizing_failed"):
        give_up_invoice(row.latest_invoice, actor, at, "The first invoice was not paid in time.")
