"""Make the attempts that are due: claim (commit), take and charge (no transaction open), record (commit).

A crash in between leaves a running attempt; it is taken up again with the same keys, so that what was done answers again instead of being done
twice. What is unknown blocks every further attempt on the same invoice until the room of payments has learnt what happened.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.ids import new_id
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable, durable
from billing.collection.models import Collection, CollectionAttempt
from billing.collection.opening import close_planned, plan_attempts, settle
from billing.collection.queries import LIVE, due_attempts
from billing.collection.sockets import InvoiceFacts, outcome_told, rooms
from billing.collection.states import ATTEMPT, COLLECTION, AttemptState, CollectionState, Trigger
from billing.customers.clock import lock_customer, time_of
from billing.customers.models import Customer
from billing.plans.models import CollectionPolicy
from payouts.sellers.queries import lock_seller

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)
WITH_BALANCE = (CollectionPolicy.BALANCE_THEN_CARD, CollectionPolicy.BALANCE_ONLY, CollectionPolicy.CARD_THEN_BALANCE)
WITH_CARD = (CollectionPolicy.BALANCE_THEN_CARD, CollectionPolicy.CARD_ONLY, CollectionPolicy.CARD_THEN_BALANCE)
_STATES = {
    "succeeded": AttemptState.SUCCEEDED,
    "requires_action": AttemptState.NEEDS_ACTION,
    "unknown": AttemptState.UNKNOWN,
    "requires_payment_method": AttemptState.FAILED,
    "canceled": AttemptState.FAILED,
}
declare("collection.claimed", "collection.balance_taken", "collection.charged")


@dataclass(slots=True)
class Try:
    """What an attempt found out, before it is recorded."""

    state: str = AttemptState.FAILED
    code: str = ""
    payment: str = ""
    balance_minor: int = 0
    card_minor: int = 0


@durable
def work(*, actor: Actor, at: datetime, seconds: float = 25, customer: Customer | None = None) -> dict[str, int]:
    """Make every attempt that is due, first those a crash left running; answers how many came to what.

    Without a customer, for everybody whose time is real; with one, for him alone.
    """
    ends, counts = time.monotonic() + seconds, dict.fromkeys(AttemptState.values, 0)
    failed: set[int] = set()
    for attempt_id in _left_running(at, customer):
        _count(counts, failed, attempt_id, actor, at)
    while time.monotonic() < ends:
        found = list(due_attempts(at, customer).exclude(pk__in=failed).values_list("pk", flat=True)[:200])
        if not found:
            break
        for attempt_id in found:
            if time.monotonic() >= ends:
                break
            _count(counts, failed, attempt_id, actor, at)
    return {name: count for name, count in counts.items() if count}


def _count(counts: dict[str, int], failed: set[int], attempt_id: int, actor: Actor, at: datetime) -> None:
    try:
        state = run_attempt(attempt_id=attempt_id, actor=actor, at=at)
        if state:
            counts[state] += 1
        else:
            failed.add(attempt_id)
    except Exception:
        # one customer's trouble keeps nobody else waiting; the attempt stays running and is taken up again after its lease
        logger.exception("collection attempt %s crashed", attempt_id)
        failed.add(attempt_id)


def _left_running(at: datetime, customer: Customer | None) -> list[int]:
    rows = CollectionAttempt.objects.filter(status=AttemptState.RUNNING)
    if customer is None:
        rows = rows.filter(started_at__lte=at - LEASE, collection__customer__clock_at__isnull=True)
    else:
        rows = rows.filter(collection__customer=customer)
    return list(rows.order_by("id").values_list("pk", flat=True)[:500])


@durable
def run_attempt(*, attempt_id: int, actor: Actor, at: datetime) -> str:
    """Make one attempt and return the state it came to, '' when it was not to be made after all."""
    attempt = _claim(attempt_id, actor, at)
    if attempt is None:
        return ""
    failpoint("collection.claimed")
    tried = _try(attempt, actor, at)
    failpoint("collection.charged")
    return _record(attempt_id, tried, actor, at)


@transaction.atomic
def _claim(attempt_id: int, actor: Actor, at: datetime) -> CollectionAttempt | None:
    found = CollectionAttempt.objects.select_related("collection").get(pk=attempt_id)
    lock_customer(found.collection.customer_id)
    attempt = (
        CollectionAttempt.objects.select_for_update(of=("self",))
        .select_related("collection__customer", "collection__policy")
        .get(pk=attempt_id)
    )
    if attempt.status == AttemptState.RUNNING:
        return attempt
    if attempt.status != AttemptState.PLANNED or attempt.collection.status not in LIVE:
        return None
    try:
        with transaction.atomic():
            transition(ATTEMPT, attempt, AttemptState.RUNNING, actor=actor, at=at)
    except IntegrityError:  # a rival of the same invoice is on its way
        return None
    attempt.started_at = at
    attempt.save(update_fields=["started_at"])
    return attempt


def _try(attempt: CollectionAttempt, actor: Actor, at: datetime) -> Try:
    """Take from the balance and charge the card as the policy says; no transaction is open around it."""
    collection, tried = attempt.collection, Try()
    if collection.method != CollectionPolicy.CARD_THEN_BALANCE:
        _take(attempt, tried, actor, at)
    failpoint("collection.balance_taken")
    facts = rooms.invoices.facts(invoice=collection.invoice)
    if facts.is_collectible:
        _charge(attempt, facts, tried, actor, at)
    if collection.method == CollectionPolicy.CARD_THEN_BALANCE and tried.state == AttemptState.FAILED:
        _take(attempt, tried, actor, at)
    if tried.state == AttemptState.FAILED and rooms.invoices.facts(invoice=collection.invoice).is_paid:
        tried.state = AttemptState.SUCCEEDED
    return tried


def _take(attempt: CollectionAttempt, tried: Try, actor: Actor, at: datetime) -> None:
    collection = attempt.collection
    if collection.method in WITH_BALANCE and collection.customer.seller_id is not None:
        if not rooms.invoices.facts(invoice=collection.invoice).is_collectible:
            return
        key = f"{attempt.public_id}:balance"
        tried.balance_minor = rooms.invoices.from_balance(invoice=collection.invoice, actor=actor, at=at, key=key)
        tried.code = tried.code or "balance_short"


def _charge(attempt: CollectionAttempt, facts: InvoiceFacts, tried: Try, actor: Actor, at: datetime) -> None:
    collection = attempt.collection
    if collection.method not in WITH_CARD:
        tried.code = "balance_short"
        return
    if collection.card_stopped or not collection.customer.gateway_method:
        tried.code = "card_stopped" if collection.card_stopped else "no_card"
        return
    try:
        found = rooms.payments.charge(
            customer_id=collection.customer_id, amount_minor=facts.due_minor, currency=facts.currency, invoice=collection.invoice,
            off_session=True, actor=actor, at=at, key=attempt.public_id,
        )  # fmt: skip
    except Refusal as refusal:
        tried.code = refusal.code
        return
    tried.payment, tried.code = found.payment, found.code
    tried.state = _STATES.get(found.status, AttemptState.PENDING)
    if tried.state == AttemptState.SUCCEEDED:
        tried.card_minor = facts.due_minor


@transaction.atomic
def _record(attempt_id: int, tried: Try, actor: Actor, at: datetime) -> str:
    found = CollectionAttempt.objects.select_related("collection").get(pk=attempt_id)
    lock_customer(found.collection.customer_id)
    attempt = CollectionAttempt.objects.select_for_update(of=("self",)).get(pk=attempt_id)
    if attempt.status != AttemptState.RUNNING:  # somebody else took it up and was faster; both did the same, by the same keys
        return str(attempt.status)
    attempt.balance_minor, attempt.card_minor = tried.balance_minor, tried.card_minor
    attempt.payment, attempt.code = tried.payment, tried.code[:60]
    attempt.save(update_fields=["balance_minor", "card_minor", "payment", "code"])
    conclude(attempt, tried.state, actor, at)
    return str(tried.state)


def conclude(attempt: CollectionAttempt, state: str, actor: Actor, at: datetime) -> None:
    """Write what became of an attempt, and what follows for its collection; the caller holds the customer's lock.

    Tells `collection.settled`, `collection.failed`, `collection.exhausted`.
    """
    collection = (
        Collection.objects.select_for_update(no_key=True, of=("self",)).select_related("policy").get(pk=attempt.collection_id)
    )
    facts = rooms.invoices.facts(invoice=collection.invoice)
    code = attempt.code if state != AttemptState.SUCCEEDED else ""
    if attempt.code and state == AttemptState.SUCCEEDED:
        attempt.code = ""
    attempt.ended_at = at if state in (AttemptState.SUCCEEDED, AttemptState.FAILED) else None
    attempt.save(update_fields=["code", "ended_at"])
    transition(ATTEMPT, attempt, state, actor=actor, at=at, code=code)
    collection.collected_minor = (
        max(0, collection.amount_minor - facts.due_minor) if facts.status in ("open", "paid") else collection.collected_minor
    )
    collection.save(update_fields=["collected_minor"])
    if facts.is_paid:
        settle(collection_ids=[collection.pk], actor=actor, at=at)
    elif state in (AttemptState.FAILED, AttemptState.NEEDS_ACTION) and collection.status in LIVE:
        _failed(collection, attempt, state, actor, at)


def _failed(collection: Collection, attempt: CollectionAttempt, state: str, actor: Actor, at: datetime) -> None:
    # a gateway's code may name the family first: card_declined/stolen_card
    hard = bool({attempt.code, attempt.code.rpartition("/")[2]} & set(collection.policy.hard_declines))
    if hard and not collection.card_stopped:
        collection.card_stopped = True
        collection.save(update_fields=["card_stopped"])
    hopeless = collection.card_stopped and collection.method == CollectionPolicy.CARD_ONLY
    told = {"invoice": collection.invoice, "origin": collection.origin, "code": attempt.code}
    if collection.failed_at is None:
        collection.failed_at = at
        collection.save(update_fields=["failed_at"])
        if collection.trigger == Trigger.CYCLE and not hopeless:
            plan_attempts(collection, Trigger.DUNNING, dunning_moments(collection, at), actor, at)
        tell("collection.failed", subject=collection.public_id, payload=told, at=at)
        outcome_told.ask(collection=collection, outcome="failed", actor=actor, at=at)
    elif hopeless:
        close_planned(Collection.objects.filter(pk=collection.pk), actor, at, "The card was declined for good.")
    if state == AttemptState.FAILED and not collection.attempts.filter(status=AttemptState.PLANNED).exists():
        exhaust(collection, told, actor, at)


def exhaust(collection: Collection, told: dict[str, Any], actor: Actor, at: datetime) -> None:
    """Say that every planned attempt failed; what follows is the policy's final action, done by who hears it."""
    collection.refresh_from_db(fields=["status"])  # who heard of the failure may have stopped it
    if collection.status != CollectionState.OPEN:
        return
    transition(COLLECTION, collection, CollectionState.EXHAUSTED, actor=actor, at=at)
    tell("collection.exhausted", subject=collection.public_id, payload=told, at=at)
    outcome_told.ask(collection=collection, outcome="exhausted", actor=actor, at=at)


