"""Decisions: precedence, three truth values, what is kept, and that it can be made again."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from backoffice.kit.actors import staff
from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event, _subscribers, relay
from fraud.decisions.models import Decision, DecisionReview, Replay
from fraud.decisions.operations import ReviewIsClosed, allow_reviewed, replay, uphold_reviewed
from fraud.decisions.sockets import on_alert
from fraud.decisions.working import replay_decisions, watch_rules
from fraud.features.models import FraudEvent
from fraud.features.recording import record_event
from fraud.lists.models import ListedValue
from fraud.lists.operations import approve_listed, end_listed, list_value
from fraud.rules.models import RuleVersion
from tests.factories.fraud import AT, CHECKER, MAKER, ROBOT, ask, happening, make_listed, make_live, make_shadow
from tests.factories.notices import make_dispute
from tests.factories.runs import make_payable_seller
from tests.factories.sellers import make_staff

pytestmark = pytest.mark.django_db


def test_nothing_speaks_against_a_sale_without_rules():
    decision = ask()
    assert (decision.outcome, decision.because, decision.results) == ("allow", "nothing", [])


def test_the_precedence_is_absolute_block_override_block_rules_and_score():
    make_live("event.amount_minor > 1000", effect="hold", code="held_by_rule", score=60)
    assert ask(buyer="b0").outcome == "hold"
    make_live("event.amount_minor > 2000", effect="block", code="blocked_by_rule")
    assert (ask(buyer="b0").outcome, ask(buyer="b0").code) == ("block", "blocked_by_rule")
    make_listed("allowed", "buyer", "b1")
    allowed = ask(buyer="b1")
    assert (allowed.outcome, allowed.because) == ("allow", "override")
    make_listed("blocked", "buyer", "b1", absolute=True)
    barred = ask(buyer="b1")
    assert (barred.outcome, barred.because, barred.code) == ("block", "absolute_block", "listed_blocked")


def test_an_allowed_value_helps_until_it_ends():
    make_live("event.amount_minor > 1000")
    row = make_listed("allowed", "buyer", "b1", expires_at=AT + timedelta(days=1))
    assert ask(at=AT + timedelta(hours=23)).outcome == "allow"
    assert ask(at=AT + timedelta(hours=25)).outcome == "hold"
    before = ask(at=AT).lists_version
    end_listed(listed_id=row.pk, actor=MAKER, at=AT, reason="no longer")
    after = ask(at=AT)
    assert after.outcome == "hold" and after.lists_version == before + 1


def test_an_allowed_value_waits_for_a_second_person():
    make_live("event.amount_minor > 1000")
    row = list_value(
        list="allowed", kind="buyer", value="b1", reason="ours", actor=MAKER, at=AT, expires_at=AT + timedelta(days=5)
    )
    assert ask().outcome == "hold"
    with pytest.raises(ApproverIsMaker):
        approve_listed(listed_id=row.pk, actor=MAKER, at=AT)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE fraud_listedvalue SET state = 'active', approved_by = 'staff:7' WHERE id = %s", [row.pk])
    approve_listed(listed_id=row.pk, actor=CHECKER, at=AT)
    assert ask().outcome == "allow"


def test_what_is_missing_is_unknown_and_the_point_says_what_that_means():
    make_live("device.count_24h > 3 && event.amount_minor > 1000", point="sale", effect="block")
    make_live("device.count_24h > 3 && event.amount_minor > 1000", point="payout", effect="review")
    sale, payout = ask(), ask(kind="payout")
    assert (sale.outcome, sale.because, payout.outcome) == ("review", "unknown", "hold")
    assert sale.results[0]["result"] == "unknown" and "device.count_24h" in sale.missing
    # false and unknown is false: that rule is answered
    assert ask(amount_minor=10).results[0]["result"] == "clean"


def test_scores_add_up_to_thresholds_and_rules_in_the_shadow_do_not_count():
    make_live("event.amount_minor > 1000", effect="score", score=30, code="first")
    make_live("event.amount_minor > 2000", effect="score", score=25, code="second")
    make_shadow("event.amount_minor > 0", effect="block")
    low, high = ask(amount_minor=1500), ask()
    assert (low.outcome, low.score, high.outcome, high.score, high.code) == ("allow", 30, "review", 55, "first")
    assert [one["result"] for one in high.results] == ["hit", "hit", "hit"]
    assert high.results[0]["trace"] == [["event.amount_minor > 1000", "hit"]]


def test_the_same_key_gives_the_same_decision_and_nothing_changes_it():
    make_live("event.amount_minor > 1000")
    first, second = ask(ref="one"), ask(ref="one")
    assert first.pk == second.pk and Decision.objects.count() == 1 and FraudEvent.objects.count() == 1
    for table in ("fraud_decision", "fraud_fraudevent", "fraud_ruleset", "fraud_rulehit"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")


def test_a_review_lets_the_subject_pass_for_some_days():
    make_live("event.amount_minor > 1000")
    held = ask(ref="r1")
    review = DecisionReview.objects.get(decision=held)
    allow_reviewed(review_id=review.pk, reason="spoke with them", actor=CHECKER, at=AT)
    with pytest.raises(ReviewIsClosed):
        uphold_reviewed(review_id=review.pk, reason="no", actor=CHECKER, at=AT)
    from fraud.decisions.operations import Question, decide
    from tests.factories.fraud import happening

    again = Question(happening(ref="r2"), "r1", "r2")
    assert decide(question=again, actor=ROBOT, at=AT + timedelta(days=6)).because == "override"
    late = Question(happening(ref="r3"), "r1", "r3")
    assert decide(question=late, actor=ROBOT, at=AT + timedelta(days=8)).outcome == "hold"


def test_every_decision_can_be_made_again_with_the_same_answer():
    make_live("event.amount_minor > 1000 && buyer.count_24h >= 2 || device.count_1h > 3", effect="score", score=55)
    make_live("buyer.fraud_rate_7d > 0.5 || event.currency == 'USD'", effect="hold")
    make_listed("watched", "buyer", "b9")
    for number in range(12):
        ask(buyer=f"b{number % 3 * 3}", device="d" if number % 2 else "", currency="USD" if number == 5 else "EUR")
    # rules that came and went since do not matter: each decision names its own set
    make_live("event.amount_minor > 0", effect="block")
    kept = replay_decisions(at=AT)
    assert (kept.sampled, kept.agreed, kept.differing) == (12, 12, [])


def test_a_decision_that_comes_out_differently_is_found_and_breaks_a_truth():
    from fraud.decisions.invariants import decisions_can_be_made_again

    make_live("event.amount_minor > 1000")
    decision = ask()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE fraud_decision DISABLE TRIGGER decision_kept")
        cursor.execute(
            "UPDATE fraud_decision SET features = jsonb_set(features, '{event.amount_minor}', '5') WHERE id = %s", [decision.pk]
        )
        cursor.execute("ALTER TABLE fraud_decision ENABLE TRIGGER decision_kept")
    assert replay(Decision.objects.get())["outcome"] == {"was": "hold", "again": "allow"}
    assert replay_decisions(at=AT).agreed == 0 and Replay.objects.count() == 1
    assert len(decisions_can_be_made_again()) == 1


def test_a_rule_that_hits_more_than_it_promised_is_stopped_and_no_longer_asked():
    quiet = make_live("event.amount_minor > 1000000", expected_basis_points=100)
    loud = make_live("event.amount_minor > 1000", expected_basis_points=100)
    full = make_live("event.amount_minor > 2000", expected_basis_points=10_000, daily_ceiling=49)
    for _ in range(50):
        ask(at=AT + timedelta(minutes=1))
    stopped = watch_rules(actor=ROBOT, at=AT + timedelta(minutes=2))
    assert sorted(stopped) == sorted([loud.public_id, full.public_id])
    states = dict(RuleVersion.objects.values_list("pk", "state"))
    assert (states[quiet.pk], states[loud.pk], states[full.pk]) == ("live", "stopped", "stopped")
    assert ask().outcome == "allow"


def test_whoever_works_alerts_hears_each_once_and_never_inside_the_decision():
    heard = []
    on_alert("test.cases", lambda subject, decision, at: heard.append((subject, decision.outcome, at)))
    try:
        make_live("event.amount_minor > 1000")
        decision = ask(ref="loud")
        ask(ref="quiet", amount_minor=5)
        assert heard == []
        while relay(at=AT):
            pass
        relay(at=AT)
        assert heard == [("loud", "hold", decision.decided_at)]
        told = Event.objects.get(type="decision.hold").payload
        assert told == {"point": "sale", "subject": "loud", "outcome": "hold", "code": "large_amount"}
    finally:
        for outcome in ("review", "hold", "block"):
            _subscribers.pop(f"test.cases.{outcome}")


def test_the_command_makes_decisions_again_and_says_by_its_exit_code_whether_they_agree():
    make_live("event.amount_minor > 1000")
    decision = ask()

    def run():
        out, code = StringIO(), 0
        try:
            call_command(
                "replay_decisions", "--json", "--at", (AT + timedelta(hours=1)).isoformat(), stdout=out, stderr=StringIO()
            )
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, json.loads(out.getvalue())

    code, answer = run()
    assert code == 0 and (answer["sampled"], answer["agreed"]) == (1, 1)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE fraud_decision DISABLE TRIGGER decision_kept")
        cursor.execute("UPDATE fraud_decision SET outcome = 'block'")
        cursor.execute("ALTER TABLE fraud_decision ENABLE TRIGGER decision_kept")
    code, answer = run()
    assert code == 1 and answer["agreed"] == 0 and decision.public_id in json.dumps(answer)


def test_exposure_is_read_from_balances_and_open_disputes_in_the_currency_asked_about():
    seller = make_payable_seller(20_000)
    make_dispute(seller)
    make_live(
        "exposure.total_minor > 0 && exposure.disputed_minor >= 0 && exposure.unsettled_minor > 0 && exposure.debt_minor >= 0"
    )
    decision = ask(seller=seller)
    seen = {name.removeprefix("exposure."): value for name, value in decision.features.items() if name.startswith("exposure.")}
    assert seen["unsettled_minor"] >= 20_000 and seen["disputed_minor"] > 0 and seen["debt_minor"] == 0
    assert seen["total_minor"] == seen["unsettled_minor"] + seen["disputed_minor"]
    assert ask(seller=seller, currency="USD").features["exposure.total_minor"] == 0
    assert "exposure.total_minor" in ask().missing


def test_the_demo_has_rules_by_two_people_lists_and_decisions():
    from backoffice.demo import fraud

    pull_sale = happening(ref="demo:1", amount_minor=90_000, at=AT - timedelta(days=1))
    record_event(happening=pull_sale, at=AT)
    people = {role: staff(make_staff(role).pk) for role in ("risk", "lead")}
    assert fraud.furnish(people=people, at=AT) == 1
    assert sorted(RuleVersion.objects.values_list("state", flat=True)) == ["live", "live", "live", "shadow"]
    assert sorted(ListedValue.objects.values_list("state", flat=True)) == ["active"] * 4 + ["waiting"]
    assert all(one.ok for one in check_books({15}))
