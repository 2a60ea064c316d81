"""How well names are told apart: recall on altered names, false alarms on clean ones, at every threshold, and how long a name takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backoffice.kit.errors import InputError
from fraud.screening.matching.matcher import EntryFacts, Matcher, Query, unscreenable
from fraud.screening.reading import ReadEntry

CURVE_FROM, CURVE_TO = 60, 100
NAMES_MAX = 1_000_000


class NamesUnusable(InputError):
    code = "names_unusable"
    sentence = "{file}: {detail}"


@dataclass(slots=True)
class Trial:
    """The best score of each name, and the milliseconds each took."""

    scores: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    not_screenable: int = 0


def facts_of(entries: Iterable[ReadEntry]) -> Iterable[EntryFacts]:
    """Turn read entries into what a matcher compares, numbered as they come."""
    for number, entry in enumerate(entries):
        names = [(entry.name, False), *entry.aliases]
        yield EntryFacts(number, entry.kind, names, tuple(entry.births), tuple(entry.countries), tuple(entry.identifiers))


def read_names(path: Path) -> list[str]:
    """Return the names of a file, one a line; empty lines do not count. Refuses: NamesUnusable."""
    if not path.is_file():
        raise NamesUnusable(file=path.name, detail="there is no such file.")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise NamesUnusable(file=path.name, detail="this is not UTF-8 text.") from None
    names = [line.strip() for line in lines if line.strip()]
    if not names or len(names) > NAMES_MAX:
        raise NamesUnusable(file=path.name, detail=f"it holds {len(names):,} names; 1 to {NAMES_MAX:,} make a trial.")
    return names


def try_names(matcher: Matcher, names: Sequence[str], progress: Callable[[int], Any] | None = None) -> Trial:
    """Ask for each name alone, as the desk would, and note its best score."""
    trial = Trial()
    for name in names:
        started = time.perf_counter()
        found = matcher.match(Query([name]), CURVE_FROM)
        trial.milliseconds.append((time.perf_counter() - started) * 1000)
        trial.scores.append(found[0].score if found else 0.0)
        trial.not_screenable += bool(unscreenable([name]))
        if progress:
            progress(1)
    return trial


def rates(positives: Trial, negatives: Trial, threshold: float) -> dict[str, Any]:
    """Return recall and false alarm rate at one threshold."""
    found = sum(score >= threshold for score in positives.scores)
    alarms = sum(score >= threshold for score in negatives.scores)
    return {
        "threshold": threshold,
        "recall": round(found / len(positives.scores), 6),
        "false_alarm_rate": round(alarms / len(negatives.scores), 6),
        "found": found,
        "false_alarms": alarms,
    }


def curve(positives: Trial, negatives: Trial) -> list[dict[str, Any]]:
    """Return the rates at every whole threshold."""
    return [rates(positives, negatives, float(threshold)) for threshold in range(CURVE_FROM, CURVE_TO + 1)]
