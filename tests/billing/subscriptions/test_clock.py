"""One leap of the clock or many: the same books, with real invoices, a real ledger and a card that answers as it is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from backoffice.kit.invariants import check_books
from billing.collection.models import Collection, CollectionAttempt
from billing.gateways.models import FakeObject
from billing.invoices.models import Invoice
from billing.plans.operations import create_coupon
from billing.subscriptions.models import PendingLine, RenewalItem, Subscription
from billing.subscriptions.operations import advance, cancel_subscription, change_subscription, pause_subscription
from tests.factories.partners import make_partner
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller
from tests.factories.subscriptions import AT, ROBOT, claims_in_place, make_customer, make_plan, make_price, subscribe

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
END = AT + 70 * DAY
CARDS = st.sampled_from(["fake_ok", "fake_declined", "fake_stolen", ""])
INTERVALS = st.sampled_from([("month", 1), ("week", 3), ("day", 20)])
_LEDGER = """
    SELECT a.code, a.currency, p.template, p.recorded_at, e.amount_minor FROM payouts_entry e JOIN payouts_posting p ON p.id = e.posting_id
      JOIN payouts_account a ON a.id = e.account_id WHERE p.template <> 'adjustment' ORDER BY 4, 3, 1, 5"""


def books() -> dict[str, Any]:
    """Return all that is left behind, without ids."""
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER)
        ledger = cursor.fetchall()
    invoices = Invoice.objects.order_by("number").values_list(
        "number", "status", "issued_on", "due_on", "total_minor", "tax_minor", "paid_minor", "given_up_minor", "period_start"
    )
    subscriptions = Subscription.objects.values_list(
        "status", "current_period_start", "current_period_end", "next_at", "last_minor", "seats", "ended_at", "usage_since"
    )
    numbers = dict(Invoice.objects.values_list("public_id", "number"))
    attempts = CollectionAttempt.objects.order_by("planned_at", "collection__opened_at", "number").values_list(
        "collection__invoice", "trigger", "planned_at", "status", "balance_minor", "card_minor", "code", "ended_at"
    )
    return {
        "ledger": ledger,
        "invoices": list(invoices),
        "subscriptions": list(subscriptions),
        "collections": list(Collection.objects.order_by("opened_at").values_list("status", "collected_minor", "failed_at", "ended_at")),
        "attempts": [(numbers[row[0]], *row[1:]) for row in attempts],
        "charges": list(FakeObject.objects.order_by("id").values_list("status", "amount_minor", "code")),
        "waiting": list(PendingLine.objects.order_by("id").values_list("amount_minor", "invoiced_at")),
        "items": list(RenewalItem.objects.order_by("period_start").values_list("period_start", "status", "what", "amount_minor")),
    }  # fmt: skip


def live(stops: list[datetime], wishes: dict[str, Any]) -> dict[str, Any]:
    """Live one customer's seventy days through these stops, from the same beginning, and undo it."""
    with claims_in_place(), transaction.atomic():
        connection.atomic_blocks[-1]._from_testcase = True
        partner = make_partner()
        seller = make_seller(partner_id=partner.pk) if wishes["money"] else None
        if seller is not None:
            give_money(seller, wishes["money"])
        customer = make_customer(partner=partner, seller=seller, clock_at=AT, gateway_method=wishes["card"])
        plan = make_plan(name="Plan", collection=wishes["collection"])
        interval, count = wishes["interval"]
        price = make_price(
            [{"code": "seat", "measure": "seats", "unit_minor": 3_100}], plan, interval=interval, interval_count=count
        )
        create_coupon(code="TWICE", duration="repeating", invoices=2, basis_points=3_333, actor=ROBOT, at=AT)
        row = subscribe(customer, price, seats=3, trial_days=wishes["trial"], anchor=wishes["anchor"], coupon="TWICE")
        _wish(row, wishes["then"])
        for stop in stops:
            advance(customer_id=customer.pk, to=stop, actor=ROBOT, at=AT)
        found = books()
        broken = [verdict for verdict in check_books({1, 2, 7, 9, 10}) if not verdict.ok]
        assert not broken, broken
        transaction.set_rollback(True)
    return found


def _wish(row: Subscription, then: str) -> None:
    if then == "less" and row.status == "trialing":
        change_subscription(subscription_id=row.pk, seats=1, when="period_end", key="c", actor=ROBOT, at=AT)
    elif then == "pause" and row.status == "trialing":
        pause_subscription(subscription_id=row.pk, at_period_end=True, resumes_at=AT + 50 * DAY, reason="r", actor=ROBOT, at=AT)
    elif then == "cancel":
        cancel_subscription(subscription_id=row.pk, cancel_at=AT + 47 * DAY, reason="r", actor=ROBOT, at=AT)


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    days=st.lists(st.integers(0, 69), max_size=4),
    card=CARDS,
    money=st.sampled_from([0, 5_000, 20_000]),
    collection=st.sampled_from(["balance_then_card", "card_then_balance", "card_only"]),
    interval=INTERVALS,
    trial=st.sampled_from([0, 10]),
    anchor=st.sampled_from(["anniversary", "calendar"]),
    then=st.sampled_from(["", "less", "pause", "cancel"]),
)
def test_one_leap_and_many_leave_the_same_books(days, **wishes):
    assert live([END], wishes) == live([*sorted(AT + day * DAY for day in days), END], wishes)
