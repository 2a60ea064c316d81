"""Questions about screening: where a party stands, how much is covered, what waits for people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from fraud.screening import editions
from fraud.screening.local_index import current_versions
from fraud.screening.models import Hit, Party, ScreeningPass
from fraud.screening.parties import name_index
from fraud.screening.policy import policy_in_force
from fraud.screening.provider import provider
from fraud.screening.states import HitState, PartyState, PassState

NEVER_SCREENED = "never_screened"


def standing(subject: str) -> str:
    """Return clean, hits, not_screenable or failed; due while a change waits to be screened; never_screened before the first answer."""
    found = Party.objects.filter(subject=subject).values_list("state", "screened_at").first()
    if found is None or (found[0] == PartyState.DUE and found[1] is None):
        return NEVER_SCREENED
    return str(found[0])


def hits_of(subject: str) -> list[dict[str, Any]]:
    """Return the hits of a party as other wings show them: id, list, name, score, state and its words, the strongest first."""
    found = Hit.objects.filter(party__subject=subject).order_by("-score", "pk")
    return [
        {
            "id": hit.public_id,
            "list": hit.list_name,
            "name": hit.listed_name,
            "score": hit.score,
            "state": hit.state,
            "words": hit.get_state_display(),
        }
        for hit in found
    ]


def parties_named(name: str, limit: int = 20) -> QuerySet[Party]:
    """Return the parties that have exactly this name, but for case, accents and spaces; nothing is opened to find them."""
    return Party.objects.filter(name_indexes__contains=[name_index(name)]).order_by("-pk")[:limit]


def hits_to_judge() -> QuerySet[Hit]:
    """Return the hits that wait for a judgement: the strong ones first, then the oldest."""
    return Hit.objects.filter(state=HitState.OPEN).select_related("party").order_by("-strong", "opened_at", "pk")


def overdue(at: datetime) -> QuerySet[Party]:
    """Return the parties that have waited for an answer longer than the policy allows, or whose names nobody can compare."""
    since = at - timedelta(hours=policy_in_force().stale_hours)
    return Party.objects.filter(Q(due_since__lte=since) | Q(state=PartyState.NOT_SCREENABLE))


def stale() -> QuerySet[Party]:
    """Return the parties with an answer that misses the version in use of some list, or of the server's lists."""
    if provider().remote:
        return editions.stale()
    wanted = {version.list.name: version.number for version in current_versions()}
    answered = Party.objects.filter(state__in=[PartyState.CLEAN, PartyState.HITS, PartyState.NOT_SCREENABLE])
    return answered.exclude(covers__contains=wanted) if wanted else answered


def coverage(at: datetime) -> dict[str, Any]:
    """Return the counters: parties in all, by state, overdue and stale, and the passes under way. What is missing is never clean."""
    counted = {str(state): 0 for state in PartyState}
    counted |= dict(Party.objects.values_list("state").annotate(count=Count("pk")).order_by())
    return {
        "parties": sum(counted.values()),
        "due": counted[PartyState.DUE],
        "screened": counted[PartyState.CLEAN] + counted[PartyState.HITS],
        "clean": counted[PartyState.CLEAN],
        "hits": counted[PartyState.HITS],
        "not_screenable": counted[PartyState.NOT_SCREENABLE],
        "failed": counted[PartyState.FAILED],
        "erased": counted[PartyState.ERASED],
        "overdue": overdue(at).count(),
        "stale": 0 if not counted else stale().count(),
        "passes_running": ScreeningPass.objects.filter(state=PassState.RUNNING).count(),
    }
