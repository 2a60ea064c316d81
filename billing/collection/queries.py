"""Questions about collecting: whose brakes are on, what is due, what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from backoffice.kit.errors import NotFound
from billing.collection.models import BillingBrake, BrakeScope, Collection, CollectionAttempt, DunningPolicy
from billing.collection.states import ON_THE_WAY, AttemptState, CollectionState, PolicyState
from billing.customers.models import Customer

LIVE = (CollectionState.OPEN, CollectionState.EXHAUSTED)


def policy_in_force(code: str) -> DunningPolicy:
    """Return the version of a dunning policy that counts now. Refuses: NotFound."""
    policy = DunningPolicy.objects.filter(code=code, status=PolicyState.IN_FORCE).first()
    if policy is None:
        raise NotFound(what="dunning policy in force", ref=code)
    return policy


def braked(scope: str, customer_ids: Iterable[int]) -> set[int | None]:
    """Return which of these customers (None: everybody) a brake of this scope stops."""
    rows = BillingBrake.objects.filter(lifted_at__isnull=True, scope__in=[scope, BrakeScope.ALL])
    return set(rows.filter(Q(customer__isnull=True) | Q(customer_id__in=set(customer_ids))).values_list("customer_id", flat=True))


def _brakes(customer_ref: str) -> Exists:
    scopes = [BrakeScope.COLLECTING, BrakeScope.ALL]
    mine = Q(customer__isnull=True) | Q(customer_id=OuterRef(customer_ref))
    return Exists(BillingBrake.objects.filter(mine, lifted_at__isnull=True, scope__in=scopes))


def due_attempts(at: datetime, customer: Customer | None = None) -> QuerySet[CollectionAttempt]:
    """Return attempts to be made now, the oldest first: planned, due, nothing on its way for the same invoice, no brake.

    Without a customer, of everybody whose time is real; with one, of him.
    """
    rows = CollectionAttempt.objects.filter(status=AttemptState.PLANNED, planned_at__lte=at, collection__status__in=LIVE)
    whose = Q(collection__customer__clock_at__isnull=True) if customer is None else Q(collection__customer=customer)
    rival = CollectionAttempt.objects.filter(collection_id=OuterRef("collection_id"), status__in=ON_THE_WAY)
    return rows.filter(whose).exclude(Exists(rival)).exclude(_brakes("collection__customer_id")).order_by("planned_at", "id")


def is_settled(origin: str) -> bool:
    """Tell whether nothing of an origin is still to be paid."""
    return not Collection.objects.filter(origin=origin, status__in=LIVE).exists()
