"""Velocity at decision time: one statement over the wing's own events, the same values the window engine gives in a back-test."""

from __future__ import annotations

import functools
from datetime import UTC
from typing import Any

from django.db import connection

from fraud.features.catalogue import SUBJECTS, WINDOWS, features, of_source
from fraud.features.models import FraudEvent
from fraud.features.windows import Ask

_MONEY = "e.currency = %(currency)s"


@functools.lru_cache(maxsize=256)
def _statement(names: frozenset[str], subjects: frozenset[str]) -> tuple[str, tuple[str, ...]]:
    """Return the statement and the features it answers, for an event that has these subjects."""
    asks = [Ask.of(one) for one in of_source(names, "events") if one.subject in subjects]
    parts: list[str] = []
    columns: list[tuple[str, str]] = []
    for subject in SUBJECTS:
        counted = [ask for ask in asks if ask.subject == subject and ask.what not in ("labels", "fraud_rate")]
        told = [ask for ask in asks if ask.subject == subject and ask.what in ("labels", "fraud_rate")]
        for mine, table, time, where in (
            (counted, "fraud_fraudevent", "at", " AND e.kind = 'sale' AND e.id <= %(upto)s"),
            (told, "fraud_fraudlabel", "known_at", ""),
        ):
            if not mine:
                continue
            alias = f"{subject[0]}{len(parts)}"
            selected = []
            for place, ask in enumerate(mine):
                columns.append((ask.name, f"{alias}.c{place}"))
                selected.append(f"{_aggregate(ask, time)} AS c{place}")
            longest = max(WINDOWS[ask.window] for ask in mine)
            parts.append(
                f"(SELECT {', '.join(selected)} FROM {table} e WHERE e.{subject} = %({subject})s AND e.{subject} <> ''{where}"  # noqa: S608 - names from the catalogue
                f" AND e.{time} <= %(at)s AND e.{time} > %(at)s - interval '{int(longest.total_seconds())} seconds') {alias}"
            )
    if not parts:
        return "", ()
    sql = f"SELECT {', '.join(column for _, column in columns)} FROM {' CROSS JOIN '.join(parts)}"  # noqa: S608 - the same
    return sql, tuple(name for name, _ in columns)


def _aggregate(ask: Ask, time: str) -> str:
    window = f"e.{time} > %(at)s - interval '{int(WINDOWS[ask.window].total_seconds())} seconds'"
    match ask.what:
        case "count" | "labels":
            return f"count(*) FILTER (WHERE {window})"
        case "fraud_rate":
            return (
                f"CASE WHEN count(*) FILTER (WHERE {window}) = 0 THEN 0::float8 ELSE count(*) FILTER (WHERE e.is_fraud AND {window})::float8"
                f" / (count(*) FILTER (WHERE {window}))::float8 END"
            )
        case "distinct":
            return f"count(DISTINCT e.{ask.other}) FILTER (WHERE e.{ask.other} <> '' AND {window})"
        case "sum_amount":
            return f"coalesce(sum(e.amount_minor) FILTER (WHERE {_MONEY} AND {window}), 0)"
        case "mean_amount":
            inside = f"FILTER (WHERE {_MONEY} AND {window})"
            return f"div(sum(e.amount_minor) {inside}, nullif(count(*) {inside}, 0))"
        case _:
            return f"coalesce(max(e.amount_minor) FILTER (WHERE {_MONEY} AND {window}), 0)"


def velocity(event: FraudEvent, names: frozenset[str]) -> dict[str, Any]:
    """Return the velocity features among `names` as of an event, with the events that came before it; missing ones are left out.

    What was known is told by the order of arrival, which is that of the ids: a sale that is told late counts for those that come after it.
    """
    subjects = frozenset(subject for subject in SUBJECTS if getattr(event, subject))
    sql, wanted = _statement(names, subjects)
    if not sql:
        return {}
    facts = {subject: getattr(event, subject) for subject in subjects}
    with connection.cursor() as cursor:
        cursor.execute(sql, facts | {"at": event.at.astimezone(UTC), "upto": event.pk, "currency": event.currency})
        row = cursor.fetchone()
    known = features()
    return {
        name: float(value) if known[name].type == "double" else int(value)
        for name, value in zip(wanted, row, strict=True)
        if value is not None
    }
