"""Lists, parties and hits for tests, made through the verbs; names are invented."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from backoffice.kit.actors import system
from fraud.screening.loading import Loaded, load_list
from fraud.screening.models import Hit, Party
from fraud.screening.operations import register, screen_party, work

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROBOT = system("test")
HEAD = "source_id,name,kind,aliases,birth_date,countries,identifiers,programme"
ROWS = {
    "a1": "a1,Zoltan Krabbenhoft Vasquelle,person,Z. Krabbenhoft;Zoltán Krabbenhöft,1961-04-17,HU,HU-55-887712,TEST-1",
    "b2": "b2,Marquessa Overseas Trading Ltd,entity,,,PA,RC 990 8812,TEST-1",
    "c3": "c3,Ildefonso Tamarindez Quiroga,person,,1974,CO;VE,,TEST-2",
    "d4": "d4,Владимир Перегудовский,person,,1955-12-01,RU,,TEST-2",
}
_numbers = itertools.count(1)


def write_list(folder: Path, rows: dict[str, str] | list[str], name: str = "list.csv") -> Path:
    path = folder / name
    lines = list(rows.values()) if isinstance(rows, dict) else rows
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    return path


def load(
    folder: Path, rows: dict[str, str] | list[str] | None = None, *, name: str = "invented", at: datetime = AT, **over: Any
) -> Loaded:
    """Load a list of our own format; ROWS unless told otherwise."""
    path = write_list(folder, ROWS if rows is None else rows)
    return load_list(path=path, list_format="csv", name=name, actor=ROBOT, at=at, **over)


def facts(*names: str, **over: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {"kind": "person", "names": list(names), "birth_on": None, "countries": [], "identifiers": {}}
    return wanted | over


def make_party(*names: str, subject: str = "", at: datetime = AT, **over: Any) -> Party:
    """Return a screened party."""
    subject = subject or f"per_{next(_numbers):08d}"
    screen_party(subject=subject, actor=ROBOT, at=at, **facts(*names, **over))
    return Party.objects.get(subject=subject)


def make_due_party(*names: str, at: datetime = AT, **over: Any) -> Party:
    """Return a party the worker has not seen yet."""
    return register(subject=f"per_{next(_numbers):08d}", actor=ROBOT, at=at, **facts(*names, **over))


def make_hit(folder: Path, *, at: datetime = AT) -> Hit:
    """Return a strong open hit: a party with the name, and nearly the birthday, of a1."""
    load(folder, at=at)
    party = make_party("Zoltan Krabbenhoft Vasquelle", birth_on=date(1961, 4, 17), at=at)
    work(at=at)
    return Hit.objects.select_related("party").get(party=party)


def later(days: int) -> datetime:
    return AT + timedelta(days=days)
