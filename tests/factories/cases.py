"""Cases for tests, made through the verbs."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor, staff
from backoffice.kit.outbox import relay
from fraud.cases.models import Case, CaseDecision
from fraud.cases.operations import (
    Fired,
    Wish,
    approve_case_decision,
    claim_case,
    close_case,
    decide_case,
    draft_report,
    freeze_report,
    raise_alert,
    write_note,
)
from fraud.decisions.models import Decision
from fraud.decisions.operations import Question
from fraud.decisions.operations import decide as decide_on
from fraud.exposure.operations import snapshot_exposure
from fraud.policies.operations import approve_fraud_policy, in_force, propose_fraud_policy
from payouts.holds.models import Hold
from payouts.holds.operations import place_hold
from payouts.sellers.models import Seller
from tests.factories.fraud import AT, ROBOT, happening
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller, make_staff

_numbers = itertools.count(1)


def person(role: str) -> Actor:
    """Return a member of staff of a role, as an actor."""
    return staff(make_staff(role).pk)


def make_alert(seller: Seller | None = None, *, at: datetime = AT, **over: Any) -> Any:
    """Return an alert by a person about a seller (a fresh one where none is given)."""
    subject = over.pop("subject", None) or (seller or make_seller()).public_id
    facts: dict[str, Any] = {
        "source": "person", "reference": f"test:{next(_numbers)}", "code": "test", "text": "Something fired.", "amount_minor": 20_000, "currency": "EUR",
    }  # fmt: skip
    return raise_alert(fired=Fired(subject, **(facts | over)), actor=ROBOT, at=at)


def make_case(analyst: Actor | None = None, seller: Seller | None = None, *, at: datetime = AT, **over: Any) -> Case:
    """Return a case with one alert, in the hands of an analyst where one is given."""
    case = make_alert(seller, at=at, **over).case
    return claim_case(case_id=case.pk, actor=analyst, at=at) if analyst else case


def decide(
    case: Case, kind: str, analyst: Actor, *, at: datetime = AT, reason: str = "looked at it", **over: Any
) -> CaseDecision:
    """Return a decision of a case, done or waiting."""
    return decide_case(
        case_id=case.pk, wish=Wish(kind, **over), reason=reason, actor=analyst, at=at, key=f"decide:{next(_numbers)}"
    )


def decide_on_sale(seller: Seller, *, at: datetime = AT, **over: Any) -> Decision:
    """Return the decision on a sale of a seller we know."""
    event = happening(seller=seller.public_id, at=at, **over)
    return decide_on(question=Question(event, event.ref, event.ref, seller=seller), actor=ROBOT, at=at)


def deliver(at: datetime) -> None:
    """Let the outbox deliver what was told."""
    while relay(at=at):
        pass


REPORTER = {
    "rentity_id": 4711, "rentity_branch": "", "currency_local": "EUR",
    "person": {"first_name": "Ada", "last_name": "Officer", "occupation": "Reporting officer"},
    "address": {"address_type": "B", "address": "1 Rue de la Paix", "city": "Paris", "country_code": "FR"},
    "indicators": ["FRAUD", "MULE-1"],
}  # fmt: skip


def name_reporter(maker: Actor, checker: Actor, *, at: datetime = AT) -> None:
    """Put into the policy who reports, by two people."""
    asked = propose_fraud_policy(kind="reports", content=REPORTER, reason="our officer", actor=maker, at=at)
    approve_fraud_policy(policy_id=asked.pk, actor=checker, at=at)


def furnish_cases(seller: Seller, maker: Actor, checker: Actor, *, at: datetime) -> Case:
    """Leave one of everything: a case being worked on with a note, a paper and decisions done and waiting, a closed one, a frozen report, a night."""
    name_reporter(maker, checker, at=at)
    give_money(seller, 1_000, currency="EUR", at=at)
    case = make_case(checker, seller, at=at)
    write_note(case_id=case.pk, text="Called, nobody answered.", actor=checker, at=at)
    decide(case, "pause", checker, at=at, seller_text="Payouts stand still while we look.")
    large = place_hold(
        seller_id=seller.pk, currency="EUR", amount_minor=100, code="x", reason="A look.", seller_text="We look.", owner="risk", actor=checker,
        key=f"furnish:{seller.pk}", at=at,
    )  # fmt: skip
    done = decide(case, "release", checker, at=at, target=Hold.objects.filter(seller=seller, kind="pause").latest("pk").public_id)
    if done.state == "waiting":
        approve_case_decision(decision_id=done.pk, actor=maker, at=at)
    content = in_force("cases").content
    asked = propose_fraud_policy(kind="cases", content=content | {"alone_minor": {}}, reason="strict", actor=maker, at=at)
    approve_fraud_policy(policy_id=asked.pk, actor=checker, at=at)
    decide(case, "release", checker, at=at, target=large.public_id)
    report = draft_report(case_id=case.pk, actor=maker, at=at)
    freeze_report(report_id=report.pk, actor=maker, at=at)
    closed = make_case(maker, at=at)
    close_case(case_id=closed.pk, label="false_alarm", reason="A birthday sale.", actor=maker, at=at)
    snapshot_exposure(actor=ROBOT, at=at)
    return case
