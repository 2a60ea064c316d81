"""Verbs of decisions: decide, and make decisions again. The verbs of reviews stand beside and are named here, too."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from backoffice.kit.actors import Actor
from backoffice.kit.statements import insert, one_row
from backoffice.kit.states import born
from backoffice.kit.transactions import composable
from fraud.decisions.holding import want_hold
from fraud.decisions.judging import Verdict, judge
from fraud.decisions.models import Decision, DecisionReview, Outcome, RuleHit
from fraud.decisions.reserving import want_reserve
from fraud.decisions.reviewing import ALLOWED_DAYS, ReasonMissing, ReviewIsClosed, allow_reviewed, lift_reviewed, uphold_reviewed
from fraud.decisions.sockets import alert_raised
from fraud.decisions.states import REVIEW, ReviewState
from fraud.features.catalogue import catalogue_version
from fraud.features.facts import Asked, Values, values_of
from fraud.features.models import FraudEvent, Point
from fraud.features.recording import Happening, write_event
from fraud.lists.operations import LOCK as LISTS_LOCK
from fraud.lists.operations import index_of
from fraud.lists.queries import conditions, said_of
from fraud.model.queries import FEATURE, Loaded, load_model, model_at, said_by
from fraud.rules.policy import policy_version
from fraud.rules.sets import CompiledSet, PointSet, load_set, write_set
from payouts.sellers.models import PayeeAccount, Seller

__all__ = [
    "ALLOWED_DAYS",
    "Question",
    "ReasonMissing",
    "ReviewIsClosed",
    "allow_reviewed",
    "decide",
    "lift_reviewed",
    "replay",
    "uphold_reviewed",
]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the event, whom the outcome concerns, and what is known of the seller and account behind it.

    `passing` are values that are looked up on the lists and kept nowhere: {kind: value}, such as an email address.
    """

    happening: Happening
    subject: str
    key: str
    seller: Seller | None = None
    payee: PayeeAccount | None = None
    passing: Mapping[str, str] = field(default_factory=dict)
    # asked again about what is held already: the same answer is no news
    again: bool = False


@composable
def decide(*, question: Question, actor: Actor, at: datetime) -> Decision:
    """Decide on one event and keep everything the answer was made from; the same key again gives the same decision.

    Tells `decision.<outcome>` for everything but allow, and opens a review for review and hold. Refuses: EventInvalid, EventIsAnother.
    """
    started = time.perf_counter()
    _lock(question)
    standing = _standing(question, at)
    if standing.earlier is not None:
        return Decision.objects.get(pk=standing.earlier)

    rules = _rules(standing.rule_set, at)
    asked = rules.at(question.happening.kind)
    event = write_event(question.happening, at)
    listed, said = _listed(question, event, standing, at)
    model = model_at(event.kind, standing.model)
    values = values_of(
        Asked(event, said, question.seller.pk if question.seller else None, question.payee.pk if question.payee else None),
        asked.names | (model.formula.names if model else frozenset()),
        at=at,
    )
    scored = _scored(model, values, asked)

    verdict = judge(asked, event.kind, values.known, listed, scored)
    decision = _keep(question, event, rules, standing.lists, values, listed, verdict, actor, at, started)
    _keep_hits(decision, asked, at)
    if is_looked_at(decision.point, decision.outcome):
        _open_review(decision, verdict, actor, at)
        want_hold(decision, question.seller, actor, at)
    if not question.again:
        want_reserve(decision, question.seller, actor, at)
    if decision.outcome != Outcome.ALLOW and not (question.again and decision.outcome == Outcome.HOLD):
        alert_raised(decision.subject, decision, at)
    return decision


def _scored(model: Loaded | None, values: Values, asked: PointSet) -> dict[str, Any]:
    """Return what the model says, and let rules name its score."""
    scored = said_by(model, values.known)
    if scored:
        values.known[FEATURE] = scored["score"]
    elif FEATURE in asked.names:
        values.missing[FEATURE] = "too little is known of it" if model else "no model is live"
    return scored


def is_looked_at(point: str, outcome: str) -> bool:
    """Tell whether a person looks: at what is held or questioned, and at a blocked sale, whose money is with us already."""
    return outcome in (Outcome.REVIEW, Outcome.HOLD) or (outcome == Outcome.BLOCK and point == Point.SALE)


_LOCK = """
SELECT pg_advisory_xact_lock_shared(%(lists)s::bigint), pg_advisory_xact_lock(hashtextextended(%(subject)s, 1)),
       pg_advisory_xact_lock(hashtextextended(%(key)s, 2))"""


def _lock(question: Question) -> None:
    """Hold the lists still, and keep the same question, and another one about the same subject, out until this one is answered.

    A change of the lists comes before this decision or after it; each question finds what the other left. A statement of its own: what is
    read behind it is read as of a later moment.
    """
    point = question.happening.kind
    one_row(_LOCK, {"lists": LISTS_LOCK, "subject": f"{point}:{question.subject}", "key": f"{point}:{question.key}"})


class _Standing(NamedTuple):
    """What stands when a decision is made: an earlier answer, the newest rule set, the version of the lists, whether anything is listed,
    the live model's id, and the review that allowed the subject."""

    earlier: int | None
    rule_set: int
    lists: int
    anything_listed: bool
    model: str
    allowed: str | None


