"""Pending becomes available: when due, once, debt first, reserves cut off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from payouts.earnings.models import Earning
from payouts.holds import maturing
from payouts.holds.models import Hold
from payouts.holds.operations import create_reserve_plan, disable_reserve_plan, mature_earnings, release_due_holds
from payouts.holds.plans import PlanExists, PlanInvalid, PlanNotActive
from payouts.ledger.models import Posting
from tests.factories.earnings import AT, ROBOT, buckets, make_line, record
from tests.factories.sellers import limit, make_seller

pytestmark = pytest.mark.django_db
# The sales of these tests are of 20 January and mature with tier standard on 3 February.
DUE = AT + timedelta(days=1, hours=4)


@pytest.fixture(autouse=True)
def books_stay_clean(db):
    yield
    assert not [verdict for verdict in check_books() if not verdict.ok]


@pytest.fixture
def seller():
    return make_seller()


def mature(at=DUE):
    return mature_earnings(actor=ROBOT, at=at)


def plan(seller, **over):
    terms = {"kind": "rolling", "basis_points": 1_000, "days": 90} | over
    return create_reserve_plan(
        seller_id=seller.pk,
        currency="EUR",
        reason="new seller",
        seller_text="We keep 10 %.",
        actor=ROBOT,
        key=str(terms),
        at=AT,
        **terms,
    )


def test_nothing_matures_before_its_time_and_all_of_it_then(seller):
    record(make_line(seller), make_line(seller, delivered_at="2026-01-31T00:00:00Z"))
    assert mature(AT)["earnings"] == 0
    answer = mature()
    assert (answer["earnings"], answer["matured"]) == (1, {"EUR": 9_000})
    assert buckets(seller) == {"pending": 9_000, "available": 9_000}
    assert Earning.objects.get(pending_minor=0).matured_at == DUE


def test_maturing_twice_changes_nothing_and_chunks_do_not_either(seller, monkeypatch):
    monkeypatch.setattr(maturing, "CHUNK", 3)
    record(*[make_line(seller) for _ in range(10)])
    assert mature()["earnings"] == 10
    assert mature()["earnings"] == 0
    assert buckets(seller) == {"available": 90_000}
    assert Posting.objects.filter(template="mature").count() == 10


def test_what_was_refunded_does_not_mature(seller):
    record(make_line(seller, order_ref="o"), make_line(seller, order_ref="o", kind="refund", gross="40.00", fee="4.00"))
    assert mature()["matured"] == {"EUR": 5_400}


def test_debt_is_repaid_before_anything_becomes_available(seller):
    limit(seller, 1_000)
    record(make_line(seller, kind="chargeback", order_ref="x", gross="60.00", fee="0"), make_line(seller))
    assert buckets(seller) == {"pending": 9_000, "available": -1_000, "debt": 5_000}
    answer = mature()
    assert answer["repaid_debt"] == {"EUR": 5_000}
    assert buckets(seller) == {"available": 3_000}


def test_one_event_a_seller_tells_what_became_available(seller):
    record(make_line(seller), make_line(seller))
    mature()
    told = Event.objects.get(type="balance.available")
    assert (told.subject, told.payload["matured_minor"]) == (seller.public_id, 18_000)


# --- reserves ---------------------------------------------------------------------------------------------------------------


def test_a_rolling_reserve_keeps_its_share_of_each_sale_and_lets_it_go(seller):
    plan(seller)
    record(make_line(seller), make_line(seller))
    assert mature()["reserved"] == {"EUR": 1_800}
    assert buckets(seller) == {"available": 16_200, "reserved": 1_800}
    hold = Hold.objects.first()
    assert (hold.amount_minor, hold.release_at) == (900, DUE.replace(hour=12, minute=0) + timedelta(days=90))
    assert release_due_holds(actor=ROBOT, at=hold.release_at - timedelta(seconds=1))["released"] == 0
    assert release_due_holds(actor=ROBOT, at=hold.release_at)["released"] == 2
    assert release_due_holds(actor=ROBOT, at=hold.release_at)["released"] == 0
    assert buckets(seller) == {"available": 18_000}
    hold.refresh_from_db()
    assert (hold.state, hold.release_reason, hold.remaining_minor) == ("released", "bulk_hold_expiry", 0)


def test_a_fixed_reserve_ends_on_its_day_and_its_plan_with_it(seller):
    fixed = plan(seller, kind="fixed", days=0, release_on=(AT + timedelta(days=30)).date(), basis_points=5_000)
    record(make_line(seller))
    mature()
    assert buckets(seller) == {"available": 4_500, "reserved": 4_500}
    answer = release_due_holds(actor=ROBOT, at=AT + timedelta(days=30))
    assert answer == {"released": 1, "conditions_met": 0, "plans_expired": 1}
    fixed.refresh_from_db()
    assert fixed.state == "expired" and buckets(seller) == {"available": 9_000}


def test_plans_stack_and_stop_at_their_cap(seller):
    plan(seller, cap_minor=1_200)
    plan(seller, kind="fixed", days=0, release_on=(AT + timedelta(days=30)).date(), basis_points=2_000)
    record(make_line(seller), make_line(seller), make_line(seller))
    mature()
    assert buckets(seller) == {"available": 27_000 - 1_200 - 5_400, "reserved": 1_200 + 5_400}


def test_a_reserve_never_takes_what_covers_a_balance_below_zero(seller):
    plan(seller, basis_points=10_000)
    record(make_line(seller, kind="refund", order_ref="x", gross="80.00", fee="0"), make_line(seller))
    mature()
    assert buckets(seller) == {"reserved": 1_000}


def test_a_refund_takes_reserved_money_of_its_own_sale_before_available(seller):
    plan(seller, basis_points=5_000)
    record(make_line(seller, order_ref="a"), make_line(seller, order_ref="b"))
    mature()
    record(make_line(seller, order_ref="a", kind="refund", gross="30.00", fee="0"))
    assert buckets(seller) == {"available": 9_000, "reserved": 6_000}
    record(make_line(seller, order_ref="a", kind="chargeback", gross="40.00", fee="0"))
    assert buckets(seller) == {"available": 6_500, "reserved": 4_500}
    consumed = Hold.objects.get(state="consumed")
    assert (consumed.earning.order_ref, consumed.release_reason) == ("a", "consumed_by_dispute")
    assert not Earning.objects.filter(uncovered_minor__gt=0).exists()


def test_several_refunds_in_one_call_share_the_reserve_of_their_sale(seller):
    plan(seller, basis_points=10_000)
    record(make_line(seller, order_ref="a", gross="100.00", fee="0"))
    mature()
    record(*[make_line(seller, order_ref="a", kind="refund", gross="30.00", fee="0") for _ in range(4)])
    assert buckets(seller) == {"available": -2_000}


def test_disabling_a_plan_releases_what_it_keeps(seller):
    one = plan(seller)
    record(make_line(seller))
    mature()
    disable_reserve_plan(plan_id=one.pk, actor=ROBOT, at=DUE, reason="trusted now")
    assert buckets(seller) == {"available": 9_000}
    assert Hold.objects.get().release_reason == "plan_disabled"
    with pytest.raises(PlanNotActive):
        disable_reserve_plan(plan_id=one.pk, actor=ROBOT, at=DUE, reason="again")
    record(make_line(seller))
    assert mature()["reserves"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "other"},
        {"basis_points": 0},
        {"basis_points": 10_001},
        {"days": 0},
        {"days": 181},
        {"kind": "fixed", "days": 0},
        {"kind": "fixed", "days": 0, "release_on": AT.date()},
        {"kind": "fixed", "days": 0, "release_on": AT.date() + timedelta(days=181)},
        {"cap_minor": 0},
    ],
)
def test_a_plan_that_keeps_money_too_long_or_makes_no_sense_is_refused(seller, wrong):
    with pytest.raises(PlanInvalid):
        plan(seller, **wrong)


def test_one_active_plan_of_a_kind_and_the_same_key_answers_the_same_plan(seller):
    one = plan(seller)
    assert plan(seller) == one
    with pytest.raises(PlanExists):
        plan(seller, basis_points=2_000)
