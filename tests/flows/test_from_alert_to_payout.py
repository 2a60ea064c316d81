"""A new seller changes the account and sells in a burst: the payout is held, becomes a case, and two people release it, or one blocks the seller."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from fraud.cases import operations as cases
from fraud.cases.closing import CaseStillHolds
from fraud.cases.models import Case
from fraud.decisions.allowing import AllowingRefused
from fraud.decisions.models import DecisionReview
from fraud.decisions.operations import allow_reviewed
from fraud.features.consuming import pull
from fraud.features.models import FraudLabel
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.operations import settle, work
from payouts.ledger.queries import seller_buckets
from payouts.runs.models import Payout
from payouts.runs.queries import eligibility
from tests.factories.cases import decide, deliver, person
from tests.factories.dispatch import SUBMIT_AT, rails_in, submit
from tests.factories.earnings import make_line, record
from tests.factories.fraud import ROBOT, make_live
from tests.factories.runs import AT, ON, give_money, make_approved_run
from tests.factories.sellers import make_payee, make_seller

pytestmark = pytest.mark.django_db
NOON = SUBMIT_AT + timedelta(hours=3)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Payout]:
    """A payout of 1,200.00 USD that a rule held on its way out, with its alert delivered."""
    with rails_in(tmp_path):
        make_live(
            "seller.age_days < 60 && payee.changes_30d >= 2 && seller.count_24h >= 20", point="payout", code="new_account_and_burst",
            operator_text="A young seller sells in a burst right after changing the account.",
        )  # fmt: skip
        seller = make_seller(currency="USD", country="US")
        make_payee(seller)
        make_payee(seller, at=AT - timedelta(days=6))
        give_money(seller, 120_000)
        burst = [make_line(seller, currency="USD", occurred_at=f"2026-01-21T08:{minute:02d}:00Z") for minute in range(25)]
        record(*burst, at=AT)
        pull(at=AT)
        run = make_approved_run(on=ON, currency="USD")
        submit(run)
        work(at=SUBMIT_AT + timedelta(minutes=5), limit=100)
        deliver(SUBMIT_AT + timedelta(minutes=6))
        yield Payout.objects.get(run=run, seller=seller)


def taken(payout: Payout, role: str = "risk") -> tuple[Case, object]:
    analyst = person(role)
    return cases.claim_next(actor=analyst, at=NOON), analyst


def test_two_people_release_what_a_rule_held_and_it_is_paid(held: Payout) -> None:
    assert (held.status, held.status_code) == ("held", "new_account_and_burst")
    case, analyst = taken(held)
    assert case.seller_id == held.seller_id and case.at_stake == {"USD": 120_000}
    with pytest.raises(AllowingRefused, match="takes two people"):
        allow_reviewed(review_id=DecisionReview.objects.get(subject=held.public_id).pk, reason="fine", actor=analyst, at=NOON)
    with pytest.raises(CaseStillHolds):
        cases.close_case(case_id=case.pk, label="fraud", reason="done", actor=analyst, at=NOON)
    asked = decide(case, "release", analyst, target=held.public_id, at=NOON, reason="Invoices and parcels were shown.")
    held.refresh_from_db()
    assert (asked.state, held.status) == ("waiting", "held"), "one person is not enough"
    cases.approve_case_decision(decision_id=asked.pk, actor=person("lead"), at=NOON)
    submit(held.run, at=NOON + timedelta(minutes=4))
    work(at=NOON + timedelta(minutes=5), limit=100)
    order = PaymentOrder.objects.filter(payout=held).latest("pk")
    settle(order_id=order.pk, actor=ROBOT, at=NOON + timedelta(hours=1))
    held.refresh_from_db()
    assert held.status == "paid"
    cases.close_case(case_id=case.pk, label="false_alarm", reason="A real sale.", actor=analyst, at=NOON)
    assert FraudLabel.objects.filter(source="analyst", is_fraud=False).exists()
    assert [one for one in check_books() if not one.ok] == []


def test_a_blocked_seller_is_told_and_its_money_stays_in_its_balance(held: Payout) -> None:
    case, analyst = taken(held)
    words = "Your account is blocked. Write to support to hear what we need."
    decide(case, "block", analyst, at=NOON, seller_text=words, reason="The same device as a blocked seller.")
    held.refresh_from_db()
    seller = held.seller
    seller.refresh_from_db()
    assert (held.status, seller.status) == ("canceled", "blocked")
    assert seller_buckets([seller.pk])[(seller.pk, "USD")]["available"] == 120_000
    work(at=NOON + timedelta(minutes=5), limit=100)
    assert not PaymentOrder.objects.filter(payout=held, status="settled").exists()
    assert {row.code for row in eligibility(seller.pk, ON, NOON) if row.currency == "USD"} == {"seller_not_active"}
    told = Event.objects.get(type="case.decided", subject=case.public_id)
    assert told.payload["text"] == words and Event.objects.filter(type="seller.status_changed", subject=seller.public_id).exists()
    with pytest.raises(Refusal):
        decide(case, "release", analyst, at=NOON, target=held.public_id)
    cases.close_case(case_id=case.pk, label="fraud", reason="Taken over.", actor=analyst, at=NOON)
    assert [one for one in check_books() if not one.ok] == []
