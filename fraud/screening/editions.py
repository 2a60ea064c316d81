"""A screening server renews its lists by itself: what its indexes are at is asked again and again, and a change makes every answer old.

The server does not say which entries changed, so everybody it answered about is asked again. An answer is numbered with the edition that was
known before the question. Recording an answer and noting an edition exclude each other, so no answer of an old edition stays for good.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from backoffice.kit.actors import system
from backoffice.kit.transactions import durable
from fraud.screening.models import Party, ServerEdition, Trigger
from fraud.screening.parties import make_all_due
from fraud.screening.provider import provider
from fraud.screening.states import PartyState

NAME = "yente"
CHUNK = 2_000
WORKER = system("screening")
_ANSWERED = (PartyState.CLEAN, PartyState.HITS, PartyState.NOT_SCREENABLE)
# Any number, the same everywhere: recording takes this lock shared, noting an edition takes it alone.
_LOCK = 7_205_003


def latest() -> ServerEdition | None:
    """Return the edition in use of the dataset of the settings."""
    return ServerEdition.objects.filter(dataset=settings.YENTE_DATASET).order_by("-number").first()


def number_in_use() -> int:
    found = latest()
    return found.number if found else 0


def hold_still() -> None:
    """Keep the edition what it is until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])


def stale() -> Any:
    """Return the parties whose answer came from the server before its present edition, or from elsewhere."""
    answered = Party.objects.filter(state__in=_ANSWERED)
    return answered.exclude(covers__contains={NAME: number_in_use()})


@durable
def watch_server(*, at: datetime) -> dict[str, Any]:
    """Ask the server what its lists are at; when they moved on, screen everybody again. Answers the edition, how many became due, or the problem.

    A crash in between goes on with the next call. Without a server there is nothing to watch.
    """
    asked = provider()
    if not asked.remote:
        return {"watched": False}
    said, problem = asked.edition()
    if problem:
        return {"watched": True, "problem": problem}
    number = _note(said, at)
    return {"watched": True, "edition": number, "due": _make_due(number, at)}


def _note(said: str, at: datetime) -> int:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        known = latest()
        if known is not None and known.edition == said:
            ServerEdition.objects.filter(pk=known.pk).update(seen_at=at)
            return known.number
        number = (known.number if known else 0) + 1
        ServerEdition.objects.create(dataset=settings.YENTE_DATASET, number=number, edition=said, since_at=at, seen_at=at)
        return number


def _make_due(number: int, at: datetime) -> int:
    row = ServerEdition.objects.get(dataset=settings.YENTE_DATASET, number=number)
    if row.done_at is not None:
        return 0
    count = 0
    while True:
        with transaction.atomic():
            page = list(stale().select_for_update().order_by("pk").values_list("pk", flat=True)[:CHUNK])
            if not page:
                ServerEdition.objects.filter(pk=row.pk).update(done_at=at, made_due=row.made_due + count)
                return count
            count += make_all_due(Party.objects.filter(pk__in=page), trigger=Trigger.LIST, actor=WORKER, at=at)
