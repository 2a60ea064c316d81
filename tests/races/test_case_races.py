"""Two people, one case: whoever asks for the next one gets another; one approval releases once; releasing one hold leaves the other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from fraud.cases import operations as cases
from fraud.cases.models import Case
from payouts.holds.operations import place_hold, release_hold
from payouts.ledger.queries import seller_buckets
from tests.factories.cases import decide, make_alert, make_case, person
from tests.factories.fraud import AT
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller
from tests.races.test_run_races import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]


def test_cases_at_the_same_moment() -> None:
    """Several races in one test: what makes a transactional test slow is emptying the tables after it."""
    people = [person("risk") for _ in range(4)]
    lead, other_lead = person("lead"), person("lead")

    sellers = [make_seller() for _ in range(4)]
    same = make_seller()
    alerts = together(*(lambda n=n: make_alert(same, reference=f"r{n}") for n in range(4)))
    assert len({alert.case_id for alert in alerts}) == 1 and Case.objects.get().alerts_count == 4, (
        "one case, however many fire at once"
    )

    for seller in sellers[:3]:
        make_case(seller=seller)
    taken = together(*(lambda one=one: cases.claim_next(actor=one, at=AT) for one in people))
    assert len({case.pk for case in taken}) == 4, "nobody waits, and nobody gets another's"

    seller, analyst = sellers[3], people[0]
    give_money(seller, 300_000, at=AT)
    case = make_case(analyst, seller)
    said = {"code": "x", "reason": "x", "seller_text": "x", "owner": "risk", "currency": "EUR", "actor": analyst, "at": AT}
    one, two = (place_hold(seller_id=seller.pk, amount_minor=60_000, key=f"h{number}", **said) for number in (1, 2))
    asked = decide(case, "release", analyst, target=one.public_id)
    later = AT + timedelta(minutes=1)
    answers = together(
        lambda: cases.approve_case_decision(decision_id=asked.pk, actor=lead, at=later),
        lambda: cases.approve_case_decision(decision_id=asked.pk, actor=other_lead, at=later),
        lambda: release_hold(hold_id=one.pk, actor=other_lead, at=later, reason="by hand"),
        lambda: place_hold(seller_id=seller.pk, amount_minor=70_000, key="h3", **said),
    )
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    assert len(refused) == 2, "of three that release one hold, one does"
    two.refresh_from_db()
    assert two.state == "active" and seller_buckets([seller.pk])[(seller.pk, "EUR")]["reserved"] == 130_000
    assert [verdict for verdict in check_books({1, 2, 3, 6, 15, 16}) if not verdict.ok] == []
