"""What the outcome of a collection means for its subscription; asked in the transaction in which the outcome is written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor, system
from backoffice.kit.outbox import Event, subscribe
from billing.collection.models import Collection, FinalAction
from billing.collection.opening import open_collections
from billing.collection.queries import is_settled
from billing.collection.sockets import rooms
from billing.collection.states import Trigger
from billing.customers.clock import lock_customer, time_of
from billing.subscriptions.changing import apply_change, drop_unpaid_change
from billing.subscriptions.invoicing import claim_of
from billing.subscriptions.models import Subscription, SubscriptionChange
from billing.subscriptions.moving import keep, move, relocked
from billing.subscriptions.states import ENDED, ChangeState, SubscriptionStatus
from billing.subscriptions.stopping import cancel_now, resume_now

S = SubscriptionStatus
ROBOT = system("subscriptions")


def collection_told(*, collection: Collection, outcome: str, actor: Actor, at: datetime) -> list[Any]:
    """Let a subscription follow the money: active, past due, unpaid, cancelled; or a change counts, or is dropped. Objects to nothing."""
    found = Subscription.objects.filter(public_id=collection.origin).values_list("pk", flat=True).first()
    if found is None:
        return []
    row = relocked(found, collection.customer)
    if row.status in ENDED:
        return []
    change = (
        row.changes.select_related("to_price__plan")
        .filter(invoice=collection.invoice, status=ChangeState.AWAITING_PAYMENT)
        .first()
    )
    if change is not None:
        _change_told(row, change, outcome, actor, at)
    elif outcome == "settled":
        _settled(row, collection, actor, at)
    elif outcome == "stopped" and row.status == S.PAST_DUE and is_settled(row.public_id):
        move(row, S.ACTIVE, actor=actor, at=at, reason="What was overdue was given up; nothing is any more.")
        keep(row)
    elif collection.trigger == Trigger.CYCLE and outcome == "failed" and row.status in (S.ACTIVE, S.TRIALING):
        move(row, S.PAST_DUE, actor=actor, at=at, reason="The invoice of the period was not paid.")
        keep(row)
    elif collection.trigger == Trigger.CYCLE and outcome == "exhausted" and row.status == S.PAST_DUE:
        _exhausted(row, collection, actor, at)
    return []


def _change_told(row: Subscription, change: SubscriptionChange, outcome: str, actor: Actor, at: datetime) -> None:
    if outcome == "settled":
        apply_change(row, change, actor, at)
    elif outcome == "exhausted":
        drop_unpaid_change(row, change, actor, at, "Its payment failed.")
        keep(row)


def _settled(row: Subscription, collection: Collection, actor: Actor, at: datetime) -> None:
    if row.status == S.INCOMPLETE and collection.invoice == row.latest_invoice:
        move(row, S.ACTIVE, actor=actor, at=at, reason="The first invoice is paid.")
    elif row.status == S.TRIALING and row.current_period_start > row.start_at:
        move(row, S.ACTIVE, actor=actor, at=at, reason="The first invoice after the trial is paid.")
    elif row.status == S.PAST_DUE and is_settled(row.public_id):
        move(row, S.ACTIVE, actor=actor, at=at, reason="Nothing is overdue any more.")
    elif row.status == S.UNPAID and collection.invoice == row.latest_invoice:
        resume_now(row, actor, at)
        return
    keep(row)


def _exhausted(row: Subscription, collection: Collection, actor: Actor, at: datetime) -> None:
    action = collection.policy.final_action
    if action == FinalAction.CANCEL:
        cancel_now(row, actor, at, "Every attempt to collect failed.", code="dunning_exhausted")
    elif action == FinalAction.UNPAID:
        move(row, S.UNPAID, actor=actor, at=at, reason="Every attempt to collect failed.", code="dunning_exhausted")
        keep(row)


def invoice_finalised(event: Event) -> None:
    """Begin to collect an invoice that could not be finalised when it was made, and could now."""
    row = Subscription.objects.select_related("customer", "price__plan").filter(latest_invoice=event.subject).first()
    if row is None or row.collection_paused or Collection.objects.filter(invoice=event.subject).exists():
        return
    at = time_of(lock_customer(row.customer_id), event.occurred_at)
    facts = rooms.invoices.facts(invoice=event.subject)
    if facts.is_collectible:
        trigger = Trigger.PURCHASE if row.status == S.INCOMPLETE else Trigger.CYCLE
        open_collections(claims=[claim_of(row, facts)], trigger=trigger, actor=ROBOT, at=at)
    elif facts.is_paid and row.status == S.INCOMPLETE:
        row = relocked(row.pk, row.customer)
        move(row, S.ACTIVE, actor=ROBOT, at=at, reason="The first invoice is paid.")
        keep(row)


def plug_in() -> None:
    subscribe("subscriptions.invoices", "invoice.finalised", invoice_finalised)
