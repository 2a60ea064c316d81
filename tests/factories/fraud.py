"""Rules, listed values and decisions for tests, made through the verbs."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from backoffice.kit.actors import Actor, staff, system
from fraud.decisions.models import Decision
from fraud.decisions.operations import Question, decide
from fraud.decisions.testing import ask_backtest
from fraud.decisions.working import replay_decisions
from fraud.features.models import Point
from fraud.features.recording import Happening
from fraud.lists.models import ListedValue
from fraud.lists.operations import approve_listed, list_value
from fraud.model.asked import ask_training
from fraud.model.models import ModelVersion
from fraud.model.operations import approve_model, keep_model
from fraud.model.scoring import Formula, Input
from fraud.model.training import Trained
from fraud.rules.models import RuleVersion
from fraud.rules.operations import Wording, approve_rule, ask_for_approval, draft_rule, go_live, start_shadow
from tests.factories.earnings import make_line, record
from tests.factories.sellers import make_seller

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROBOT = system("test")
MAKER, CHECKER = staff(901), staff(902)
_numbers = itertools.count(1)


def wording(expression: str = "event.amount_minor > 100000", **over: Any) -> Wording:
    facts: dict[str, Any] = {
        "effect": "hold", "score": 0, "code": "large_amount", "operator_text": "The amount is large for this seller.",
        "seller_text": "We are looking at this.", "expected_basis_points": 10_000, "daily_ceiling": 1_000_000,
    }  # fmt: skip
    return Wording(expression=expression, **(facts | over))


def make_draft(
    expression: str = "event.amount_minor > 100000", *, point: str = Point.SALE, name: str = "", **over: Any
) -> RuleVersion:
    name = name or f"rule-{next(_numbers)}"
    return draft_rule(name=name, point=point, wording=wording(expression, **over), actor=MAKER, at=AT - timedelta(days=3))


def make_shadow(expression: str = "event.amount_minor > 100000", **over: Any) -> RuleVersion:
    version = make_draft(expression, **over)
    return start_shadow(version_id=version.pk, actor=MAKER, at=AT - timedelta(days=2))


def make_live(expression: str = "event.amount_minor > 100000", **over: Any) -> RuleVersion:
    """Return a version that went the whole way, by two people."""
    version = make_shadow(expression, **over)
    ask_for_approval(version_id=version.pk, tried={"asked": 0, "hits": 0}, actor=MAKER, at=AT)
    approve_rule(version_id=version.pk, actor=CHECKER, at=AT)
    return go_live(version_id=version.pk, actor=CHECKER, at=AT)


def make_listed(list: str, kind: str, value: str, *, at: datetime = AT, by: Actor = MAKER, **over: Any) -> ListedValue:
    facts: dict[str, Any] = {"reason": "known from before"} | over
    if list == "allowed":
        facts.setdefault("expires_at", at + timedelta(days=30))
    row = list_value(list=list, kind=kind, value=value, actor=by, at=at, **facts)
    return approve_listed(listed_id=row.pk, actor=CHECKER, at=at) if list == "allowed" else row


def make_model(*, live: bool = True, review_from: int = 500, at: datetime = AT) -> ModelVersion:
    """Return a model that looks at the amount and the buyer's pace, put live by two people."""
    inputs = (Input("event.amount_minor", "log1p", 8.0, 1.0, 3.0), Input("buyer.count_24h", "log1p", 1.0, 0.5, 2.0))
    table = [{"from": 500, "alerts": 4, "alerts_per_day": 1.0, "precision": 0.5, "recall": 0.5}]
    measured = {"auc": 0.9, "average_precision": 0.5, "guessing": 0.02, "rows": 10, "frauds": 1, "table": table} | table[0]
    trained = Trained(Formula(-4.0, inputs), review_from, "test", AT - timedelta(days=9), AT, AT, 10, 1, measured)
    version = keep_model(trained=trained, actor=MAKER, at=at)
    return approve_model(model_id=version.pk, actor=CHECKER, at=at) if live else version


def furnish() -> Decision:
    """Make a row of everything the screens of decisions show; return a decision that was held."""
    make_model()
    version = make_live("event.amount_minor > 1000", name="furnished", reserve_basis_points=1_000, reserve_days=30)
    ask_training(days=30, label_delay_days=7, actor=MAKER, at=AT)
    seller = make_seller()
    record(make_line(seller), at=AT)
    make_listed("watched", "buyer", "b1")
    decision = ask(seller=seller)
    ask_backtest(version_id=version.pk, days=5, actor=MAKER, at=AT)
    replay_decisions(at=AT)
    return decision


def happening(**over: Any) -> Happening:
    facts: dict[str, Any] = {
        "ref": f"test:{next(_numbers)}", "kind": Point.SALE, "at": AT, "amount_minor": 5_000, "currency": "EUR", "buyer": "b1", "seller": "s1",
    }  # fmt: skip
    return Happening(**(facts | over))


def ask(
    *, at: datetime | None = None, seller: Any = None, payee: Any = None, passing: dict[str, str] | None = None, **over: Any
) -> Decision:
    """Return the decision on one sale."""
    event = happening(**over)
    question = Question(event, event.ref, event.ref, seller=seller, payee=payee, passing=passing or {})
    return decide(question=question, actor=ROBOT, at=at or event.at)
