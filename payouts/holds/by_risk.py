"""A reserve that a seller's risk asks for: made when the rating says so. Ending one is a person's decision."""

from __future__ import annotations

from backoffice.kit.actors import system
from backoffice.kit.outbox import Event
from payouts.holds.models import PlanKind, ReservePlan
from payouts.holds.plans import create_reserve_plan
from payouts.holds.states import PlanState
from payouts.sellers.models import Seller


def keep_reserve(event: Event) -> None:
    """Consume `seller.risk_rated`: make the rolling reserve of its level, unless the seller has one of whatever share already."""
    share, days = event.payload["reserve_basis_points"], event.payload["reserve_days"]
    seller = Seller.objects.get(public_id=event.subject)
    here = ReservePlan.objects.filter(
        seller=seller, currency=seller.currency, kind=PlanKind.ROLLING, state=PlanState.ACTIVE
    ).exists()
    if share and not here:
        create_reserve_plan(
            seller_id=seller.pk, currency=seller.currency, kind=PlanKind.ROLLING, basis_points=share, days=days,
            reason=f"Risk level {event.payload['level']}.", seller_text="We keep a share of new sales for some days.",
            actor=system("risk_rating"), key=event.public_id, at=event.occurred_at,
        )  # fmt: skip
