"""A new version of a list goes over the parties: only what it brought is compared, and only whom that concerns is screened again."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from backoffice.kit.actors import system
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.states import transition
from backoffice.kit.transactions import durable
from fraud.screening.checking import check_party
from fraud.screening.finding import BLOCKING, reopen, resettle
from fraud.screening.local_index import compared, matcher_of
from fraud.screening.matching.matcher import Matcher
from fraud.screening.models import Clearance, Hit, ListEntry, Party, ScreeningPass, Trigger
from fraud.screening.parties import facts_of, make_all_due
from fraud.screening.policy import policy_in_force
from fraud.screening.states import PASS, HitState, PartyState, PassState

PAGE = 500
WORKER = system("screening")
_ANSWERED = (PartyState.CLEAN, PartyState.HITS, PartyState.NOT_SCREENABLE)
declare("screening_page")


@durable
def work(*, at: datetime, seconds: float = 25.0) -> dict[str, int]:
    """End clearances whose time is over, take new list versions over the parties, screen who is due; return how many of each.

    Stops after about `seconds`; what is left is found by the next call. May run beside itself: pages and parties are locked one by one.
    """
    until = time.monotonic() + seconds
    done = {"clearances_ended": end_clearances(at=at), "looked_at": 0, "screened": 0, "failed": 0}
    for run_id in list(ScreeningPass.objects.filter(state=PassState.RUNNING).order_by("pk").values_list("pk", flat=True)):
        done["looked_at"] += _take_over(run_id, at, until)
    for party_id in _due(at):
        if time.monotonic() > until:
            break
        check = check_party(party_id, actor=WORKER, at=at)
        if check is not None:
            done["failed" if check.result == "failed" else "screened"] += 1
    return done


def _due(at: datetime) -> list[int]:
    rows = Party.objects.filter(next_try_at__lte=at).order_by("next_try_at", "pk")
    return list(rows.values_list("pk", flat=True)[:10_000])


def end_clearances(*, at: datetime) -> int:
    """Put hits before people again whose clearance has expired; return how many."""
    ended = 0
    for hit_id in _clearances_over(at):
        with transaction.atomic():
            party = Party.objects.select_for_update().get(hits__pk=hit_id)
            hit = Hit.objects.select_for_update().get(pk=hit_id)
            still = Clearance.objects.filter(hit=hit, ended_at__isnull=True, expires_at__lte=at).exists()
            if still and hit.state == HitState.CLEARED:
                reopen(hit, because="expired", actor=WORKER, at=at)
                resettle(party, actor=WORKER, at=at, code="clearance_expired")
                ended += 1
    return ended


def _clearances_over(at: datetime) -> list[int]:
    """Return the hits whose clearance has expired; those of erased parties stay as they were judged."""
    over = Clearance.objects.filter(ended_at__isnull=True, expires_at__lte=at).exclude(hit__party__state=PartyState.ERASED)
    return list(over.values_list("hit_id", flat=True))


def _take_over(run_id: int, at: datetime, until: float) -> int:
    """Take one version over the parties, page by page; each page is one commit with the cursor."""
    run = ScreeningPass.objects.select_related("version__list").get(pk=run_id)
    brought = ListEntry.objects.filter(since=run.version)
    # weighed as in the whole list, so that the difference and the whole agree on every score
    delta = Matcher(compared(brought), matcher_of(run.version).index.rarity)
    ended = set(ListEntry.objects.filter(until=run.version).values_list("source_id", flat=True))
    threshold = float(policy_in_force().threshold)
    looked_at = 0
    while time.monotonic() < until:
        with transaction.atomic():
            count = _page(run_id, delta, ended, threshold, at)
        failpoint("screening_page")
        if count is None:
            break
        looked_at += count
    return looked_at


def _page(run_id: int, delta: Matcher, ended: set[str], threshold: float, at: datetime) -> int | None:
    run = ScreeningPass.objects.select_for_update().select_related("version__list").get(pk=run_id)
    if run.state == PassState.DONE:
        return None
    parties = list(Party.objects.select_for_update().filter(pk__gt=run.cursor).order_by("pk")[:PAGE])
    erased = {party.pk for party in parties if party.state == PartyState.ERASED}
    if not parties:
        run.done_at = at
        run.save(update_fields=["done_at"])
        transition(PASS, run, PassState.DONE, actor=WORKER, at=at)
        return None
    name, number = run.version.list.name, run.version.number
    concerned = _concerned([party for party in parties if party.pk not in erased], delta, ended, name, threshold)
    make_all_due(Party.objects.filter(pk__in=concerned), trigger=Trigger.LIST, actor=WORKER, at=at)
    _cover([party.pk for party in parties if party.pk not in concerned], name, number)
    run.cursor = parties[-1].pk
    run.looked_at += len(parties)
    run.affected += len(concerned)
    run.save(update_fields=["cursor", "looked_at", "affected"])
    return len(parties)


def _concerned(parties: list[Party], delta: Matcher, ended: set[str], list_name: str, threshold: float) -> set[int]:
    """Return whom the new version concerns: who resembles what it brought, and who has a hit on what it changed or removed."""
    met = Hit.objects.filter(
        party__in=parties, list_name=list_name, source_id__in=ended, state__in=[*BLOCKING, HitState.CLEARED]
    ).values_list("party_id", flat=True)
    found = set(met)
    return found | {party.pk for party in parties if party.pk not in found and delta.match(facts_of(party).query(), threshold)}


def _cover(party_ids: list[int], list_name: str, number: int) -> None:
    """Note that these parties were compared with a version. Those without an answer are not: they are due as a whole."""
    facts: dict[str, Any] = {"ids": party_ids, "list": list_name, "number": number, "states": [str(state) for state in _ANSWERED]}
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE fraud_party SET covers = covers || jsonb_build_object(%(list)s::text, %(number)s::int)
                WHERE id = ANY(%(ids)s) AND state = ANY(%(states)s)""",
            facts,
        )
