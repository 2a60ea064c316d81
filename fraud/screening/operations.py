"""Verbs of screening: ask about a party, look a name up. Loading, judging, the policy and the worker's round are named here too."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import transaction

from backoffice.kit.actors import Actor
from fraud.screening.checking import check_party, result_of
from fraud.screening.editions import watch_server
from fraud.screening.erasing import erase_parties
from fraud.screening.finding import BLOCKING
from fraud.screening.judging import approve_clearance, clear_hit, confirm_hit, refuse_clearance, reopen_hit
from fraud.screening.loading import load_list
from fraud.screening.matching.matcher import problem_sentence, unscreenable
from fraud.screening.models import Check, Hit, Party, Trigger
from fraud.screening.parties import checked_facts, make_due, register_party
from fraud.screening.passes import work
from fraud.screening.policy import adopt_policy, policy_in_force, propose_policy, refuse_policy
from fraud.screening.provider import FAILURES, provider
from fraud.screening.states import PartyState

__all__ = [
    "adopt_policy",
    "approve_clearance",
    "clear_hit",
    "confirm_hit",
    "erase_parties",
    "load_list",
    "look_up",
    "propose_policy",
    "refuse_clearance",
    "refuse_policy",
    "register",
    "reopen_hit",
    "screen_again",
    "screen_party",
    "watch_server",
    "work",
]


@dataclass(frozen=True, slots=True)
class HitSummary:
    """A hit that blocks, for the page of whoever asked."""

    id: str
    list_name: str
    source_id: str
    listed_name: str
    score: str
    strong: bool
    state: str


@dataclass(frozen=True, slots=True)
class ScreeningResult:
    """`state` is clean, hits, not_screenable or failed; everything but clean means that nothing may be built on this party yet."""

    state: str
    hits: list[HitSummary] = field(default_factory=list)
    problem: str = ""
    sentence: str = ""


def register(
    *,
    subject: str,
    kind: str,
    names: Sequence[str],
    birth_on: date | None,
    countries: Sequence[str],
    identifiers: Mapping[str, str],
    actor: Actor,
    at: datetime,
    told_by: str = "room",
) -> Party:
    """Keep what is known of a party, for verbs that are inside a transaction: the worker screens it, and tells `screening.changed`.

    `subject` is its public id, `kind` person or entity. The same facts again change nothing. Refuses: PartyInvalid.
    """
    facts = checked_facts(kind=kind, names=names, birth_on=birth_on, countries=countries, identifiers=identifiers)
    return register_party(subject=subject, facts=facts, told_by=told_by, actor=actor, at=at)


def screen_party(
    *,
    subject: str,
    kind: str,
    names: Sequence[str],
    birth_on: date | None,
    countries: Sequence[str],
    identifiers: Mapping[str, str],
    actor: Actor,
    at: datetime,
) -> ScreeningResult:
    """Keep a party and screen it now when it is new, changed or without an answer; else answer where it stands.

    Tells `screening.changed` when its state moves. Inside a transaction a server elsewhere is not asked: the answer then is failed, with the
    problem asked_later, and the worker's follows. Refuses: PartyInvalid.
    """
    party = register(
        subject=subject,
        kind=kind,
        names=names,
        birth_on=birth_on,
        countries=countries,
        identifiers=identifiers,
        actor=actor,
        at=at,
    )
    if party.state in (PartyState.DUE, PartyState.FAILED):
        check_party(party.pk, actor=actor, at=at)
        party.refresh_from_db()
    return result_for(party)


def screen_again(*, party_id: int, actor: Actor, at: datetime) -> ScreeningResult:
    """Screen a party because somebody asked."""
    with transaction.atomic():
        party = Party.objects.select_for_update().get(pk=party_id)
        make_due(party, trigger=Trigger.ASKED, actor=actor, at=at)
    check_party(party_id, actor=actor, at=at)
    party.refresh_from_db()
    return result_for(party)


def result_for(party: Party) -> ScreeningResult:
    """Return where a party stands, with the hits that block it."""
    if party.state == PartyState.DUE:
        return ScreeningResult(PartyState.FAILED, problem="asked_later", sentence=FAILURES["asked_later"])
    rows = Hit.objects.filter(party=party, state__in=BLOCKING).order_by("-score", "pk")
    hits = [
        HitSummary(hit.public_id, hit.list_name, hit.source_id, hit.listed_name, str(hit.score), hit.strong, hit.state)
        for hit in rows
    ]
    sentence = FAILURES.get(party.problem) or problem_sentence(party.problem)
    return ScreeningResult(str(party.state), hits, party.problem, sentence)


def look_up(
    *, name: str, actor: Actor, at: datetime, birth_on: date | None = None, countries: Sequence[str] = (), kind: str = "unknown"
) -> dict[str, Any]:
    """Compare one name with the lists, without making anybody a party; the check is kept, the name is not. Refuses: PartyInvalid."""
    facts = checked_facts(kind="entity", names=[name], birth_on=birth_on, countries=countries, identifiers={})
    policy, asked = policy_in_force(), provider()
    query = facts.query()
    started = time.perf_counter()
    answer = asked.ask(type(query)(query.names, kind, birth_on, query.countries, ()), float(policy.threshold))
    microseconds = int((time.perf_counter() - started) * 1_000_000)
    problem = unscreenable([name])
    check = Check.objects.create(
        trigger=Trigger.ASKED, provider=asked.name, versions=answer.versions, policy=policy, result=result_of(answer, problem),
        problem=answer.failed or problem, hits=len(answer.found), duration_us=microseconds, actor=str(actor), at=at,
    )  # fmt: skip
    hits = [
        {
            "list": one.list_name,
            "entry": one.source_id,
            "name": one.listed_name,
            "score": one.score,
            "strong": one.score >= float(policy.strong_threshold),
            "why": [{"code": factor.code, "points": factor.points, "sentence": factor.sentence} for factor in one.factors],
            "listed": one.listed,
        }
        for one in answer.found
    ]
    return {
        "id": check.public_id,
        "result": str(check.result),
        "problem": check.problem,
        "sentence": FAILURES.get(check.problem) or problem_sentence(check.problem),
        "threshold": float(policy.threshold),
        "policy": policy.version,
        "versions": answer.versions,
        "milliseconds": microseconds / 1000,
        "hits": hits,
    }
