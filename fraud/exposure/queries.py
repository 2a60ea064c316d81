"""Questions about exposure: the last night, totals by night, and one seller's nights."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.db.models import Max

from fraud.exposure.models import ExposureNight, ExposureSnapshot
from payouts.sellers.models import Seller

NIGHTS = 60


def last_night() -> date | None:
    """Return the day of the newest snapshot."""
    return ExposureSnapshot.objects.aggregate(on=Max("on"))["on"]


def currencies(on: date) -> list[str]:
    """Return the currencies of a night, the one with most sellers first."""
    return list(ExposureNight.objects.filter(on=on).order_by("-sellers", "currency").values_list("currency", flat=True))


def totals(currency: str, until: date) -> list[dict[str, Any]]:
    """Return one row a night, oldest first: exposure and what it consists of, and how many sellers are at warn and critical."""
    rows = ExposureNight.objects.filter(currency=currency, on__gt=until - timedelta(days=NIGHTS), on__lte=until).order_by("on")
    return [
        {"on": row.on, "exposure": row.exposure_minor, "unsettled": row.unsettled_minor, "disputed": row.disputed_minor, "debt": row.debt_minor,
         "advance": row.advance_minor, "reserved": row.reserved_minor, "warn": row.warn, "critical": row.critical}
        for row in rows
    ]  # fmt: skip


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
