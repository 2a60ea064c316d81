"""What can be subscribed to, as partners see it: plans and the prices offered."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from backoffice.kit.api.answers import instant
from backoffice.kit.api.fields import Currency, ObjectOut, Text
from backoffice.kit.api.lists import Filter, Page
from backoffice.kit.api.views import ApiView, listing, question
from backoffice.kit.errors import NotFound
from billing.plans.models import CollectionPolicy, Plan, Price
from billing.plans.periods import Interval
from billing.plans.rating import MEASURES, SCHEMES
from billing.plans.states import Offer


class TierOut(serializers.Serializer[Any]):
    """Up to this quantity (null: without end), so much a piece, and so much for reaching the tier; minor units."""

    up_to = serializers.IntegerField(allow_null=True)
    unit_minor = serializers.IntegerField()
    flat_minor = serializers.IntegerField()


class ComponentOut(serializers.Serializer[Any]):
    """One part of a price. What is measured by sales is billed behind the period, the rest before it."""

    code = serializers.CharField()
    text = serializers.CharField()
    measure = serializers.ChoiceField(MEASURES)
    scheme = serializers.ChoiceField(SCHEMES)
    unit_minor = serializers.IntegerField()
    included = serializers.IntegerField()
    basis_points = serializers.IntegerField()
    tiers = TierOut(many=True)


class PriceOut(ObjectOut):
    """One version of what a plan costs in one currency and rhythm; it never changes."""

    currency = serializers.CharField()
    interval = serializers.ChoiceField(Interval.choices)
    interval_count = serializers.IntegerField()
    version = serializers.IntegerField()
    components = ComponentOut(many=True)


class PlanOut(ObjectOut):
    """A plan with the prices offered now."""

    code = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    collection = serializers.ChoiceField(CollectionPolicy.choices)
    prices = PriceOut(many=True)


PRICE_EXAMPLE = {
    "id": "prc_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "price",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "currency": "EUR",
    "interval": "month",
    "interval_count": 1,
    "version": 1,
    "components": [
        {
            "code": "base",
            "text": "Base fee",
            "measure": "one",
            "scheme": "unit",
            "unit_minor": 2900,
            "included": 0,
            "basis_points": 0,
            "tiers": [],
        }
    ],
}
EXAMPLE = {
    "id": "pln_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "plan",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "code": "pro",
    "name": "Pro",
    "description": "For shops with more than one person.",
    "collection": "balance_then_card",
    "prices": [PRICE_EXAMPLE],
}
FILTERS = [
    Filter("code", "code", Text(max_length=40)),
    Filter("currency", "prices__currency", Currency(), "with a price in it"),
]
COLUMNS = ("id", "public_id", "code", "name", "description", "collection", "created_at")


def represent(row: tuple[Any, ...], prices: list[Price], livemode: bool) -> dict[str, Any]:
    _, public_id, code, name, description, collection, created_at = row
    return {
        "id": public_id,
        "object": "plan",
        "created_at": instant(created_at),
        "livemode": livemode,
        "code": code,
        "name": name,
        "description": description,
        "collection": collection,
        "prices": [represent_price(price, livemode) for price in prices],
    }


def represent_price(price: Price, livemode: bool) -> dict[str, Any]:
    return {
        "id": price.public_id,
        "object": "price",
        "created_at": instant(price.created_at),
        "livemode": livemode,
        "currency": price.currency,
        "interval": price.interval,
        "interval_count": price.interval_count,
        "version": price.version,
        "components": price.components,
    }


def _prices(plan_ids: list[int]) -> dict[int, list[Price]]:
    found: dict[int, list[Price]] = {}
    for price in Price.objects.filter(plan_id__in=plan_ids, status=Offer.OFFERED).order_by("id"):
        found.setdefault(price.plan_id, []).append(price)
    return found


class Plans(ApiView):
    """What is offered."""

    @listing(operation="list_plans", scope="plans:read", answers=PlanOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List the plans offered, newest first, with their current prices."""
        plans = Plan.objects.filter(status=Offer.OFFERED)
        if "prices__currency" in page.narrowed:
            wanted = Price.objects.filter(currency=page.narrowed.pop("prices__currency"), status=Offer.OFFERED)
            plans = plans.filter(pk__in=wanted.values("plan_id"))
        answer = page.of(plans, COLUMNS, lambda row: {"row": row})
        rows = [one["row"] for one in answer["data"]]
        prices = _prices([row[0] for row in rows])
        return answer | {"data": [represent(row, prices.get(row[0], []), request.user.livemode) for row in rows]}


class OnePlan(ApiView):
    """One plan."""

    @question(operation="get_plan", scope="plans:read", answers=PlanOut, example=EXAMPLE)
    def get(self, request: Any, plan_id: str) -> dict[str, Any]:
        """Read one plan, also one that is not offered any more."""
        row = Plan.objects.filter(public_id=plan_id).values_list(*COLUMNS).first()
        if row is None:
            raise NotFound(what="plan", ref=plan_id)
        return represent(row, _prices([row[0]]).get(row[0], []), request.user.livemode)
