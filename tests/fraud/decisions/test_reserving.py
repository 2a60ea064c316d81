"""Reserves that rules and cases ask for: placed by the schedule, told to the seller, and ended by their day unless something speaks for them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from fraud.cases.operations import approve_case_decision, close_case
from fraud.decisions.models import Decision, DecisionReview, RiskReserve
from fraud.decisions.operations import Question, allow_reviewed, replay
from fraud.decisions.operations import decide as decide_on
from fraud.decisions.reserving import (
    ReserveInvalid,
    ReserveIsOver,
    ReserveStands,
    end_reserve,
    keep_reserves,
    prolong_reserve,
    replace_reserve,
    to_look_at,
)
from fraud.rules.operations import RuleInvalid, retire_rule
from payouts.holds.models import Hold, ReservePlan
from payouts.holds.operations import mature_earnings
from payouts.holds.plans import create_reserve_plan
from tests.factories.cases import decide, decide_on_sale, make_case, person
from tests.factories.earnings import buckets, make_line, record
from tests.factories.fraud import AT, CHECKER, ROBOT, happening, make_draft, make_live
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db
TENTH = {"reserve_basis_points": 1_000, "reserve_days": 30, "review_days": 10}
DAY = timedelta(days=1)


def asked_for(seller=None, **over):
    """Return a reserve that a rule asked for, in force."""
    rule = make_live("event.amount_minor > 1000", effect="score", score=1, code="fresh_seller", **(TENTH | over))
    decide_on_sale(seller or make_seller())
    assert keep_reserves(actor=ROBOT, at=AT)["placed"] == 1
    return RiskReserve.objects.get(), rule


def test_a_rule_asks_for_a_share_which_is_kept_of_coming_sales_and_ends_by_its_day():
    seller = make_seller()
    reserve, rule = asked_for(seller)
    decision = Decision.objects.get()
    assert (decision.outcome, reserve.owner, reserve.review_on) == ("allow", "staff:901", (AT + 10 * DAY).date())
    assert decision.public_id in reserve.reason and replay(decision) == {}
    told = Event.objects.get(type="reserve_plan.created")
    assert told.subject == reserve.plan.public_id and reserve.plan.seller_text == "We are looking at this."
    retire_rule(version_id=rule.pk, actor=CHECKER, at=AT, reason="over")
    record(
        make_line(seller, gross="500.00", fee="0", occurred_at=AT.isoformat(), delivered_at=(AT - 30 * DAY).isoformat()), at=AT
    )
    mature_earnings(actor=ROBOT, at=AT)
    assert buckets(seller) == {"available": 45_000, "reserved": 5_000} and Hold.objects.get().owner == str(ROBOT)
    assert keep_reserves(actor=ROBOT, at=AT + 9 * DAY) == {"placed": 0, "ended": 0, "kept": 0}
    assert keep_reserves(actor=ROBOT, at=AT + 10 * DAY) == {"placed": 0, "ended": 1, "kept": 0}
    reserve.refresh_from_db()
    assert reserve.state == "ended" and reserve.plan.state == "disabled" and buckets(seller) == {"available": 50_000}
    assert all(one.ok for one in check_books())


def test_a_rule_that_still_asks_keeps_its_reserve_for_a_person_who_prolongs_or_ends_it():
    reserve, _ = asked_for()
    day = AT + 10 * DAY
    assert keep_reserves(actor=ROBOT, at=day)["kept"] == 1 and list(to_look_at(day)) == [reserve]
    with pytest.raises(ReserveInvalid):
        prolong_reserve(reserve_id=reserve.pk, review_on=day.date(), reason="x", actor=CHECKER, at=day)
    prolong_reserve(
        reserve_id=reserve.pk, review_on=(day + 20 * DAY).date(), reason="their supplier failed", actor=CHECKER, at=day
    )
    assert not to_look_at(day).exists() and keep_reserves(actor=ROBOT, at=day)["kept"] == 0
    end_reserve(reserve_id=reserve.pk, reason="they sent papers", actor=CHECKER, at=day)
    reserve.refresh_from_db()
    assert (reserve.state, reserve.owner, reserve.ended_because) == ("ended", str(CHECKER), "they sent papers")
    with pytest.raises(ReserveIsOver):
        end_reserve(reserve_id=reserve.pk, reason="again", actor=CHECKER, at=day)


def test_the_same_hit_again_asks_for_no_second_reserve_and_an_allowed_sale_for_none():
    seller = make_seller()
    asked_for(seller)
    decide_on_sale(seller, at=AT + timedelta(minutes=1))
    assert RiskReserve.objects.count() == 1
    make_live("event.amount_minor > 1000", effect="hold", code="held_sale", **TENTH)
    other = make_seller()
    decision = decide_on_sale(other, ref="sale-9")
    assert RiskReserve.objects.filter(seller=other).count() == 1
    keep_reserves(actor=ROBOT, at=AT)
    end_reserve(reserve_id=RiskReserve.objects.get(seller=other).pk, reason="x", actor=CHECKER, at=AT)
    allow_reviewed(review_id=DecisionReview.objects.get(decision=decision).pk, reason="fine", actor=CHECKER, at=AT)
    again = happening(ref="sale-9", seller=other.public_id)
    made = decide_on(question=Question(again, "sale-9", "another", seller=other), actor=ROBOT, at=AT)
    assert made.because == "override" and RiskReserve.objects.filter(seller=other).count() == 1


def test_a_smaller_standing_reserve_waits_for_a_person_and_an_equal_one_is_enough():
    small, large = make_seller(), make_seller()
    for seller, share in ((small, 500), (large, 2_000)):
        create_reserve_plan(
            seller_id=seller.pk, currency="EUR", kind="rolling", basis_points=share, days=10, reason="risk", seller_text="We keep a share.",
            actor=ROBOT, key=f"own:{seller.pk}", at=AT,
        )  # fmt: skip
    make_live("event.amount_minor > 1000", effect="score", score=1, **TENTH)
    for seller in (small, large):
        decide_on_sale(seller)
    assert keep_reserves(actor=ROBOT, at=AT) == {"placed": 0, "ended": 1, "kept": 1}
    waiting = RiskReserve.objects.get(state="waiting")
    assert waiting.seller == small and list(to_look_at(AT + DAY)) == [waiting]
    replace_reserve(reserve_id=waiting.pk, reason="a tenth it is", actor=CHECKER, at=AT)
    assert ReservePlan.objects.get(seller=small, state="active").basis_points == 1_000
    assert all(one.ok for one in check_books({15}))


def test_a_case_reserves_a_share_by_two_people_above_the_limit_and_its_end_waits_for_the_case():
    analyst, lead, seller = person("risk"), person("lead"), make_seller()
    terms = {"basis_points": 2_500, "days": 30, "review_on": (AT + 14 * DAY).date().isoformat()}
    case = make_case(analyst, seller)
    record(make_line(seller, gross="4000.00", fee="0", occurred_at=AT.isoformat()), at=AT)
    asked = decide(case, "reserve", analyst, seller_text="We keep a quarter for a while.", terms=terms)
    assert (asked.state, asked.amount_minor) == ("waiting", 100_000)
    record(
        make_line(seller, gross="10.00", fee="0", occurred_at=AT.isoformat()), at=AT
    )  # the amount moves on, the share does not
    approve_case_decision(decision_id=asked.pk, actor=lead, at=AT)
    reserve = RiskReserve.objects.get()
    assert (reserve.owner, reserve.state, reserve.plan.basis_points) == (str(analyst), "active", 2_500)
    assert reserve.seller_text == "We keep a quarter for a while." and reserve.asked_by == asked.public_id
    small = decide(make_case(analyst), "reserve", analyst, seller_text="A little.", terms=terms)
    assert small.state == "done", "nothing is pending, so that one person is enough"
    with pytest.raises(ReserveStands):
        decide(case, "reserve", analyst, seller_text="Once more.", terms=terms | {"basis_points": 100})
    day = AT + 14 * DAY
    assert keep_reserves(actor=ROBOT, at=day)["kept"] >= 1 and reserve in to_look_at(day)
    close_case(case_id=case.pk, label="justified", reason="explained", actor=analyst, at=AT)
    assert keep_reserves(actor=ROBOT, at=day)["ended"] >= 1
    reserve.refresh_from_db()
    assert reserve.state == "ended"
    assert all(one.ok for one in check_books())


def test_a_rule_that_asks_for_half_a_reserve_is_refused():
    for wrong in (
        {"reserve_basis_points": 10_001, "reserve_days": 1},
        {"reserve_basis_points": 0, "reserve_days": 5},
        {"reserve_basis_points": 5},
    ):
        with pytest.raises(RuleInvalid, match="at most 100 %"):
            make_draft(**wrong)
