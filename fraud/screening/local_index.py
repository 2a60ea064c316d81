"""The provider in this process: one matcher for each list, built anew when its version moves on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from django.db.models import Q, QuerySet

from fraud.screening.matching.index import TooManyNames
from fraud.screening.matching.matcher import EntryFacts, Match, Matcher, Query
from fraud.screening.models import ListEntry, ListVersion, entry_shown
from fraud.screening.provider import Answer, Found

_built: dict[int, tuple[int, Matcher]] = {}
_building = threading.Lock()


def current_versions() -> list[ListVersion]:
    """Return the version in use of each list."""
    return list(ListVersion.objects.select_related("list").order_by("list_id", "-number").distinct("list_id"))


def matcher_of(version: ListVersion) -> Matcher:
    """Return the matcher of a version; only the latest asked for of each list is kept. Raises TooManyNames."""
    known = _built.get(version.list_id)
    if known is None or known[0] != version.pk:
        with _building:
            known = _built.get(version.list_id)
            if known is None or known[0] != version.pk:
                known = (version.pk, Matcher(compared(entries_of(version))))
                _built[version.list_id] = known
    return known[1]


def entries_of(version: ListVersion) -> QuerySet[ListEntry]:
    """Return the entries as they stood in a version."""
    still = Q(until__isnull=True) | Q(until__number__gt=version.number)
    return ListEntry.objects.filter(still, list_id=version.list_id, since__number__lte=version.number)


def compared(entries: QuerySet[ListEntry]) -> Iterator[EntryFacts]:
    columns = ("pk", "kind", "name", "aliases", "births", "countries", "identifiers")
    for pk, kind, name, aliases, births, countries, identifiers in entries.values_list(*columns).iterator(chunk_size=5_000):
        names = [(name, False), *((text, weak) for text, weak in aliases)]
        yield EntryFacts(pk, kind, names, tuple(births), tuple(countries), tuple(identifiers))


class LocalIndex:
    """Asks the lists loaded here."""

    name = "index"
    remote = False

    def edition(self) -> tuple[str, str]:
        return "", ""

    def ask(self, query: Query, threshold: float) -> Answer:
        versions = current_versions()
        if not versions:
            return Answer(failed="no_lists")
        matches: list[tuple[str, Match]] = []
        for version in versions:
            try:
                matches += [(version.list.name, match) for match in matcher_of(version).match(query, threshold)]
            except TooManyNames:
                return Answer(failed="list_too_large")
        return Answer(_found(matches), {version.list.name: version.number for version in versions})


def _found(matches: list[tuple[str, Match]]) -> list[Found]:
    rows = ListEntry.objects.in_bulk([match.key for _, match in matches]) if matches else {}
    return [
        Found(
            list_name,
            row.source_id,
            row.pk,
            row.fingerprint,
            entry_shown(row),
            match.listed_name or row.name,
            match.score,
            match.factors,
        )
        for list_name, match in matches
        if (row := rows.get(match.key)) is not None
    ]