_STANDING = """
SELECT (SELECT id FROM fraud_decision WHERE point = %(point)s AND key = %(key)s),
       coalesce((SELECT max(id) FROM fraud_ruleset), 0), coalesce((SELECT max(id) FROM fraud_listsversion), 0),
       EXISTS (SELECT 1 FROM fraud_listedvalue WHERE state = 'active'), coalesce((SELECT public_id FROM fraud_modelversion WHERE state = 'live'), ''),
       (SELECT public_id FROM fraud_decisionreview WHERE point = %(point)s AND subject = %(subject)s AND state = 'allowed' AND allowed_until > %(at)s
         ORDER BY id DESC LIMIT 1)"""


def _standing(question: Question, at: datetime) -> _Standing:
    """Read it in one statement: a decision is mostly round trips."""
    facts = {"point": question.happening.kind, "key": question.key, "subject": question.subject, "at": at}
    return _Standing(*(one_row(_STANDING, facts) or ()))


def _rules(newest: int, at: datetime) -> CompiledSet:
    if not newest:
        # the first decision of an installation without a rule: what was asked of nothing has a name, too
        newest = write_set(actor=Actor("system", "decisions"), at=at, why="no rules yet").pk
    return load_set(newest)


def _listed(
    question: Question, event: FraudEvent, standing: _Standing, at: datetime
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return what is listed of the event's values, and what was allowed before; and {kind: list or ''} for the rules."""
    values: dict[str, set[str]] = {
        "seller": {question.seller.public_id} if question.seller else {event.seller},
        "buyer": {event.buyer},
        "device": {event.device},
        "country": {event.country, question.seller.country if question.seller else ""},
        "email": {question.passing.get("email", ""), question.seller.email if question.seller else ""},
        "phone": {question.passing.get("phone", "")},
        "person": {question.passing.get("person", ""), question.seller.legal_name if question.seller else ""},
    }
    kinds = [kind for kind, found in values.items() if found - {""}] + (["iban"] if event.payee else [])
    found: list[Any] = []
    if standing.anything_listed:
        indexes = {kind: {index_of(kind, one) for one in some if one} for kind, some in values.items() if some - {""}}
        found = conditions(indexes | ({"iban": {event.payee}} if event.payee else {}), at)
    listed = [one.as_json() for one in found]
    if standing.allowed is not None:
        reason = "a person looked at it and allowed it"
        listed.append({"id": standing.allowed, "list": "allowed", "kind": "review", "absolute": False, "reason": reason})
    return listed, said_of(kinds, found)


def _keep(
    question: Question,
    event: FraudEvent,
    rules: CompiledSet,
    lists: int,
    values: Values,
    listed: list[dict[str, Any]],
    verdict: Verdict,
    actor: Actor,
    at: datetime,
    started: float,
) -> Decision:
    held = is_looked_at(event.kind, verdict.outcome)
    made = Decision(
        point=event.kind, key=question.key, event=event, subject=question.subject, seller=event.seller, partner_id=event.partner_id,
        amount_minor=event.amount_minor, currency=event.currency, outcome=verdict.outcome, because=verdict.because, code=verdict.code,
        operator_text=verdict.operator_text, seller_text=verdict.seller_text, score=verdict.score,
        review_on=(at + timedelta(days=verdict.review_days)).date() if held else None,
        rule_set_id=rules.id, policy_version=policy_version(), catalogue_version=catalogue_version(), lists_version=lists,
        features=values.known, missing=values.missing, conditions=listed, results=verdict.results, model=dict(verdict.model), durations=values.durations,
        duration_us=int((time.perf_counter() - started) * 1_000_000), actor=str(actor), decided_at=at,
    )  # fmt: skip
    insert(made)
    return made


def _keep_hits(decision: Decision, asked: PointSet, at: datetime) -> None:
    rows = [
        RuleHit(version_id=member.version_id, decision=decision, is_hit=said["result"] == "hit", counted=member.counted, at=at)
        for member, said in zip(asked.members, decision.results, strict=True)
        if said["result"] != "clean"
    ]
    if rows:
        RuleHit.objects.bulk_create(rows)


def _open_review(decision: Decision, verdict: Verdict, actor: Actor, at: datetime) -> None:
    """Let a person look; a subject that waits already waits once."""
    if DecisionReview.objects.filter(point=decision.point, subject=decision.subject, state=ReviewState.OPEN).exists():
        return
    review = DecisionReview.objects.create(
        decision=decision, point=decision.point, subject=decision.subject, seller=decision.seller, outcome=decision.outcome,
        opened_at=at, due_on=decision.review_on or at.date(),
    )  # fmt: skip
    born(REVIEW, review, actor=actor, at=at, code=verdict.code)


# --- replay ---------------------------------------------------------------------------------------------------------------


def replay(decision: Decision) -> dict[str, Any]:
    """Make one decision again from what it kept; return what differs, which should be nothing."""
    asked = load_set(decision.rule_set_id).at(decision.point)
    model = load_model(decision.model["version"]) if decision.model else None
    again = judge(asked, decision.point, decision.features, decision.conditions, said_by(model, decision.features)).essence()
    was = Verdict(
        decision.outcome,
        decision.because,
        decision.code,
        decision.operator_text,
        decision.seller_text,
        0,
        decision.score,
        decision.results,
        decision.model,
    ).essence()
    again, was = (json.loads(json.dumps(one)) for one in (again, was))
    return {name: {"was": was[name], "again": again[name]} for name in was if was[name] != again[name]}
