"""Verbs of decisions: decide, judge a review, make decisions again."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.decisions.allowing import refuse_objections
from fraud.decisions.judging import Verdict, judge
from fraud.decisions.models import Decision, DecisionReview, Outcome, RuleHit
from fraud.decisions.states import REVIEW, ReviewState
from fraud.features.catalogue import catalogue_version
from fraud.features.facts import Asked, Values, values_of
from fraud.features.models import FraudEvent, Point
from fraud.features.recording import Happening, record_event
from fraud.lists.operations import index_of, lock_lists
from fraud.lists.queries import anything_active, conditions, lists_version, said_of
from fraud.rules.policy import policy_version
from fraud.rules.sets import CompiledSet, PointSet, current_set_id, load_set, write_set
from payouts.runs.models import Payout
from payouts.runs.operations import release_payout
from payouts.runs.states import PayoutStatus
from payouts.sellers.models import PayeeAccount, PayeeStatus, Seller
from payouts.sellers.operations import mark_payee_account

ALLOWED_DAYS = 7


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


@composable
def decide(*, question: Question, actor: Actor, at: datetime) -> Decision:
    """Decide on one event and keep everything the answer was made from; the same key again gives the same decision.

    Tells `decision.<outcome>` for everything but allow, and opens a review for review and hold. Refuses: EventInvalid, EventIsAnother.
    """
    started = time.perf_counter()
    # held until the end: a change of the lists comes before this decision or after it
    lock_lists(shared=True)
    earlier = Decision.objects.filter(point=question.happening.kind, key=question.key).first()
    if earlier is not None:
        return earlier

    rules = _rules(at)
    asked = rules.at(question.happening.kind)
    event = record_event(happening=question.happening, at=at)
    listed, said = _listed(question, event, at)
    values = values_of(
        Asked(event, said, question.seller.pk if question.seller else None, question.payee.pk if question.payee else None),
        asked.names,
        at=at,
    )

    verdict = judge(asked, event.kind, values.known, listed)
    decision = _keep(question, event, rules, values, listed, verdict, actor, at, started)
    _keep_hits(decision, asked, at)
    if decision.outcome in (Outcome.REVIEW, Outcome.HOLD):
        _open_review(decision, verdict, actor, at)
    if decision.outcome != Outcome.ALLOW:
        told = {"point": decision.point, "subject": decision.subject, "outcome": decision.outcome, "code": decision.code}
        tell(f"decision.{decision.outcome}", subject=decision.public_id, payload=told, at=at, partner_id=decision.partner_id)
    return decision


def _rules(at: datetime) -> CompiledSet:
    newest = current_set_id()
    if not newest:
        # the first decision of an installation without a rule: what was asked of nothing has a name, too
        newest = write_set(actor=Actor("system", "decisions"), at=at, why="no rules yet").pk
    return load_set(newest)


def _listed(question: Question, event: FraudEvent, at: datetime) -> tuple[list[dict[str, Any]], dict[str, str]]:
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
    if anything_active():
        indexes = {kind: {index_of(kind, one) for one in some if one} for kind, some in values.items() if some - {""}}
        found = conditions(indexes | ({"iban": {event.payee}} if event.payee else {}), at)
    listed = [one.as_json() for one in found]
    allowed = (
        DecisionReview.objects.filter(point=event.kind, subject=question.subject, state=ReviewState.ALLOWED, allowed_until__gt=at)
        .order_by("-pk").first()
    )  # fmt: skip
    if allowed is not None:
        reason = "a person looked at it and allowed it"
        listed.append({"id": allowed.public_id, "list": "allowed", "kind": "review", "absolute": False, "reason": reason})
    return listed, said_of(kinds, found)


def _keep(
    question: Question,
    event: FraudEvent,
    rules: CompiledSet,
    values: Values,
    listed: list[dict[str, Any]],
    verdict: Verdict,
    actor: Actor,
    at: datetime,
    started: float,
) -> Decision:
    held = verdict.outcome in (Outcome.REVIEW, Outcome.HOLD)
    return Decision.objects.create(
        point=event.kind, key=question.key, event=event, subject=question.subject, seller=event.seller, partner_id=event.partner_id,
        amount_minor=event.amount_minor, currency=event.currency, outcome=verdict.outcome, because=verdict.because, code=verdict.code,
        operator_text=verdict.operator_text, seller_text=verdict.seller_text, score=verdict.score,
        review_on=(at + timedelta(days=verdict.review_days)).date() if held else None,
        rule_set_id=rules.id, policy_version=policy_version(), catalogue_version=catalogue_version(), lists_version=lists_version(),
        features=values.known, missing=values.missing, conditions=listed, results=verdict.results, durations=values.durations,
        duration_us=int((time.perf_counter() - started) * 1_000_000), actor=str(actor), decided_at=at,
    )  # fmt: skip


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


# --- reviews --------------------------------------------------------------------------------------------------------------


class ReviewIsClosed(Refusal):
    code = "review_is_closed"
    sentence = "This was judged before: {state}."


class ReasonMissing(Refusal):
    code = "review_reason_missing"
    sentence = "Say why: whoever asks later reads it."


@composable
def allow_reviewed(*, review_id: int, reason: str, actor: Actor, at: datetime) -> DecisionReview:
    """Allow what a decision stopped: the same subject passes for ALLOWED_DAYS, but for an absolute block; a held payout or account is freed.

    Tells `decision.reviewed`. Refuses: NotFound, ReviewIsClosed, ReasonMissing.
    """
    subject = DecisionReview.objects.filter(pk=review_id).values_list("subject", flat=True).first() or ""
    payout = Payout.objects.filter(public_id=subject).values("pk", "seller_id").first()
    if payout is not None:
        # the order of locks: the seller first, then what is his
        Seller.objects.select_for_update(no_key=True).get(pk=payout["seller_id"])
    review = _open(review_id, reason)
    refuse_objections(review=review, actor=actor, at=at)
    review.judged_by, review.judged_at, review.allowed_until = str(actor), at, at + timedelta(days=ALLOWED_DAYS)
    review.save(update_fields=["judged_by", "judged_at", "allowed_until"])
    transition(REVIEW, review, ReviewState.ALLOWED, actor=actor, at=at, reason=reason)
    _free(review, actor, at, reason)
    _reviewed(review, actor, at, reason)
    return review


@composable
def uphold_reviewed(*, review_id: int, reason: str, actor: Actor, at: datetime) -> DecisionReview:
    """Say that a decision was right; what it stopped stays stopped. Tells `decision.reviewed`. Refuses: NotFound, ReviewIsClosed, ReasonMissing."""
    review = _open(review_id, reason)
    review.judged_by, review.judged_at = str(actor), at
    review.save(update_fields=["judged_by", "judged_at"])
    transition(REVIEW, review, ReviewState.UPHELD, actor=actor, at=at, reason=reason)
    _reviewed(review, actor, at, reason)
    return review


def _open(review_id: int, reason: str) -> DecisionReview:
    review = DecisionReview.objects.select_for_update(of=("self",)).select_related("decision").filter(pk=review_id).first()
    if review is None:
        raise NotFound(what="review", ref=review_id)
    if review.state != ReviewState.OPEN:
        raise ReviewIsClosed(state=review.get_state_display())
    if not reason.strip():
        raise ReasonMissing
    return review


def _free(review: DecisionReview, actor: Actor, at: datetime, reason: str) -> None:
    """Let go what stands still because of the decision, and only because of it."""
    if review.point == Point.PAYOUT:
        held = Payout.objects.filter(public_id=review.subject, status=PayoutStatus.HELD, status_code=review.decision.code).first()
        if held is not None:
            release_payout(payout_id=held.pk, actor=actor, at=at, reason=reason)
    if review.point == Point.PAYEE_CHANGE:
        account = PayeeAccount.objects.filter(
            public_id=review.subject, status=PayeeStatus.BLOCKED, status_code=review.decision.code[:20]
        ).first()
        if account is not None:
            mark_payee_account(payee_account_id=account.pk, status=PayeeStatus.ACTIVE, code="", reason=reason, actor=actor, at=at)


def _reviewed(review: DecisionReview, actor: Actor, at: datetime, reason: str) -> None:
    audit.record(
        actor, f"decision.{review.state}", review.decision.public_id, at, reason=reason, facts={"subject": review.subject}
    )
    told = {"decision": review.decision.public_id, "subject": review.subject, "state": str(review.state)}
    tell("decision.reviewed", subject=review.public_id, payload=told, at=at, partner_id=review.decision.partner_id)


# --- replay ---------------------------------------------------------------------------------------------------------------


def replay(decision: Decision) -> dict[str, Any]:
    """Make one decision again from what it kept; return what differs, which should be nothing."""
    asked = load_set(decision.rule_set_id).at(decision.point)
    again = judge(asked, decision.point, decision.features, decision.conditions).essence()
    was = Verdict(
        decision.outcome,
        decision.because,
        decision.code,
        decision.operator_text,
        decision.seller_text,
        0,
        decision.score,
        decision.results,
    ).essence()
    again, was = (json.loads(json.dumps(one)) for one in (again, was))
    return {name: {"was": was[name], "again": again[name]} for name in was if was[name] != again[name]}
