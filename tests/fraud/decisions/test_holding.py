"""Holds that decisions ask for: the seller's part of a stopped sale is held, nothing leaves meanwhile, and every hold ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.kit.invariants import check_books
from fraud.decisions.awaiting import decide_sales
from fraud.decisions.gates import payout_leaves
from fraud.decisions.holding import keep_holds
from fraud.decisions.models import Decision, DecisionReview, WantedHold
from fraud.decisions.operations import allow_reviewed
from fraud.decisions.queries import frozen, past_date
from fraud.decisions.rechecking import recheck_reviews
from payouts.dispatch.last_gate import stops_for
from payouts.holds.models import Hold
from payouts.holds.operations import mature_earnings, place_hold, release_due_holds
from payouts.runs.operations import hold_payout
from tests.factories.earnings import buckets, make_line, record
from tests.factories.fraud import AT, CHECKER, ROBOT, make_listed, make_live
from tests.factories.runs import make_payout
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db
LATER = AT + timedelta(days=40)


def stopped_sale(gross: str = "800.00"):
    """Return a seller whose sale the rules stopped after it was booked, and the decision."""
    make_live("event.amount_minor > 50000", code="large_sale", review_days=30)
    seller = make_seller()
    record(
        make_line(seller, order_ref="o-1", gross=gross, fee="0", occurred_at=AT.isoformat(), delivered_at=AT.isoformat()), at=AT
    )
    decide_sales(actor=ROBOT, at=AT)
    return seller, Decision.objects.get()


def test_the_sellers_part_of_a_stopped_sale_is_held_when_it_matures_and_freed_when_a_person_allows_it():
    seller, decision = stopped_sale()
    assert WantedHold.objects.get().state == "waiting" and keep_holds(actor=ROBOT, at=AT)["placed"] == 0
    mature_earnings(actor=ROBOT, at=LATER)
    assert keep_holds(actor=ROBOT, at=LATER) == {"placed": 1, "ended": 0, "payouts_freed": 0}
    hold = Hold.objects.get()
    assert (hold.amount_minor, hold.code, hold.owner, hold.seller_text) == (
        80_000,
        "large_sale",
        "staff:901",
        decision.seller_text,
    )
    assert hold.review_on == LATER.date() and decision.public_id in hold.reason and buckets(seller)["reserved"] == 80_000
    assert release_due_holds(actor=ROBOT, at=LATER)["conditions_met"] == 0
    allow_reviewed(review_id=DecisionReview.objects.get().pk, reason="spoke with them", actor=CHECKER, at=LATER)
    assert release_due_holds(actor=ROBOT, at=LATER)["conditions_met"] == 1
    assert keep_holds(actor=ROBOT, at=LATER)["ended"] == 1 and buckets(seller)["available"] == 80_000
    assert WantedHold.objects.get().ended_because == "its release condition was met"
    assert all(one.ok for one in check_books())


def test_no_payout_leaves_while_a_sale_waits_to_be_held_and_it_goes_on_by_itself_afterwards():
    payout = make_payout()
    make_live("event.amount_minor > 50000", code="large_sale")
    line = make_line(
        payout.seller, order_ref="o-9", gross="900.00", fee="0", occurred_at=AT.isoformat(), delivered_at=AT.isoformat()
    )
    record(line, at=AT)
    decide_sales(actor=ROBOT, at=AT)
    stop = stops_for([payout.pk], at=AT)[payout.pk]
    assert (stop.effect, stop.code) == ("hold", "sale_to_be_held") and "large_sale" not in stop.code
    hold_payout(payout_id=payout.pk, actor=ROBOT, at=AT, reason=stop.reason, code=stop.code)
    assert keep_holds(actor=ROBOT, at=AT)["payouts_freed"] == 0
    mature_earnings(actor=ROBOT, at=LATER)
    assert keep_holds(actor=ROBOT, at=LATER) == {"placed": 1, "ended": 0, "payouts_freed": 1}
    payout.refresh_from_db()
    assert payout.status == "approved" and payout_leaves(payout=payout, at=LATER) == []


def test_a_sale_that_was_given_back_needs_no_hold():
    seller, _ = stopped_sale()
    record(make_line(seller, kind="refund", order_ref="o-1", gross="800.00", fee="0", occurred_at=AT.isoformat()), at=AT)
    assert keep_holds(actor=ROBOT, at=AT)["ended"] == 1
    assert WantedHold.objects.get().ended_because == "the sale was given back"


def test_what_is_held_is_asked_about_again_and_freed_once_nothing_speaks_against_it():
    payout = make_payout(10_000)
    row = make_listed("blocked", "iban", payout.payee_account.number)
    make_live("list.iban == 'blocked'", point="payout", effect="hold", code="known_account")
    from fraud.lists.operations import end_listed

    end_listed(listed_id=row.pk, actor=CHECKER, at=AT, reason="blocks would take it back")
    make_listed("watched", "iban", payout.payee_account.number)
    make_live("list.iban == 'watched'", point="payout", effect="hold", code="watched_account")
    at = payout.built_at
    stop = stops_for([payout.pk], at=at)[payout.pk]
    hold_payout(payout_id=payout.pk, actor=ROBOT, at=at, reason=stop.reason, code=stop.code)
    assert recheck_reviews(actor=ROBOT, at=at) == {"asked": 1, "freed": 0}
    assert recheck_reviews(actor=ROBOT, at=at) == {"asked": 0, "freed": 0}  # nothing changed since
    from fraud.lists.models import ListedValue

    end_listed(listed_id=ListedValue.objects.get(state="active").pk, actor=CHECKER, at=at, reason="a mistake")
    assert recheck_reviews(actor=ROBOT, at=at) == {"asked": 1, "freed": 1}
    payout.refresh_from_db()
    review = DecisionReview.objects.get()
    assert (payout.status, review.state, review.judged_by, review.allowed_until) == ("approved", "allowed", str(ROBOT), at)
    assert all(one.ok for one in check_books({15}))


def test_an_unchanged_hold_is_asked_about_again_the_next_day_without_a_second_alert():
    from backoffice.kit.outbox import Event

    stopped_sale()
    assert recheck_reviews(actor=ROBOT, at=AT + timedelta(days=1)) == {"asked": 1, "freed": 0}
    assert Decision.objects.count() == 2 and Event.objects.filter(type="decision.hold").count() == 1
    assert DecisionReview.objects.count() == 1


def test_the_desk_shows_what_is_held_past_its_date_without_owner_or_by_a_ratio_that_stands_still():
    seller, _ = stopped_sale()
    mature_earnings(actor=ROBOT, at=LATER)
    facts = {"seller_id": seller.pk, "currency": "EUR", "code": "odd", "reason": "why", "seller_text": "We look.", "owner": "staff:901",
             "actor": ROBOT, "at": LATER}  # fmt: skip
    place_hold(amount_minor=100, key="h1", review_on=LATER.date(), **facts)
    ratio = place_hold(amount_minor=100, key="h2", release_condition="refunds_below:500:30", **facts)
    assert not past_date(LATER).exists()
    assert past_date(LATER + timedelta(days=1)).count() == 1
    assert list(frozen(LATER)) == [ratio] and not frozen(AT + timedelta(days=1)).exists()
