"""One leap of the clock or many: the same books."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing.collection.models import CollectionAttempt
from billing.plans.operations import create_coupon
from billing.subscriptions.models import PendingLine, RenewalItem, Subscription
from billing.subscriptions.operations import advance, cancel_subscription, change_subscription, pause_subscription
from tests.factories.subscriptions import AT, ROBOT, Till, make_customer, make_price, subscribe, till_in_place

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
CARD = st.sampled_from(
    [("succeeded", ""), ("requires_payment_method", "insufficient_funds"), ("requires_payment_method", "stolen_card")]
)
INTERVALS = st.sampled_from([("month", 1), ("week", 3), ("day", 20)])


def books(till: Till) -> dict[str, Any]:
    """Return all that is left behind, without ids."""
    order = {name: number for number, name in enumerate(till.invoices)}
    subscriptions = Subscription.objects.values_list(
        "status", "current_period_start", "current_period_end", "next_at", "last_minor", "seats", "ended_at", "usage_since"
    )
    attempts = CollectionAttempt.objects.order_by("planned_at", "collection__opened_at", "number").values_list(
        "collection__invoice", "trigger", "planned_at", "status", "balance_minor", "card_minor", "code", "ended_at"
    )
    return {
        "invoices": [(one.draft.lines, one.status, one.paid, one.at) for one in till.of],
        "subscriptions": list(subscriptions),
        "attempts": [(order[row[0]], *row[1:]) for row in attempts],
        "waiting": list(PendingLine.objects.order_by("id").values_list("amount_minor", "invoiced_at")),
        "items": list(RenewalItem.objects.order_by("period_start").values_list("period_start", "status", "what", "amount_minor")),
    }


def live(stops: list[datetime], wishes: dict[str, Any]) -> dict[str, Any]:
    """Live one customer's year through these stops, from the same beginning, and undo it."""
    with till_in_place() as till, transaction.atomic():
        transaction.get_connection().atomic_blocks[-1]._from_testcase = True
        till.answers = list(wishes["answers"])
        customer = make_customer(clock_at=AT)
        price = make_price(
            [{"code": "seat", "measure": "seats", "unit_minor": 3_100}],
            interval=wishes["interval"][0],
            interval_count=wishes["interval"][1],
        )
        create_coupon(code="TWICE", duration="repeating", invoices=2, basis_points=3_333, actor=ROBOT, at=AT)
        row = subscribe(customer, price, seats=3, trial_days=wishes["trial"], anchor=wishes["anchor"], coupon="TWICE")
        if wishes["then"] == "less" and row.status == "trialing":
            change_subscription(subscription_id=row.pk, seats=1, when="period_end", key="c", actor=ROBOT, at=AT)
        elif wishes["then"] == "pause" and row.status == "trialing":
            pause_subscription(
                subscription_id=row.pk, at_period_end=True, resumes_at=AT + 50 * DAY, reason="r", actor=ROBOT, at=AT
            )
        elif wishes["then"] == "cancel":
            cancel_subscription(subscription_id=row.pk, cancel_at=AT + 47 * DAY, reason="r", actor=ROBOT, at=AT)
        for stop in stops:
            advance(customer_id=customer.pk, to=stop, actor=ROBOT, at=AT)
        found = books(till)
        transaction.set_rollback(True)
    return found


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    days=st.lists(st.integers(0, 69), max_size=4),
    answers=st.lists(CARD, max_size=5),
    interval=INTERVALS,
    trial=st.sampled_from([0, 10]),
    anchor=st.sampled_from(["anniversary", "calendar"]),
    then=st.sampled_from(["", "less", "pause", "cancel"]),
)
def test_one_leap_and_many_leave_the_same_books(days, answers, interval, trial, anchor, then):
    wishes = {"answers": answers, "interval": interval, "trial": trial, "anchor": anchor, "then": then}
    end = AT + 70 * DAY
    assert live([end], wishes) == live([*sorted(AT + day * DAY for day in days), end], wishes)
