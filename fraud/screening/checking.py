"""One check of one party: ask with no transaction open, then record the answer, unless the party changed meanwhile."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import transaction

from backoffice.kit.actors import Actor
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.transactions import in_transaction
from fraud.screening import editions
from fraud.screening.finding import apply_found, settle_party
from fraud.screening.matching.matcher import unscreenable
from fraud.screening.models import Check, CheckResult, Party, ScreeningPolicy, Trigger
from fraud.screening.parties import facts_of, make_due
from fraud.screening.policy import policy_in_force
from fraud.screening.provider import Answer, Provider, provider
from fraud.screening.states import PartyState

RETRY_FIRST_SECONDS, RETRY_MAX_SECONDS = 60, 6 * 3600
declare("screening_asked")


def check_party(party_id: int, *, actor: Actor, at: datetime) -> Check | None:
    """Ask the provider about a party and record what it said; None when the party changed meanwhile and stays due.

    A provider outside this process is never asked inside a transaction: the party then stays due for the worker.
    """
    party = Party.objects.get(pk=party_id)
    asked = provider()
    if asked.remote and in_transaction():
        return None
    policy, facts = policy_in_force(), facts_of(party)
    started = time.perf_counter()
    answer = asked.ask(facts.query(), float(policy.threshold))
    microseconds = int((time.perf_counter() - started) * 1_000_000)
    failpoint("screening_asked")
    problem = unscreenable(facts.names)
    with transaction.atomic():
        if asked.remote:
            editions.hold_still()
        locked = Party.objects.select_for_update().get(pk=party_id)
        if locked.fingerprint != party.fingerprint:
            return None
        check = _record(locked, asked, policy, answer, problem, microseconds, actor, at)
        if asked.remote and not answer.failed and answer.versions.get(editions.NAME) != editions.number_in_use():
            make_due(locked, trigger=Trigger.LIST, actor=actor, at=at)  # its lists moved on while it was asked
        return check


def _record(
    party: Party,
    asked: Provider,
    policy: ScreeningPolicy,
    answer: Answer,
    problem: str,
    microseconds: int,
    actor: Actor,
    at: datetime,
) -> Check:
    result = result_of(answer, problem)
    check = Check.objects.create(
        party=party, party_fingerprint=party.fingerprint, trigger=party.trigger, provider=asked.name, versions=answer.versions,
        policy=policy, result=result, problem=answer.failed or problem, hits=len(answer.found), duration_us=microseconds,
        actor=str(actor), at=at,
    )  # fmt: skip
    if answer.failed:
        _try_later(party, answer.failed, at)
        settle_party(party, answer=PartyState.FAILED, actor=actor, at=at, code=answer.failed)
        return check
    apply_found(party=party, found=answer.found, check=check, policy=policy, actor=actor, at=at)
    party.problem, party.covers, party.screened_at = problem, answer.versions, at
    party.due_since = party.next_try_at = None
    party.tries = 0
    party.save(update_fields=["problem", "covers", "screened_at", "due_since", "next_try_at", "tries"])
    settle_party(party, answer=PartyState.NOT_SCREENABLE if problem else PartyState.CLEAN, actor=actor, at=at, code=problem)
    return check


def result_of(answer: Answer, problem: str) -> str:
    if answer.failed:
        return CheckResult.FAILED
    if answer.found:
        return CheckResult.HIT
    return CheckResult.NOT_SCREENABLE if problem else CheckResult.CLEAN


def _try_later(party: Party, problem: str, at: datetime) -> None:
    pause = min(RETRY_MAX_SECONDS, RETRY_FIRST_SECONDS * 2 ** min(party.tries, 12))
    party.tries = min(party.tries + 1, 1_000)
    party.problem, party.due_since, party.next_try_at = problem, party.due_since or at, at + timedelta(seconds=pause)
    party.save(update_fields=["tries", "problem", "due_since", "next_try_at"])
