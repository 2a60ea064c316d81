"""The wing at others' gates: payouts held and freed, accounts kept from use, sellers stopped; and nothing asked where nothing could object."""

from __future__ import annotations

import pytest

from backoffice.kit.gates import Gate, GateFailedClosed
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import relay
from billing.payments.models import Attempt
from billing.refunds.models import Refund
from billing.refunds.operations import request_refund
from fraud.decisions import gates, operations
from fraud.decisions.gates import needed, payout_leaves
from fraud.decisions.models import Decision, DecisionReview
from fraud.decisions.operations import allow_reviewed
from payouts.dispatch.last_gate import stops_for
from payouts.runs.operations import hold_payout
from tests.factories.fraud import AT, CHECKER, ROBOT, make_listed, make_live
from tests.factories.payments import make_customer, make_payment
from tests.factories.runs import make_payout
from tests.factories.sellers import make_payee, make_seller, make_tier

pytestmark = pytest.mark.django_db


def test_nobody_is_asked_where_nothing_could_object(django_assert_max_num_queries):
    payout = make_payout()
    with django_assert_max_num_queries(5):
        stops_for([payout.pk], at=payout.built_at)
    assert Decision.objects.count() == 0 and not needed("payout")
    make_live(point="payout")
    assert needed("payout") and not needed("sale")


def test_a_held_payout_is_freed_by_the_person_who_reviews_it_and_then_leaves():
    make_live("event.amount_minor > 5000 && seller.age_days < 3650", point="payout", code="young_and_large")
    payout = make_payout(10_000)
    at = payout.built_at
    stop = stops_for([payout.pk], at=at)[payout.pk]
    assert (stop.effect, stop.code) == ("hold", "young_and_large") and "To be looked at by" in stop.reason
    stops_for([payout.pk], at=at)
    decision = Decision.objects.get()  # asked twice, decided once
    assert decision.seller_text and decision.review_on
    hold_payout(payout_id=payout.pk, actor=ROBOT, at=at, reason=stop.reason, code=stop.code)
    allow_reviewed(review_id=DecisionReview.objects.get().pk, reason="known seller", actor=CHECKER, at=at)
    payout.refresh_from_db()
    assert payout.status == "approved" and stops_for([payout.pk], at=at) == {}
    assert all(one.ok for one in check_books({15}))


def test_a_blocked_account_number_stops_payouts_to_it():
    payout = make_payout(10_000)
    make_listed("blocked", "iban", payout.payee_account.number)
    stop = stops_for([payout.pk], at=payout.built_at)[payout.pk]
    assert (stop.effect, stop.code) == ("block", "listed_blocked")


def test_a_crash_here_is_a_refusal_there(monkeypatch):
    payout = make_payout(10_000)
    make_live(point="payout")
    monkeypatch.setattr(gates, "current_set_id", lambda: 1 / 0)
    gate = Gate("trial")
    gate.plug("fraud", payout_leaves, needed=lambda: needed("payout"))
    assert gate.is_needed()
    with pytest.raises(GateFailedClosed):
        gate.ask(payout=payout, at=payout.built_at)


def test_a_new_account_waits_until_somebody_allowed_it():
    make_tier()
    make_live("payee.changes_30d >= 1", point="payee_change", code="account_changed", effect="hold")
    seller = make_seller()
    account = make_payee(seller)
    account.refresh_from_db()
    assert (account.status, account.status_code) == ("blocked", "account_changed")
    review = DecisionReview.objects.get(subject=account.public_id)
    allow_reviewed(review_id=review.pk, reason="they called", actor=CHECKER, at=AT)
    account.refresh_from_db()
    assert account.status == "active"


def test_a_seller_stopped_at_onboarding_is_not_paid_before_it_was_judged():
    make_tier()
    make_live("seller.country == 'FR'", point="onboarding", code="from_there")
    seller = make_seller(country="FR", status="created")
    decision = Decision.objects.filter(point="onboarding").first()
    assert decision is not None and decision.subject == seller.public_id and decision.outcome == "hold"
    objections = gates.status_changes(seller=seller, to="active", actor=ROBOT, at=AT)
    assert [one.effect for one in objections] == ["block"]
    assert needed("payout")
    allow_reviewed(review_id=decision.review.pk, reason="fine", actor=CHECKER, at=AT)
    assert gates.status_changes(seller=seller, to="active", actor=ROBOT, at=AT) == [] and not needed("payout")


def ask_refund(payment, amount_minor):
    made = Decision.objects.count() + Refund.objects.count()
    facts = {"reason": "Broken.", "actor": ROBOT, "at": AT, "key": f"refund-{made}"}
    return request_refund(payment_id=payment.pk, amount_minor=amount_minor, **facts)


def test_a_charge_the_rules_stop_is_kept_cancelled_and_leaves_once_a_person_allowed_its_purpose():
    make_live("event.amount_minor > 5000", point="charge", effect="hold", code="charge_too_large")
    customer = make_customer()
    stopped = make_payment(customer, purpose="order-7")
    assert (stopped.status, stopped.decline_code) == ("canceled", "charge_too_large") and "To be looked at by" in stopped.reason
    assert Attempt.objects.count() == 0 and make_payment(customer, 400, purpose="order-8").status == "succeeded"
    review = DecisionReview.objects.get(subject="order-7")
    allow_reviewed(review_id=review.pk, reason="they called", actor=CHECKER, at=AT)
    assert make_payment(customer, purpose="order-7", at=AT).status == "succeeded"
    assert all(one.ok for one in check_books())


def test_a_refund_is_held_for_a_second_person_or_kept_cancelled():
    payment = make_payment(purpose="order-3")
    make_live("event.amount_minor > 1000", point="refund", effect="hold", code="refund_large")
    assert ask_refund(payment, 900).status == "approved"
    assert ask_refund(payment, 1_100).status == "requested"
    make_listed("blocked", "buyer", payment.customer.public_id, absolute=True)
    blocked = ask_refund(payment, 200)
    assert (blocked.status, blocked.code) == ("canceled", "listed_blocked")
    assert Decision.objects.filter(point="refund").count() == 3  # a block stays on record


def test_what_could_not_be_judged_in_billing_goes_to_a_person_and_is_judged_later(monkeypatch):
    payment = make_payment(purpose="order-3")
    make_live("event.amount_minor > 100", point="refund", effect="review", code="refund_seen")
    make_live("event.amount_minor > 100", point="charge", effect="review", code="charge_seen")
    with monkeypatch.context() as broken:
        broken.setattr(operations, "values_of", lambda *a, **k: 1 / 0)
        assert ask_refund(payment, 900).status == "requested"
        made = make_payment(purpose="order-9")
    assert made.status == "succeeded" and Decision.objects.count() == 0
    while relay(at=AT):
        pass
    assert sorted(Decision.objects.values_list("point", "code")) == [("charge", "charge_seen"), ("refund", "refund_seen")]
