"""Process events: one look at the object answers all of its waiting events.

Claim (commit), look (no transaction open), then in one transaction: the object's lock, the claim again, apply by the allowed moves, mark. So a
crash anywhere repeats a look and never an effect, and ten events in a burst cost one call.
"""

from __future__ import annotations

import json
import logging
import time
import zlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.logs import redacted
from backoffice.kit.states import MoveNotAllowed, transition_set
from backoffice.kit.transactions import durable
from billing.disputes.reading import DisputeUnreadable
from billing.disputes.sockets import gateways
from billing.gateways.port import Answer, Outcome
from billing.webhooks import bodies
from billing.webhooks.appliers import Applier, Effect, NotReady, applier_of
from billing.webhooks.claims import WORKER, Claimed, claim_object, lock_object, still_ours, sweep
from billing.webhooks.models import InboundEvent
from billing.webhooks.states import NOTICE, NoticeState

logger = logging.getLogger(__name__)
declare("notice_claimed", "notice_looked", "notice_applied")

# Seconds until the next try, by why it failed; after the last one a person looks. Stripe sends by itself for three days.
NOT_READY = (2, 4, 8, 15, 30, 60, 120, 300, 600)
BUSY = (5, 10, 30, 60, 120, 300, 600, 1_200, 2_400, 3_600, 3_600, 3_600)
BROKEN = (60, 180, 420, 1_140)


_STATES = {Effect.STALE: NoticeState.STALE, Effect.NOT_OURS: NoticeState.IGNORED}


class ProviderBusy(Exception):
    """The provider could not be asked just now: overloaded, limiting us, or not there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a claim: the state of its last event, and when to try again where it is RETRY."""

    state: NoticeState
    code: str = ""
    error: str = ""
    pauses: tuple[int, ...] = ()


@durable
def work(*, at: datetime, limit: int = 500, seconds: float | None = None) -> dict[str, int]:
    """Sweep, then process what is due until nothing is, the limit or the time is reached; return events by the state they ended in.

    A provider that is busy is left alone until the next call: its other events would only add to its load.
    """
    counts: Counter[str] = Counter()
    counts["swept"] = sweep(at=at)
    paused: set[str] = set()
    until = None if seconds is None else time.monotonic() + seconds
    for _ in range(limit):
        if until is not None and time.monotonic() >= until:
            break
        claimed = claim_object(at=at, paused=frozenset(paused))
        if claimed is None:
            break
        failpoint("notice_claimed")
        verdict = process(claimed, at)
        counts[verdict.state] += len(claimed.events)
        if verdict.code == "provider_busy":
            paused.add(claimed.provider)
    return dict(counts)


def process(claimed: Claimed, at: datetime) -> Verdict:
    """Look at a claimed object once and apply it; whatever happens, its events are marked."""
    applier = applier_of(claimed.kind)
    if applier is None:
        return _close(claimed, Verdict(NoticeState.IGNORED, "not_handled"), at)
    try:
        answer = _look(applier, claimed)
        failpoint("notice_looked")
        return _apply(applier, claimed, answer, at)
    except Exception as problem:  # a marked event waits with its reason; one that is not marked would wait for its lease
        verdict = _verdict_of(problem)
        if verdict.code == "code_error":
            logger.exception("inbound events of %s %s could not be processed", claimed.kind, claimed.object_ref)
        return _close(claimed, verdict, at)


def _look(applier: Applier, claimed: Claimed) -> Answer:
    """Return the object as it is now; raises ProviderBusy, NotReady."""
    if applier.fetch is None:
        body = body_of(InboundEvent.objects.get(pk=claimed.events[-1]))
        return Answer(Outcome.DONE, claimed.object_ref, facts=body["data"]["object"])
    try:
        answer = applier.fetch(gateways.by_name(claimed.provider), claimed.object_ref)
    except Refusal:
        raise
    except OSError as problem:
        raise ProviderBusy(type(problem).__name__) from problem
    if answer.is_absent:
        raise NotReady("the provider does not show it yet")
    if answer.outcome == Outcome.UNKNOWN:
        raise ProviderBusy(answer.code or "no answer")
    if answer.outcome == Outcome.DECLINED and not answer.facts:
        raise NotReady(f"the provider does not show it: {answer.code}")
    return answer


