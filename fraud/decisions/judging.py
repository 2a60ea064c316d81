"""From values to an outcome: pure, so that a decision can be made again from what it kept, with the same answer.

allow < review < hold < block. An absolute block beats a time-limited override, that beats a block, that beats rules and score.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fraud.decisions.models import Because, Outcome
from fraud.rules.cel import HIT, UNKNOWN, activation, evaluate
from fraud.rules.models import Effect
from fraud.rules.policy import POLICIES, Policy
from fraud.rules.sets import Member, PointSet

RANK = {Outcome.ALLOW: 0, Outcome.REVIEW: 1, Outcome.HOLD: 2, Outcome.BLOCK: 3}
REVIEW_DAYS = 3
LISTED_BLOCKED, LISTED_WATCHED, NOT_ANSWERABLE, BY_SCORE = "listed_blocked", "listed_watched", "not_answerable", "score"
BY_MODEL = "model_score"
_SELLER_TEXT = "We are looking at this before it goes on. You need to do nothing now; we write when we need something from you."
_BLOCKED_TEXT = "We cannot carry this out. Please write to our support if you think that this is a mistake."


@dataclass(slots=True)
class Verdict:
    """What was decided, why, and what each rule said."""

    outcome: str = Outcome.ALLOW
    because: str = Because.NOTHING
    code: str = ""
    operator_text: str = ""
    seller_text: str = ""
    review_days: int = REVIEW_DAYS
    score: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    model: Mapping[str, Any] = field(default_factory=dict)

    def essence(self) -> dict[str, Any]:
        """Return what a replay compares: everything but how long it took."""
        names = ("outcome", "because", "code", "operator_text", "seller_text", "score")
        said = [{key: value for key, value in one.items() if key != "us"} for one in self.results]
        return {name: getattr(self, name) for name in names} | {"results": said, "model": dict(self.model)}


def judge(
    asked: PointSet,
    point: str,
    values: Mapping[str, Any],
    conditions: Sequence[Mapping[str, Any]],
    model: Mapping[str, Any] | None = None,
) -> Verdict:
    """Ask every rule and weigh the answers. `conditions` are listed values and, of kind `review`, what a person allowed before.

    `model` is what the model said: by itself it asks for a review and for nothing more; a rule that names its score may do more, by two people.
    """
    facts = activation(values)
    verdict = Verdict(model=model or {})
    shared: dict[str, tuple[str, str]] = {}
    answers = [(member, _ask(member, facts, verdict, shared)) for member in asked.members]
    hits = [member for member, said in answers if said == HIT and member.counted]
    unknown = [member for member, said in answers if said == UNKNOWN and member.counted]
    verdict.score = sum(member.score for member in hits)
    _weigh(verdict, hits, unknown, conditions, POLICIES[point])
    return verdict


def _ask(member: Member, facts: Any, verdict: Verdict, shared: dict[str, tuple[str, str]]) -> str:
    started = time.perf_counter()
    said, why, trace = evaluate(member.compiled, facts, shared)
    verdict.results.append(
        {
            "rule": member.name, "version": member.public_id, "number": member.number, "counted": member.counted, "result": said, "why": why,
            "effect": member.effect, "score": member.score if said == HIT else 0, "code": member.code, "trace": [list(one) for one in trace],
            "us": int((time.perf_counter() - started) * 1_000_000),
        }
    )  # fmt: skip
    if said == HIT and member.reserve_basis_points:
        terms = [member.reserve_basis_points, member.reserve_days, member.review_days]
        verdict.results[-1] |= {"reserve": terms, "seller_text": member.seller_text}
    return said


def _weigh(
    verdict: Verdict, hits: list[Member], unknown: list[Member], conditions: Sequence[Mapping[str, Any]], policy: Policy
) -> None:
    """Go down the precedence; the first step that speaks decides."""
    blocked = [one for one in conditions if one["list"] == "blocked"]
    absolute = [one for one in blocked if one["absolute"]]
    allowed = [one for one in conditions if one["list"] == "allowed"]
    of_effect = {effect: [member for member in hits if member.effect == effect] for effect in Effect.values}
    if of_effect[Effect.ABSOLUTE] or absolute:
        _because(verdict, Outcome.BLOCK, Because.ABSOLUTE, of_effect[Effect.ABSOLUTE], absolute, LISTED_BLOCKED)
    elif allowed:
        verdict.because, verdict.code = Because.OVERRIDE, "allowed_for_a_time"
        verdict.operator_text = f"Allowed, whatever the rules say: {allowed[0]['reason']}"
    elif of_effect[Effect.BLOCK] or blocked:
        _because(verdict, Outcome.BLOCK, Because.BLOCK, of_effect[Effect.BLOCK], blocked, LISTED_BLOCKED)
    else:
        _weigh_the_rest(verdict, of_effect, unknown, [one for one in conditions if one["list"] == "watched"], policy)


def _weigh_the_rest(
    verdict: Verdict,
    of_effect: dict[str, list[Member]],
    unknown: list[Member],
    watched: list[Mapping[str, Any]],
    policy: Policy,
) -> None:
    """Take the strongest of: holding and reviewing rules, the score, rules nobody could answer, watched values, the model. Equal ones in this order."""
    scored = sorted((member for members in of_effect.values() for member in members), key=lambda one: -one.score)
    by_score = next((outcome for outcome, least in _thresholds(policy) if verdict.score >= least), Outcome.ALLOW)
    claims: list[tuple[Outcome, Because, list[Member], list[Mapping[str, Any]], str]] = []
    if of_effect[Effect.HOLD]:
        claims.append((Outcome.HOLD, Because.RULE, of_effect[Effect.HOLD], [], ""))
    if of_effect[Effect.REVIEW]:
        claims.append((Outcome.REVIEW, Because.RULE, of_effect[Effect.REVIEW], [], ""))
    if by_score != Outcome.ALLOW:
        claims.append((by_score, Because.SCORE, scored, [], BY_SCORE))
    if unknown:
        claims.append((Outcome(policy.unknown), Because.UNKNOWN, [], [], NOT_ANSWERABLE))
    if watched:
        claims.append((Outcome.REVIEW, Because.WATCHED, [], watched, LISTED_WATCHED))
    if verdict.model and verdict.model["score"] >= verdict.model["review_from"]:
        claims.append((Outcome.REVIEW, Because.MODEL, [], [], BY_MODEL))
    if claims:
        best = max(claims, key=lambda claim: RANK[claim[0]])
        _because(verdict, *best)
        if best[1] == Because.UNKNOWN:
            names = ", ".join(sorted(member.name for member in unknown))
            verdict.operator_text = f"Could not be answered: {names}. What is missing stands with each rule."
        if best[1] == Because.MODEL:
            verdict.operator_text = _explained(verdict.model)


def _explained(model: Mapping[str, Any]) -> str:
    strongest = ", ".join(f"{name} = {value:g}" for name, value, part in model["strongest"][:3] if part > 0)
    return f"The model gives it {model['score']} of 1000, above all because of {strongest or 'nothing in particular'}."


def _thresholds(policy: Policy) -> list[tuple[Outcome, int]]:
    return [(Outcome.BLOCK, policy.block_from), (Outcome.HOLD, policy.hold_from), (Outcome.REVIEW, policy.review_from)]


def _because(
    verdict: Verdict, outcome: Outcome, because: Because, members: list[Member], listed: list[Mapping[str, Any]], code: str
) -> None:
    verdict.outcome, verdict.because = outcome, because
    if members:
        first = members[0]
        verdict.code, verdict.operator_text, verdict.seller_text = first.code, first.operator_text, first.seller_text
        verdict.review_days = min(member.review_days for member in members)
        return
    verdict.code = code
    verdict.operator_text = f"Listed: {listed[0]['reason']}" if listed else ""
    verdict.seller_text = _BLOCKED_TEXT if outcome == Outcome.BLOCK else _SELLER_TEXT
