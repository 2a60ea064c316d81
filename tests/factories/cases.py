"""Cases for tests, made through the verbs."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor, staff
from backoffice.kit.outbox import relay
from fraud.cases.models import Case, CaseDecision
from fraud.cases.operations import Fired, Wish, claim_case, decide_case, raise_alert
from fraud.decisions.models import Decision
from fraud.decisions.operations import Question
from fraud.decisions.operations import decide as decide_on
from payouts.sellers.models import Seller
from tests.factories.fraud import AT, ROBOT, happening
from tests.factories.sellers import make_seller, make_staff

_numbers = itertools.count(1)


def person(role: str) -> Actor:
    """Return a member of staff of a role, as an actor."""
    return staff(make_staff(role, f"{role}-{next(_numbers)}@example.com").pk)


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