def body_of(event: InboundEvent) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bodies.unpack(event.raw))
    return found


def _apply(applier: Applier, claimed: Claimed, answer: Answer, at: datetime) -> Verdict:
    with transaction.atomic():
        lock_object(claimed.provider, claimed.kind, claimed.object_ref, wait=True)
        if not still_ours(claimed):
            return Verdict(NoticeState.PROCESSING, "taken_over")
        effect = applier.apply(claimed.provider, answer, WORKER, at)
        failpoint("notice_applied")
        state = _STATES.get(effect, NoticeState.PROCESSED)
        verdict = Verdict(state, str(effect))
        _mark(claimed, verdict, at)
    return verdict


def _verdict_of(problem: Exception) -> Verdict:
    """Say what a failure means for the events: when to try again, and under which name."""
    said = redacted(str(problem))[:500]
    if isinstance(problem, NotReady):
        return Verdict(NoticeState.RETRY, "not_ready", said, NOT_READY)
    if isinstance(problem, ProviderBusy):
        return Verdict(NoticeState.RETRY, "provider_busy", said, BUSY)
    if isinstance(problem, MoveNotAllowed):
        return Verdict(NoticeState.RETRY, "illegal_move", said, BROKEN[:2])
    if isinstance(problem, Refusal):
        return Verdict(NoticeState.RETRY, problem.code[:60], said, BROKEN)
    if isinstance(problem, DisputeUnreadable):
        return Verdict(NoticeState.RETRY, "unreadable", said, BROKEN[:1])
    # what our own code says may quote the object, which names people: only its kind is kept
    return Verdict(NoticeState.RETRY, "code_error", type(problem).__name__, BROKEN)


@transaction.atomic
def _close(claimed: Claimed, verdict: Verdict, at: datetime) -> Verdict:
    if not still_ours(claimed):
        return Verdict(NoticeState.PROCESSING, "taken_over")
    return _mark(claimed, verdict, at)


def _mark(claimed: Claimed, verdict: Verdict, at: datetime) -> Verdict:
    """Write what became of the claimed events: the last one carries the answer, its siblings were answered with it."""
    last = claimed.events[-1]
    ended: dict[str, Any] = {"claim": None, "lease_until": None, "code": verdict.code, "last_error": verdict.error}
    if verdict.state != NoticeState.RETRY:
        _move(list(claimed.events[:-1]), NoticeState.COALESCED, at, ended | {"ended_at": at})
        _move([last], verdict.state, at, ended | {"ended_at": at})
        return verdict
    tries = max(InboundEvent.objects.filter(pk__in=claimed.events).values_list("tries", flat=True)) + 1
    ended["tries"] = tries
    if tries > len(verdict.pauses):
        _move(list(claimed.events), NoticeState.DEAD, at, ended | {"ended_at": at})
        return Verdict(NoticeState.DEAD, verdict.code, verdict.error)
    pause = _spread(verdict.pauses[tries - 1], claimed.object_ref, tries)
    _move(list(claimed.events), NoticeState.RETRY, at, ended | {"next_try_at": at + timedelta(seconds=pause)})
    return verdict


def _spread(seconds: int, object_ref: str, tries: int) -> float:
    """Return the pause 20 % longer or shorter, the same for the same object and try, so that a crowd does not come back as one."""
    return seconds * (0.8 + 0.4 * (zlib.crc32(f"{object_ref}:{tries}".encode()) % 1000) / 1000)


def _move(ids: list[int], to: NoticeState, at: datetime, also: dict[str, Any]) -> None:
    if ids:
        given = {"ids": ids}
        code = str(also["code"])
        transition_set(NOTICE, "SELECT unnest(%(ids)s::bigint[]) AS id", given, to, actor=WORKER, at=at, code=code, also=also)
