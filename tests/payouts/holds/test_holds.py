"""One-off holds and pauses: placed once, stacking, ended by a person, a date or a condition."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.kit.idempotency import KeyReused
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from backoffice.kit.states import timeline
from backoffice.staff.models import AuditEntry
from payouts.holds import queries
from payouts.holds.conditions import UnknownCondition
from payouts.holds.models import Hold
from payouts.holds.operations import (
    HoldExceedsBalance,
    HoldInvalid,
    HoldNotActive,
    mature_earnings,
    move_review,
    place_hold,
    place_pause,
    release_due_holds,
    release_hold,
)
from payouts.holds.states import HOLD
from tests.factories.earnings import AT, ROBOT, buckets, make_line, record
from tests.factories.sellers import limit, make_payee, make_seller

pytestmark = pytest.mark.django_db
NOW = AT + timedelta(days=2)
WHY = {"code": "risk", "reason": "many refunds", "seller_text": "We are looking into refunds.", "owner": "risk team"}


@pytest.fixture(autouse=True)
def books_stay_clean(db):
    yield
    assert not [verdict for verdict in check_books() if not verdict.ok]


@pytest.fixture
def seller():
    """A seller with 90.00 EUR available."""
    seller = make_seller()
    record(make_line(seller))
    mature_earnings(actor=ROBOT, at=NOW)
    return seller


def hold(seller, amount_minor=4_000, key="k", **over):
    facts = {"actor": ROBOT, "at": NOW} | WHY | over
    return place_hold(seller_id=seller.pk, currency="EUR", amount_minor=amount_minor, key=key, **facts)


def test_a_hold_sets_money_aside_and_several_stack(seller):
    hold(seller)
    hold(seller, 5_000, key="other")
    assert buckets(seller) == {"reserved": 9_000}
    assert queries.kept_minor(seller.pk, "EUR") == 9_000


def test_a_hold_is_refused_when_the_balance_is_short(seller):
    with pytest.raises(HoldExceedsBalance, match=r"90\.00 EUR available"):
        hold(seller, 9_001)


def test_the_same_key_places_one_hold_and_other_content_is_refused(seller):
    assert hold(seller) == hold(seller)
    with pytest.raises(KeyReused):
        hold(seller, 4_001)
    assert buckets(seller) == {"available": 5_000, "reserved": 4_000}


@pytest.mark.parametrize(
    "wrong", [{"amount_minor": 0}, {"amount_minor": -1}, {"reason": " "}, {"seller_text": ""}, {"release_at": NOW},
              {"review_on": (NOW - timedelta(days=1)).date()}],
)  # fmt: skip
def test_a_hold_without_a_reason_or_with_a_past_end_is_refused(seller, wrong):
    with pytest.raises(HoldInvalid):
        hold(seller, **wrong)


def test_releasing_needs_a_reason_happens_once_and_leaves_its_trace(seller):
    one = hold(seller)
    with pytest.raises(HoldInvalid):
        release_hold(hold_id=one.pk, actor=ROBOT, at=NOW, reason="")
    released = release_hold(hold_id=one.pk, actor=ROBOT, at=NOW, reason="cleared")
    assert (released.state, released.release_reason, released.changed_by) == ("released", "hold_released_early", "system:test")
    assert [change.to_state for change in timeline(HOLD, one.pk)] == ["active", "released"]
    assert AuditEntry.objects.filter(subject=one.public_id).count() == 2
    assert list(Event.objects.filter(subject=one.public_id).values_list("type", flat=True)) == ["hold.placed", "hold.released"]
    with pytest.raises(HoldNotActive):
        release_hold(hold_id=one.pk, actor=ROBOT, at=NOW, reason="again")
    assert buckets(seller) == {"available": 9_000}


def test_what_is_released_repays_debt_first(seller):
    one = hold(seller, 9_000)
    limit(seller, 0)
    record(make_line(seller, kind="chargeback", gross="50.00", fee="0"))
    assert buckets(seller) == {"reserved": 9_000, "debt": 5_000}
    release_hold(hold_id=one.pk, actor=ROBOT, at=NOW, reason="cleared")
    assert buckets(seller) == {"available": 4_000}


def test_a_review_is_moved_with_a_reason_and_nothing_else_of_the_hold_changes(seller):
    one = hold(seller, 1_000)
    before = {name: value for name, value in vars(Hold.objects.get(pk=one.pk)).items() if name not in ("_state", "review_on")}
    day = NOW.date() + timedelta(days=7)

    for wrong in ({"reason": " "}, {"review_on": NOW.date() - timedelta(days=1)}):
        with pytest.raises(HoldInvalid):
            move_review(
                **({"hold_id": one.pk, "review_on": day, "actor": ROBOT, "at": NOW, "reason": "waits for papers"} | wrong)
            )
    move_review(hold_id=one.pk, review_on=day, actor=ROBOT, at=NOW, reason="waits for papers")

    kept = Hold.objects.get(pk=one.pk)
    assert kept.review_on == day
    assert {name: value for name, value in vars(kept).items() if name not in ("_state", "review_on")} == before
    entry = AuditEntry.objects.get(action="hold.move_review")
    assert (entry.reason, entry.facts) == ("waits for papers", {"from": None, "to": day.isoformat()})
    assert one not in queries.to_review(day - timedelta(days=1)) and one in queries.to_review(day)
    release_hold(hold_id=one.pk, actor=ROBOT, at=NOW, reason="cleared")
    with pytest.raises(HoldNotActive):
        move_review(hold_id=one.pk, review_on=None, actor=ROBOT, at=NOW, reason="x")


def test_a_pause_moves_nothing_and_counts_for_every_currency(seller):
    pause = place_pause(seller_id=seller.pk, key="p", actor=ROBOT, at=NOW, release_at=NOW + timedelta(days=1), **WHY)
    assert buckets(seller) == {"available": 9_000}
    assert queries.is_paused(seller.pk) and pause in queries.live_holds(seller.pk, "USD")
    assert release_due_holds(actor=ROBOT, at=NOW + timedelta(days=1))["released"] == 1
    assert not queries.is_paused(seller.pk)


def test_a_hold_lifts_itself_when_the_cool_off_is_over(seller):
    make_payee(seller, cool_off_until=NOW + timedelta(hours=5))
    hold(seller, release_condition="payee_cool_off_over")
    assert release_due_holds(actor=ROBOT, at=NOW)["conditions_met"] == 0
    assert release_due_holds(actor=ROBOT, at=NOW + timedelta(hours=5))["conditions_met"] == 1


def test_a_hold_lifts_itself_when_refunds_fall_below_a_share(seller):
    record(make_line(seller, kind="refund", order_ref="r", gross="20.00", fee="0"))
    hold(seller, release_condition="refunds_below:1000:30")
    assert release_due_holds(actor=ROBOT, at=NOW)["conditions_met"] == 0
    record(make_line(seller, gross="150.00"))
    assert release_due_holds(actor=ROBOT, at=NOW)["conditions_met"] == 1


@pytest.mark.parametrize("text", ["someday", "refunds_below:1", "refunds_below:a:b", "payee_cool_off_over:1"])
def test_a_condition_nobody_can_check_is_refused(seller, text):
    with pytest.raises(UnknownCondition):
        hold(seller, release_condition=text)


def test_holds_whose_review_day_has_come_are_found(seller):
    late = hold(seller, 1_000, key="a", review_on=NOW.date())
    hold(seller, 1_000, key="b", review_on=NOW.date() + timedelta(days=3))
    assert list(queries.to_review(NOW.date() + timedelta(days=1))) == [late]
