"""What the API says and takes about subscriptions: fields, their rules, and examples."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from backoffice.kit.api.answers import money
from backoffice.kit.api.fields import MoneyOut, ObjectOut, PublicId, StrictSerializer, Text, WholeNumber
from billing.plans.models import CollectionPolicy
from billing.plans.periods import Anchor
from billing.subscriptions.models import Proration, TrialEnd
from billing.subscriptions.states import AdvanceState, ChangeState, SubscriptionStatus


class SubscriptionOut(ObjectOut):
    """A customer on a price. Flags stand apart from the status."""

    customer = serializers.CharField()
    plan = serializers.CharField()
    price = serializers.CharField()
    seats = serializers.IntegerField()
    collection = serializers.ChoiceField(CollectionPolicy.choices)
    status = serializers.ChoiceField(SubscriptionStatus.choices)
    anchor = serializers.ChoiceField(Anchor.choices)
    anchor_at = serializers.DateTimeField()
    current_period_start = serializers.DateTimeField()
    current_period_end = serializers.DateTimeField()
    last_period = MoneyOut(help_text="What the last full period came to, net.")
    latest_invoice = serializers.CharField(allow_null=True)
    cancel_at_period_end = serializers.BooleanField()
    cancel_at = serializers.DateTimeField(allow_null=True)
    pause_at_period_end = serializers.BooleanField()
    resumes_at = serializers.DateTimeField(allow_null=True)
    collection_paused = serializers.BooleanField()
    ended_at = serializers.DateTimeField(allow_null=True)


class SubscriptionIn(StrictSerializer):
    """Who subscribes to which price, and how it begins."""

    customer = PublicId("cus")
    price = PublicId("prc")
    seats = WholeNumber(required=False, default=1, min_value=1, max_value=1_000_000)
    anchor = serializers.ChoiceField(Anchor.choices, required=False)
    start_at = serializers.DateTimeField(required=False)
    trial_days = WholeNumber(required=False, min_value=0, max_value=366)
    trial_end = serializers.ChoiceField(TrialEnd.choices, required=False)
    coupon = Text(required=False, max_length=40)


class CouponIn(StrictSerializer):
    """The code of a coupon; it counts from the next invoice on."""

    coupon = Text(max_length=40)


class ChangeIn(StrictSerializer):
    """What is to change; `when` left out, more counts now and less from the next period on."""

    price = PublicId("prc", required=False)
    seats = WholeNumber(required=False, min_value=1, max_value=1_000_000)
    when = serializers.ChoiceField([("now", "now"), ("period_end", "at the end of the period")], required=False)
    proration = serializers.ChoiceField(Proration.choices, required=False)


class ChangeOut(ObjectOut):
    """A change: `applied`, or waiting for its payment or the end of the period."""

    subscription = serializers.CharField()
    price = serializers.CharField()
    seats = serializers.IntegerField()
    proration = serializers.ChoiceField(Proration.choices)
    status = serializers.ChoiceField(ChangeState.choices)
    invoice = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)


class PreviewLineOut(serializers.Serializer[Any]):
    """One line the change would put on an invoice, net."""

    description = serializers.CharField()
    amount = MoneyOut()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()


class PreviewOut(serializers.Serializer[Any]):
    """What a change would come to now; nothing is written. Below zero it is a credit for the next invoice."""

    object = serializers.CharField()
    subscription = serializers.CharField()
    livemode = serializers.BooleanField()
    at_period_end = serializers.BooleanField()
    proration = serializers.ChoiceField(Proration.choices)
    amount = MoneyOut()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    lines = PreviewLineOut(many=True)


class PauseIn(StrictSerializer):
    """When and why it pauses, and when it goes on by itself."""

    reason = Text(max_length=500)
    at_period_end = serializers.BooleanField(required=False)
    resumes_at = serializers.DateTimeField(required=False)


class ResumeIn(StrictSerializer):
    """Whether periods go on as before (`keep`) or begin anew now (`new`)."""

    anchor = serializers.ChoiceField([("keep", "as before"), ("new", "anew")], required=False)


class CancelIn(StrictSerializer):
    """When and why it ends; at the end of the period unless said otherwise."""

    reason = Text(max_length=500)
    at_period_end = serializers.BooleanField(required=False)
    cancel_at = serializers.DateTimeField(required=False)


class NothingIn(StrictSerializer):
    """An empty object."""


class AdvanceIn(StrictSerializer):
    """To which instant the customer's test clock goes."""

    to = serializers.DateTimeField()


class AdvanceOut(ObjectOut):
    """A walk of a test clock; done by the worker, boundary by boundary."""

    customer = serializers.CharField()
    to = serializers.DateTimeField()
    status = serializers.ChoiceField(AdvanceState.choices)
    stops = serializers.IntegerField()
    detail = serializers.CharField(allow_blank=True)
    finished_at = serializers.DateTimeField(allow_null=True)


EXAMPLE = {
    "id": "sub_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "subscription",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "customer": "cus_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "plan": "pln_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "price": "prc_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "seats": 3,
    "collection": "balance_then_card",
    "status": "active",
    "anchor": "anniversary",
    "anchor_at": "2026-11-21T09:30:00Z",
    "current_period_start": "2026-11-21T09:30:00Z",
    "current_period_end": "2026-12-21T09:30:00Z",
    "last_period": money(2900, "EUR"),
    "latest_invoice": "inv_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "cancel_at_period_end": False,
    "cancel_at": None,
    "pause_at_period_end": False,
    "resumes_at": None,
    "collection_paused": False,
    "ended_at": None,
}
CHANGE_EXAMPLE = {
    "id": "sch_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "subscription_change",
    "created_at": "2026-11-28T09:30:00Z",
    "livemode": False,
    "subscription": EXAMPLE["id"],
    "price": EXAMPLE["price"],
    "seats": 5,
    "proration": "invoice_now",
    "status": "awaiting_payment",
    "invoice": "inv_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "expires_at": "2026-11-29T08:30:00Z",
}
PREVIEW_EXAMPLE = {
    "object": "subscription_preview",
    "subscription": EXAMPLE["id"],
    "livemode": False,
    "at_period_end": False,
    "proration": "invoice_now",
    "amount": money(1550, "EUR"),
    "period_start": "2026-11-21T09:30:00Z",
    "period_end": "2026-12-21T09:30:00Z",
    "lines": [
        {
            "description": "Rest of the period: Pro: Seats (5 seats)",
            "amount": money(1550, "EUR"),
            "period_start": "2026-11-28T09:30:00Z",
            "period_end": "2026-12-21T09:30:00Z",
        }
    ],
}
ADVANCE_EXAMPLE = {
    "id": "clk_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "clock_advance",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "customer": EXAMPLE["customer"],
    "to": "2027-01-21T09:30:00Z",
    "status": "requested",
    "stops": 0,
    "detail": "",
    "finished_at": None,
}
