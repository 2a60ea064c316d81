"""Questions about exposure: the last night, totals by night, and one seller's nights."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Max, Q, Sum

from fraud.exposure.models import ExposureSnapshot, Level
from payouts.sellers.models import Seller

NIGHTS = 60


def last_night() -> date | None:
    """Return the day of the newest snapshot."""
    return ExposureSnapshot.objects.aggregate(on=Max("on"))["on"]


def currencies(on: date) -> list[str]:
    """Return the currencies of a night, the one with most sellers first."""
    rows = (
        ExposureSnapshot.objects.filter(on=on).values_list("currency").annotate(count=Count("pk")).order_by("-count", "currency")
    )
    return [currency for currency, _ in rows]


def totals(currency: str, until: date) -> list[dict[str, Any]]:
    """Return one row a night, oldest first: exposure and what it consists of, and how many sellers are at warn and critical."""
    rows = ExposureSnapshot.objects.filter(currency=currency, on__gt=until - timedelta(days=NIGHTS), on__lte=until)
    found = rows.values("on").annotate(
        exposure=Sum("exposure_minor"), unsettled=Sum("unsettled_minor"), disputed=Sum("disputed_minor"), debt=Sum("debt_minor"),
        advance=Sum("advance_minor"), reserved=Sum("reserved_minor"), warn=Count("pk", filter=Q(level=Level.WARN)),
        critical=Count("pk", filter=Q(level=Level.CRITICAL)),
    )  # fmt: skip
    return [dict(row) for row in found.order_by("on")]


def largest(currency: str, on: date, limit: int = 20) -> list[ExposureSnapshot]:
    """Return the sellers with the largest exposure of a night."""
    rows = ExposureSnapshot.objects.filter(on=on, currency=currency).select_related("seller")
    return list(rows.order_by("-exposure_minor", "pk")[:limit])


def nights_of(seller: Seller, currency: str | None = None) -> list[ExposureSnapshot]:
    """Return a seller's nights of the last two months, oldest first."""
    rows = ExposureSnapshot.objects.filter(seller=seller)
    if currency:
        rows = rows.filter(currency=currency)
    return list(rows.order_by("-on", "currency")[: NIGHTS * 2])[::-1]


def exposure_now(seller: Seller) -> list[ExposureSnapshot]:
    """Return a seller's newest snapshot in each currency."""
    return list(ExposureSnapshot.objects.filter(seller=seller).order_by("currency", "-on").distinct("currency"))
