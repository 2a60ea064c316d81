"""Velocity at decision time: one statement over the wing's own events, the same values the window engine gives in a back-test.

Each subject's sales are read once for all its windows, as far back as the longest goes; what is told apart (different buyers, devices …) by the
last time each was seen, and only as far back as that is asked.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from backoffice.kit.statements import one_row
from fraud.features.catalogue import SUBJECTS, WINDOWS, of_source
from fraud.features.models import FraudEvent
from fraud.features.windows import Ask

_TOLD = ("labels", "fraud_rate")
# The event itself and those that arrived before it.
_SALES = "fraud_fraudevent e WHERE e.kind = 'sale' AND e.id <= %(upto)s AND"
_LABELS = "fraud_fraudlabel e WHERE"


@dataclass(slots=True)
class _Part:
    """One sub-select: its columns, gathered into an array, and which feature is read from which of them."""

    source: str
    columns: list[str] = field(default_factory=list)
    readings: list[tuple[str, int, bool]] = field(default_factory=list)

    def read(self, ask: Ask, *columns: str) -> None:
        self.readings.append((ask.name, len(self.columns), ask.what == "fraud_rate"))
        self.columns.extend(columns)

    def sql(self) -> str:
        return f"(SELECT ARRAY[{', '.join(f'({one})::numeric' for one in self.columns)}] FROM {self.source})"  # noqa: S608 - names from the catalogue


@functools.lru_cache(maxsize=256)
def _statement(names: frozenset[str], subjects: frozenset[str]) -> tuple[str, tuple[_Part, ...]]:
    """Return the statement and its parts, for an event that has these subjects."""
    parts: list[_Part] = []
    for subject in SUBJECTS:
        asks = [Ask.of(one) for one in of_source(names, "events") if one.subject == subject and subject in subjects]
        counted = [ask for ask in asks if not ask.other and ask.what not in _TOLD]
        told = [ask for ask in asks if ask.what in _TOLD]
        if counted:
            parts.append(_amounts(subject, counted))
        for other in dict.fromkeys(ask.other for ask in asks if ask.other):
            parts.append(_different(subject, other, [ask for ask in asks if ask.other == other]))
        if told:
            parts.append(_labels(subject, told))
    return f"SELECT {', '.join(part.sql() for part in parts)}" if parts else "", tuple(parts)


def _where(subject: str, time: str, longest: str) -> str:
    # "<> ''" is said for the indexes, which leave such rows out
    return f"e.{subject} = %({subject})s AND e.{subject} <> '' AND e.{time} <= %(at)s AND e.{time} > %(since_{longest})s"


def _longest(asks: Iterable[Ask]) -> str:
    return max((ask.window for ask in asks), key=WINDOWS.__getitem__)


def _amounts(subject: str, asks: list[Ask]) -> _Part:
    longest = _longest(asks)
    part = _Part(f"{_SALES} {_where(subject, 'at', longest)}")
    for ask in asks:
        window = [] if ask.window == longest else [f"e.at > %(since_{ask.window})s"]
        every, mine = _filter(window), _filter([*window, "e.currency = %(currency)s"])
        match ask.what:
            case "count":
                part.read(ask, f"count(*){every}")
            case "sum_amount":
                part.read(ask, f"coalesce(sum(e.amount_minor){mine}, 0)")
            case "mean_amount":
                part.read(ask, f"div(sum(e.amount_minor){mine}, nullif(count(*){mine}, 0))")
            case _:
                part.read(ask, f"coalesce(max(e.amount_minor){mine}, 0)")
    return part


def _filter(conditions: list[str]) -> str:
    return f" FILTER (WHERE {' AND '.join(conditions)})" if conditions else ""


def _different(subject: str, other: str, asks: list[Ask]) -> _Part:
    """Count by the last time each was seen: it is in every window that reaches back so far."""
    longest = _longest(asks)
    seen = f"SELECT max(e.at) AS seen FROM {_SALES} {_where(subject, 'at', longest)} AND e.{other} <> '' GROUP BY e.{other}"  # noqa: S608 - names from the catalogue
    part = _Part(f"({seen}) o")
    for ask in asks:
        part.read(ask, f"count(*){_filter([] if ask.window == longest else [f'o.seen > %(since_{ask.window})s'])}")
    return part


def _labels(subject: str, asks: list[Ask]) -> _Part:
    longest = _longest(asks)
    part = _Part(f"{_LABELS} {_where(subject, 'known_at', longest)}")
    for ask in asks:
        window = [] if ask.window == longest else [f"e.known_at > %(since_{ask.window})s"]
        count = f"count(*){_filter(window)}"
        part.read(ask, *([count] if ask.what == "labels" else [f"count(*){_filter(['e.is_fraud', *window])}", count]))
    return part


def velocity(event: FraudEvent, names: frozenset[str]) -> dict[str, Any]:
    """Return the velocity features among `names` as of an event, with the events that came before it; missing ones are left out.

    What was known is told by the order of arrival, which is that of the ids: a sale that is told late counts for those that come after it.
    """
    subjects = frozenset(subject for subject in SUBJECTS if getattr(event, subject))
    sql, parts = _statement(names, subjects)
    if not sql:
        return {}
    at = event.at.astimezone(UTC)
    facts: dict[str, Any] = {subject: getattr(event, subject) for subject in subjects}
    facts |= {f"since_{window}": at - length for window, length in WINDOWS.items()}
    row = one_row(sql, facts | {"at": at, "upto": event.pk, "currency": event.currency}) or ()
    found: dict[str, Any] = {}
    for part, values in zip(parts, row, strict=True):
        for name, place, is_rate in part.readings:
            if is_rate:
                known = int(values[place + 1])
                found[name] = int(values[place]) / known if known else 0.0
            elif values[place] is not None:
                found[name] = int(values[place])
    return found
