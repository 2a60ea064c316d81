"""A decision against a change of the lists, and two who release one hold: whoever comes second sees what the first left."""

from datetime import timedelta

import pytest

from fraud.decisions.models import Decision, DecisionReview, RiskReserve
from fraud.decisions.operations import Question, allow_reviewed, decide
from fraud.decisions.reviewing import ReviewIsClosed
from fraud.lists.operations import list_value
from fraud.lists.queries import lists_version
from payouts.holds.models import Hold
from payouts.holds.operations import HoldNotActive, place_hold, release_hold
from payouts.ledger.queries import seller_buckets
from tests.factories.fraud import AT, CHECKER, MAKER, ROBOT, ask, happening, make_listed, make_live
from tests.factories.runs import make_payable_seller
from tests.races.test_run_races import second_waits, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]


def block():
    return list_value(list="blocked", kind="buyer", value="b1", reason="stolen card", actor=MAKER, at=AT)


def question(ref):
    event = happening(ref=ref)
    return Question(event, ref, ref)


def test_a_decision_comes_before_a_change_of_the_lists_or_after_it_and_names_the_version_it_saw():
    make_live("event.amount_minor > 9000")
    before, _ = second_waits(lambda: decide(question=question("first"), actor=ROBOT, at=AT), block)
    after = ask(ref="after")
    assert before.outcome == "allow" and before.lists_version < after.lists_version == lists_version()
    assert (after.outcome, after.code) == ("block", "listed_blocked")

    make_listed("watched", "buyer", "b2")

    def blocked_then_asked():
        return list_value(list="blocked", kind="buyer", value="b3", reason="stolen card", actor=MAKER, at=AT)

    event = happening(ref="waits", buyer="b3")
    _, decision = second_waits(blocked_then_asked, lambda: decide(question=Question(event, "waits", "waits"), actor=ROBOT, at=AT))
    assert (decision.outcome, decision.lists_version) == ("block", lists_version())


def test_the_same_question_asked_at_once_is_one_decision():
    make_live("event.amount_minor > 1000")
    answers = together(*[lambda: decide(question=question("once"), actor=ROBOT, at=AT)] * 3)
    kept = Decision.objects.get()
    assert {one.pk for one in answers if isinstance(one, Decision)} == {kept.pk}

    # and several sales of one seller that ask for a reserve at once ask for one
    make_live("event.amount_minor > 1000", effect="score", score=1, reserve_basis_points=1_000, reserve_days=30)
    seller = make_payable_seller()

    def about(ref):
        event = happening(ref=ref, seller=seller.public_id)
        return lambda: decide(question=Question(event, ref, ref, seller=seller), actor=ROBOT, at=AT)

    answers = together(*[about(f"sale-{number}") for number in range(3)])
    assert all(isinstance(one, Decision) for one in answers) and RiskReserve.objects.count() == 1


def test_of_two_holds_each_is_released_once_and_of_two_reviewers_one_judges():
    seller = make_payable_seller(10_000)
    facts = {"seller_id": seller.pk, "currency": "EUR", "code": "odd", "reason": "why", "seller_text": "We look.", "owner": "staff:901",
             "actor": ROBOT, "at": AT, "review_on": (AT + timedelta(days=3)).date()}  # fmt: skip
    first, second = (place_hold(amount_minor=amount, key=f"h{amount}", **facts) for amount in (3_000, 2_000))
    answers = together(*[lambda: release_hold(hold_id=first.pk, actor=CHECKER, at=AT, reason="enough")] * 2)
    assert sum(isinstance(one, HoldNotActive) for one in answers) == 1
    second.refresh_from_db()
    assert (second.state, seller_buckets([seller.pk])[seller.pk, "EUR"]["reserved"]) == ("active", 2_000)
    assert Hold.objects.filter(state="released").count() == 1

    make_live("event.amount_minor > 1000")
    review = DecisionReview.objects.get(decision=ask(ref="r1"))
    said = together(*[lambda: allow_reviewed(review_id=review.pk, reason="fine", actor=CHECKER, at=AT)] * 2)
    assert sum(isinstance(one, ReviewIsClosed) for one in said) == 1
