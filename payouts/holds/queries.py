"""Questions about holds: what keeps a seller's money, and what waits for a review."""

from __future__ import annotations

from datetime import date

from django.db.models import QuerySet, Sum

from payouts.holds.models import Hold, HoldKind, ReservePlan
from payouts.holds.states import HoldState, PlanState


def live_holds(seller_id: int, currency: str | None = None) -> QuerySet[Hold]:
    """Return the holds, reserves and pauses of a seller that are in force, the oldest first; pauses count for every currency."""
    rows = Hold.objects.filter(seller_id=seller_id, state=HoldState.ACTIVE).order_by("pk")
    return rows.filter(currency__in=["", currency]) if currency else rows


def kept_minor(seller_id: int, currency: str) -> int:
    """Return the minor units live holds and reserves keep; the same as the ledger's seller.reserved (truth 5)."""
    return int(live_holds(seller_id).filter(currency=currency).aggregate(total=Sum("remaining_minor"))["total"] or 0)


def is_paused(seller_id: int) -> bool:
    return Hold.objects.filter(seller_id=seller_id, kind=HoldKind.PAUSE, state=HoldState.ACTIVE).exists()


def to_review(on: date) -> QuerySet[Hold]:
    """Return the live holds whose review day has come, the longest overdue first."""
    return Hold.objects.filter(state=HoldState.ACTIVE, review_on__lte=on).order_by("review_on", "pk")


def active_plans(seller_id: int) -> QuerySet[ReservePlan]:
    return ReservePlan.objects.filter(seller_id=seller_id, state=PlanState.ACTIVE).order_by("pk")
