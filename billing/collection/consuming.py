"""What collection hears: payments that end later, invoices paid or voided elsewhere, sellers who earned, cards that were replaced."""

from __future__ import annotations

from django.db.models import Q

from backoffice.kit.actors import system
from backoffice.kit.outbox import Event, subscribe
from billing.collection.attempting import WITH_BALANCE, conclude, take_from_balance_now
from billing.collection.models import Collection, CollectionAttempt
from billing.collection.opening import retry_collection, settle, stop_collections
from billing.collection.queries import LIVE
from billing.collection.sockets import outcome_told
from billing.collection.states import ON_THE_WAY, AttemptState, CollectionState, Trigger
from billing.customers.clock import lock_customer, time_of
from billing.customers.models import Customer

ROBOT = system("collection")
_STATES = {
    "payment.succeeded": AttemptState.SUCCEEDED,
    "payment.failed": AttemptState.FAILED,
    "payment.canceled": AttemptState.FAILED,
    "payment.needs_action": AttemptState.NEEDS_ACTION,
    "payment.unknown": AttemptState.UNKNOWN,
}
LATER = (AttemptState.NEEDS_ACTION, AttemptState.PENDING, AttemptState.UNKNOWN)


def payment_told(event: Event) -> None:
    """Conclude the attempt that waits for a payment. What the attempt itself recorded already is not told twice."""
    found = CollectionAttempt.objects.select_related("collection").filter(payment=event.subject).first()
    state = _STATES.get(event.type)
    if found is None or state is None:
        return
    customer = lock_customer(found.collection.customer_id)
    attempt = CollectionAttempt.objects.select_for_update(of=("self",)).select_related("collection").get(pk=found.pk)
    if attempt.status not in LATER or attempt.status == state:
        return
    attempt.code = str(event.payload.get("code") or event.payload.get("decline_code") or "")[:60]
    if state == AttemptState.SUCCEEDED:
        attempt.card_minor = attempt.collection.due_minor
    attempt.save(update_fields=["code", "card_minor"])
    conclude(attempt, state, ROBOT, time_of(customer, event.occurred_at))


def invoice_told(event: Event) -> None:
    """Settle what was paid by another way, stop what was voided or written off."""
    found = Collection.objects.filter(invoice=event.subject).exclude(status=CollectionState.SETTLED).first()
    if found is None:
        return
    at = time_of(lock_customer(found.customer_id), event.occurred_at)
    if event.type == "invoice.paid":
        settle(collection_ids=[found.pk], actor=ROBOT, at=at, reason="The invoice was paid.")
        return
    if found.status in LIVE:
        stop_collections(invoice=found.invoice, actor=ROBOT, at=at, reason=f"The invoice was {event.type.rpartition('.')[2]}.")
        found.refresh_from_db()
    # what was given up is owed by nobody: who was past due because of it is not any more
    outcome_told.ask(collection=found, outcome="stopped", actor=ROBOT, at=at)


def seller_earned(event: Event) -> None:
    """Try the balance again for everything a seller owed then, the oldest invoice first: the day money comes is the best day to ask."""
    # what was opened since has looked into the balance itself; an event that comes late does not act before there was a claim
    owed_then = Q(opened_at__lte=event.occurred_at) | Q(customer__clock_at__isnull=False)
    rows = Collection.objects.filter(
        owed_then, customer__seller__public_id=event.payload.get("seller", ""), currency=event.payload.get("currency", "")
    )
    for collection_id in list(rows.filter(status__in=LIVE, method__in=WITH_BALANCE).order_by("id").values_list("pk", flat=True)):
        take_from_balance_now(collection_id=collection_id, trigger=Trigger.BALANCE, actor=ROBOT, at=event.occurred_at)


def method_changed(event: Event) -> None:
    """Try a new card at once on everything open; no budget is used up by it."""
    customer = Customer.objects.filter(public_id=event.payload.get("customer", event.subject)).first()
    if customer is None or not customer.gateway_method:
        return
    busy = CollectionAttempt.objects.filter(status__in=ON_THE_WAY).values("collection_id")
    since = Q(opened_at__lte=event.occurred_at) | Q(customer__clock_at__isnull=False)
    for row in Collection.objects.filter(since, customer=customer, status__in=LIVE).exclude(pk__in=busy).order_by("id"):
        retry_collection(collection_id=row.pk, trigger=Trigger.METHOD, actor=ROBOT, at=event.occurred_at, reason="A new card.")


def plug_in() -> None:
    subscribe("collection.payments", "payment.*", payment_told)
    subscribe("collection.balance", "balance.available", seller_earned)
    subscribe("collection.methods", "customer.method_changed", method_changed)
    for name in ("paid", "voided", "uncollectible"):
        subscribe(f"collection.invoice_{name}", f"invoice.{name}", invoice_told)
