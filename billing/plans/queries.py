"""Questions about the catalogue."""

from __future__ import annotations

from backoffice.kit.errors import NotFound
from billing.plans.models import Price


def find_price(public_id: str) -> Price:
    """Return a price with its plan. Refuses: NotFound."""
    price = Price.objects.select_related("plan").filter(public_id=public_id).first()
    if price is None:
        raise NotFound(what="price", ref=public_id[:60])
    return price


def recurring_minor(price: Price, seats: int) -> int:
    """Return what a full period costs before usage, coupons and tax."""
    return sum(part.amount_minor(seats if part.measure == "seats" else 1) for part in price.parts if not part.metered)