def dunning_moments(collection: Collection, failed_at: datetime) -> list[datetime]:
    """Return when dunning tries again: the policy's days, each counted from the attempt before, as many as the budget has."""
    moments, moment = [], failed_at
    for days in collection.policy.days_between[: int(collection.policy.budgets.get("dunning", 0))]:
        moment += timedelta(days=days)
        moments.append(moment)
    return moments


@composable
def take_from_balance_now(*, collection_id: int, trigger: str, actor: Actor, at: datetime) -> int:
    """Take what the seller's balance has towards one collection, as an attempt of its own; composable, no card.

    Nothing happens where the policy knows no balance, something is on its way, or the balance has nothing. Returns what was taken.
    """
    found = Collection.objects.select_related("customer").get(pk=collection_id)
    if found.customer.seller_id is None or found.method not in WITH_BALANCE:
        return 0
    lock_seller(found.customer.seller_id)
    customer = lock_customer(found.customer_id)
    at = time_of(customer, at)
    collection = Collection.objects.select_for_update(no_key=True).get(pk=collection_id)
    if collection.status not in LIVE or collection.attempts.exclude(status__in=[AttemptState.PLANNED, *_ENDED]).exists():
        return 0
    number = collection.attempts.count() + 1
    # a key of its own each time: an earlier look that found an empty balance is no answer to this one
    key = f"{collection.public_id}:{new_id('cat')}:balance"
    taken = rooms.invoices.from_balance(invoice=collection.invoice, actor=actor, at=at, key=key)
    if taken:
        plan_attempts(collection, trigger, [at], actor, at)
        attempt = collection.attempts.get(number=number)
        transition(ATTEMPT, attempt, AttemptState.RUNNING, actor=actor, at=at)
        attempt.balance_minor, attempt.started_at = taken, at
        attempt.save(update_fields=["balance_minor", "started_at"])
        # a part is a success of this attempt: it asked for what there was
        conclude(attempt, AttemptState.SUCCEEDED, actor, at)
    return taken


_ENDED = (AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CLOSED)
