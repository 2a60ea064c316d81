"""Questions about what is held: what nobody looked at in time, and what cannot end by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from payouts.earnings.models import Earning, EarningKind
from payouts.holds.models import Hold, HoldKind
from payouts.holds.states import HoldState

# A seller without a sale for so long has a ratio that stands still.
QUIET = timedelta(days=30)


def past_date(at: datetime) -> QuerySet[Hold]:
    """Return live holds whose day to look at them is over, that belong to nobody, or that say in no way when they end.

    Reserves of a plan end by the plan's days.
    """
    endless = Q(review_on__isnull=True, release_at__isnull=True, release_condition="")
    late = Q(review_on__lt=at.date()) | Q(owner="") | endless
    return Hold.objects.filter(late, state=HoldState.ACTIVE).exclude(kind=HoldKind.RESERVE)


def frozen(at: datetime) -> QuerySet[Hold]:
    """Return live holds that wait for a ratio of a seller who sells nothing any more."""
    sold = Earning.objects.filter(
        seller=OuterRef("seller"), kind=EarningKind.SALE, occurred_at__gt=at - QUIET, occurred_at__lte=at
    )
    return Hold.objects.filter(~Exists(sold), state=HoldState.ACTIVE, release_condition__startswith="refunds_below:")
