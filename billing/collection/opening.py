"""Begin and end the collecting of invoices: composable, no network. The attempts themselves: attempting.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Max, QuerySet

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import born_set, transition, transition_set
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.collection.models import Collection, CollectionAttempt, DunningPolicy
from billing.collection.queries import LIVE, policy_in_force
from billing.collection.sockets import outcome_told
from billing.collection.states import ATTEMPT, COLLECTION, ON_THE_WAY, AttemptState, CollectionState, Trigger
from billing.customers.clock import lock_customer, time_of


@dataclass(frozen=True, slots=True)
class Claim:
    """An invoice to be collected: who owes it, for what, how it is collected and dunned."""

    customer_id: int
    invoice: str
    origin: str
    currency: str
    amount_minor: int
    method: str
    dunning: str


class CollectionEnded(Refusal):
    code = "collection_ended"
    sentence = "There is nothing to collect any more: it is {state}."


class AttemptOnItsWay(Refusal):
    code = "attempt_on_its_way"
    sentence = "An attempt is {state}: money may be on its way. Look at its payment; another attempt would perhaps charge twice."


class BudgetSpent(Refusal):
    code = "budget_spent"
    sentence = (
        "This invoice was tried {count} times on the customer's own wish, and that is all the policy allows. Staff can still try."
    )


_OPEN = """
    INSERT INTO billing_collection (public_id, customer_id, invoice, origin, currency, amount_minor, collected_minor, method, trigger, policy_id,
                                    card_stopped, status, opened_at)
    SELECT kit_typeid('col'), u.customer, u.invoice, u.origin, u.currency, u.amount, 0, u.method, %(trigger)s, u.policy, false, 'open', %(at)s
      FROM unnest(%(customers)s::bigint[], %(invoices)s::text[], %(origins)s::text[], %(currencies)s::text[], %(amounts)s::bigint[],
                  %(methods)s::text[], %(policies)s::bigint[])
           WITH ORDINALITY AS u(customer, invoice, origin, currency, amount, method, policy, place)
     ORDER BY u.place RETURNING id"""
_FIRST_ATTEMPTS = """
    INSERT INTO billing_collectionattempt (public_id, collection_id, number, trigger, planned_at, status, balance_minor, card_minor, payment, code)
    SELECT kit_typeid('cat'), c.id, 1, %(trigger)s, %(at)s, 'planned', 0, 0, '', '' FROM unnest(%(ids)s::bigint[]) AS c(id) ORDER BY c.id
    RETURNING id"""


@composable
def open_collections(*, claims: Sequence[Claim], trigger: str, actor: Actor, at: datetime) -> list[Collection]:
    """Begin to collect invoices, with the first attempt of each planned at once; a set costs a handful of statements.

    The caller holds the customers' locks. Refuses: NotFound (a dunning policy without a version in force).
    """
    if not claims:
        return []
    policies = {code: policy_in_force(code).pk for code in {one.dunning for one in claims}}
    columns: dict[str, Any] = {
        "customers": [one.customer_id for one in claims], "invoices": [one.invoice for one in claims],
        "origins": [one.origin for one in claims], "currencies": [one.currency for one in claims],
        "amounts": [one.amount_minor for one in claims], "methods": [str(one.method) for one in claims],
        "policies": [policies[one.dunning] for one in claims],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, {**columns, "trigger": str(trigger), "at": at})
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute(_FIRST_ATTEMPTS, {"ids": ids, "trigger": str(trigger), "at": at})
        attempts = [row[0] for row in cursor.fetchall()]
    _born(COLLECTION, ids, actor, at)
    _born(ATTEMPT, attempts, actor, at)
    return list(Collection.objects.filter(pk__in=ids).order_by("pk"))


def _born(of: Any, ids: list[int], actor: Actor, at: datetime) -> None:
    born_set(of, "SELECT unnest(%(ids)s::bigint[])", {"ids": ids}, actor=actor, at=at)


def plan_attempts(collection: Collection, trigger: str, moments: Sequence[datetime], actor: Actor, at: datetime) -> None:
    """Write attempts of one collection, numbered on."""
    last = collection.attempts.aggregate(last=Max("number"))["last"] or 0
    made = CollectionAttempt.objects.bulk_create(
        CollectionAttempt(collection=collection, number=last + place, trigger=trigger, planned_at=moment)
        for place, moment in enumerate(moments, 1)
    )
    _born(ATTEMPT, [one.pk for one in made], actor, at)


@composable
def stop_collections(*, actor: Actor, at: datetime, reason: str, origin: str = "", invoice: str = "") -> int:
    """Stop collecting for an origin or of one invoice, and close what is planned, in the caller's transaction; return how many were stopped.

    What is on its way cannot be called back: when it succeeds, the money is applied, and the collection settles. The caller holds the
    customer's lock.
    """
    rows = Collection.objects.filter(**({"origin": origin} if origin else {"invoice": invoice}), status__in=LIVE)
    ids = list(rows.order_by("pk").values_list("pk", flat=True))
    close_planned(Collection.objects.filter(pk__in=ids), actor, at, reason)
    stopped = transition_set(
        COLLECTION, "SELECT unnest(%(ids)s::bigint[]) AS id", {"ids": ids}, CollectionState.STOPPED,
        actor=actor, at=at, reason=reason, also={"ended_at": at},
    )  # fmt: skip
    for row in Collection.objects.filter(pk__in=ids).order_by("pk"):
        tell("collection.stopped", subject=row.public_id, payload={"invoice": row.invoice, "reason": reason}, at=at)
    return stopped


def close_planned(collections: QuerySet[Collection], actor: Actor, at: datetime, reason: str) -> int:
    """Close attempts that are planned and now never made."""
    return transition_set(
        ATTEMPT,
        "SELECT a.id FROM billing_collectionattempt a WHERE a.collection_id = ANY(%(ids)s::bigint[]) AND a.status = 'planned' ORDER BY a.id FOR UPDATE",
        {"ids": list(collections.values_list("pk", flat=True))},
        AttemptState.CLOSED,
        actor=actor,
        at=at,
        reason=reason,
        also={"ended_at": at},
    )


@composable
def resume_collections(*, origin: str, actor: Actor, at: datetime, reason: str) -> int:
    """Collect again what was stopped for an origin, with one attempt each now; return how many."""
    rows = Collection.objects.select_for_update(no_key=True).filter(origin=origin, status=CollectionState.STOPPED)
    due = [row for row in rows.order_by("pk") if row.due_minor > 0]
    for row in due:
        _reopen(row, Trigger.CUSTOMER, actor, at, reason)
    return len(due)


@composable
def retry_collection(*, collection_id: int, actor: Actor, at: datetime, reason: str, trigger: str = Trigger.STAFF) -> Collection:
    """Plan an attempt now, outside every budget; a new card (`method_update`) lifts the stop a hard decline put on the old one.

    Refuses: NotFound, CollectionEnded, AttemptOnItsWay, BudgetSpent.
    """
    found = Collection.objects.filter(pk=collection_id).first()
    if found is None:
        raise NotFound(what="collection", ref=collection_id)
    customer = lock_customer(found.customer_id)
    at = time_of(customer, at)
    row = Collection.objects.select_for_update(no_key=True).get(pk=collection_id)
    if row.status == CollectionState.SETTLED:
        raise CollectionEnded(state=row.get_status_display())
    rival = row.attempts.filter(status__in=ON_THE_WAY).first()
    if rival is not None:
        raise AttemptOnItsWay(state=rival.get_status_display())
    budget = DunningPolicy.objects.values_list("budgets", flat=True).get(pk=row.policy_id).get(trigger)
    used = row.attempts.filter(trigger=trigger).count()
    if budget is not None and used >= budget:
        raise BudgetSpent(count=used)
    _reopen(row, trigger, actor, at, reason)
    if trigger == Trigger.METHOD and row.card_stopped:
        row.card_stopped = False
        row.save(update_fields=["card_stopped"])
    audit.record(actor, "collection.retry", row.public_id, at, reason=reason, facts={"trigger": trigger})
    return row


def _reopen(row: Collection, trigger: str, actor: Actor, at: datetime, reason: str) -> None:
    if row.status != CollectionState.OPEN:
        transition(COLLECTION, row, CollectionState.OPEN, actor=actor, at=at, reason=reason)
        row.ended_at = None
        row.save(update_fields=["ended_at"])
    plan_attempts(row, trigger, [at], actor, at)


@composable
def settle(*, collection_ids: Iterable[int], actor: Actor, at: datetime, reason: str = "") -> int:
    """End the collecting of paid invoices: close what is planned, tell who asked. The caller holds the customers' locks."""
    rows = (
        Collection.objects.select_for_update(no_key=True)
        .filter(pk__in=list(collection_ids))
        .exclude(status=CollectionState.SETTLED)
    )
    settled = list(rows.order_by("pk"))
    close_planned(Collection.objects.filter(pk__in=[row.pk for row in settled]), actor, at, "The invoice is paid.")
    for row in settled:
        transition(COLLECTION, row, CollectionState.SETTLED, actor=actor, at=at, reason=reason)
        row.ended_at, row.collected_minor = at, row.amount_minor
        row.save(update_fields=["ended_at", "collected_minor"])
        tell("collection.settled", subject=row.public_id, payload={"invoice": row.invoice, "origin": row.origin}, at=at)
        outcome_told.ask(collection=row, outcome="settled", actor=actor, at=at)
    return len(settled)


def next_attempt_at(customer_id: int) -> datetime | None:
    """Return when the next planned attempt of a customer is due."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT min(a.planned_at) FROM billing_collectionattempt a JOIN billing_collection c ON c.id = a.collection_id
                WHERE c.customer_id = %s AND a.status = 'planned' AND c.status IN ('open', 'exhausted')
                  AND NOT EXISTS (SELECT 1 FROM billing_collectionattempt r WHERE r.collection_id = c.id
                                     AND r.status IN ('running', 'needs_action', 'pending', 'unknown'))""",
            [customer_id],
        )
        return cursor.fetchone()[0]
