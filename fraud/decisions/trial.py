"""Back-tests: a rule on the past, each decision with the values it would have seen then. On a labelled file, or on our own history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fraud.decisions.models import Decision
from fraud.features.catalogue import features, of_source
from fraud.features.facts import of_event, of_seen
from fraud.features.files import EventsUnusable, microseconds, read_events
from fraud.features.models import FraudEvent, FraudLabel, Point
from fraud.features.windows import Label, Seen, WindowEngine, stream
from fraud.rules.cel import Compiled, compile_expression
from fraud.rules.columns import column, evaluate_all
from fraud.rules.models import RuleVersion
from fraud.rules.states import RuleState

LABEL_DELAY_DAYS = 7
WARM_UP = timedelta(days=30)
CHUNK = 20_000
DAY = 86_400_000_000


@dataclass(slots=True)
class Tally:
    """What a rule did over all rows: only sums, so that a million rows cost no memory."""

    events: int = 0
    hits: int = 0
    unknown: int = 0
    true_hits: int = 0
    frauds: int = 0
    labelled_hits: int = 0
    overlap: int = 0
    amounts: dict[str, int] = field(default_factory=dict)
    caught: dict[str, int] = field(default_factory=dict)
    first: int = 0
    last: int = 0

    def take(self, rows: Sequence[_Row], hit: Any, unknown: Any) -> None:
        self.events += len(rows)
        self.hits += int(hit.sum())
        self.unknown += int(unknown.sum())
        for row, is_hit in zip(rows, hit, strict=True):
            self.first = min(self.first or row.at, row.at)
            self.last = max(self.last, row.at)
            self.frauds += row.is_fraud is True
            if is_hit:
                self.true_hits += row.is_fraud is True
                self.labelled_hits += row.is_fraud is not None
                self.overlap += row.others_hit
                if row.currency:
                    self.amounts[row.currency] = self.amounts.get(row.currency, 0) + row.amount_minor
                    if row.is_fraud:
                        self.caught[row.currency] = self.caught.get(row.currency, 0) + row.amount_minor

    def answer(self, seconds: float) -> dict[str, Any]:
        """Return the figures; precision is over labelled hits. A figure nothing can be divided by is null."""
        days = max(1.0, (self.last - self.first) / DAY)
        return {
            "events": self.events,
            "hits": self.hits,
            "true_hits": self.true_hits,
            "precision": _share(self.true_hits, self.labelled_hits),
            "recall": _share(self.true_hits, self.frauds),
            "amount_hit": _money(self.amounts),
            "amount_caught": _money(self.caught),
            "alerts_per_day": round(self.hits / days, 3),
            "unknown": self.unknown,
            "hits_without_label": _share(self.hits - self.labelled_hits, self.hits),
            "overlap_with_live_rules": self.overlap,
            "seconds": round(seconds, 3),
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _money(amounts: dict[str, int]) -> Any:
    """Return one amount as money, several currencies as a list: they are never added up."""
    found = [{"amount_minor": amount, "currency": currency} for currency, amount in sorted(amounts.items())]
    return found[0] if len(found) == 1 else found


@dataclass(frozen=True, slots=True)
class _Row:
    at: int
    amount_minor: int
    currency: str
    is_fraud: bool | None
    values: dict[str, Any]
    others_hit: bool = False


def _try(compiled: Compiled, rows: Sequence[_Row], tally: Tally) -> None:
    columns = {name: column(name, [row.values.get(name) for row in rows]) for name in compiled.names}
    hit, unknown = evaluate_all(compiled, columns, len(rows))
    tally.take(rows, hit, unknown)


# --- a labelled file ----------------------------------------------------------------------------------------------------


def try_on_file(
    *, expression: str, path: Path, label_delay_days: int = LABEL_DELAY_DAYS, progress: Callable[[int], Any] = lambda done: None
) -> dict[str, Any]:
    """Try an expression on a labelled file of sales. A label counts for rates `label_delay_days` after its event, as far as that is not told
    by a column `label_known_at`. Refuses: ExpressionInvalid, EventsUnusable.
    """
    started = time.perf_counter()
    compiled = compile_expression(expression)
    events = sorted(read_events(path), key=lambda one: one[0].at)
    if not events:
        raise EventsUnusable(name=path.name, why="it holds no events.")
    delay = label_delay_days * DAY
    labels = [
        Label(known or event.at + delay, fraud, event.buyer, event.seller, event.payee, event.device, event.country)
        for event, fraud, known in events
        if fraud is not None
    ]
    wanted = of_source(compiled.names, "events")
    simple = of_source(compiled.names, "event")
    counted = stream((event for event, _, _ in events), labels, wanted)
    tally, rows = Tally(), list[_Row]()
    for (event, fraud, _), velocity in zip(events, counted, strict=True):
        values = velocity | (of_seen(event) if simple else {})
        rows.append(_Row(event.at, event.amount_minor, event.currency, fraud, values))
        if len(rows) == CHUNK:
            _try(compiled, rows, tally)
            progress(len(rows))
            rows = []
    _try(compiled, rows, tally)
    progress(len(rows))
    answer = tally.answer(time.perf_counter() - started)
    if answer["amount_hit"] == []:
        currencies = {event.currency for event, _, _ in events}
        answer["amount_hit"] = _money(dict.fromkeys(currencies, 0))
    return answer


# --- our own history ----------------------------------------------------------------------------------------------------


def try_on_history(
    *, version: RuleVersion, since: datetime, until: datetime, progress: Callable[[int], Any] = lambda done: None
) -> dict[str, Any]:
    """Try a version on what happened at its decision point, side by side with the live version of the same rule.

    Velocity is counted from the events as they arrived; other features stand as the decision of then saw them, and are unknown where it saw none.
    """
    started = time.perf_counter()
    compiled = compile_expression(version.expression)
    live = RuleVersion.objects.filter(rule=version.rule, state=RuleState.LIVE).exclude(pk=version.pk).first()
    beside = compile_expression(live.expression) if live else None
    names = compiled.names | (beside.names if beside else frozenset())
    mine, theirs = Tally(), Tally()
    for rows in _history(version, names, since, until):
        _try(compiled, rows, mine)
        if beside:
            _try(beside, rows, theirs)
        progress(len(rows))
    seconds = time.perf_counter() - started
    beside_answer = {"version": live.public_id} | theirs.answer(seconds) if live else None
    return mine.answer(seconds) | {"version": version.public_id, "live": beside_answer}


def _history(version: RuleVersion, names: frozenset[str], since: datetime, until: datetime) -> Iterator[list[_Row]]:
    """Yield chunks of what was asked, in the order of arrival, with their values."""
    engine = WindowEngine(of_source(names, "events"))
    labels = FraudLabel.objects.filter(known_at__gt=since - WARM_UP, known_at__lte=until).order_by("known_at", "pk")
    for label in labels.values_list("known_at", "is_fraud", *_SUBJECTS).iterator(chunk_size=CHUNK):
        engine.learn(Label(microseconds(label[0]), *label[1:]))
    events = FraudEvent.objects.filter(kind__in={Point.SALE, version.rule.point}, at__gt=since - WARM_UP, at__lte=until).order_by(
        "pk"
    )
    chunk: list[tuple[FraudEvent, dict[str, Any]]] = []
    for event in events.iterator(chunk_size=CHUNK):
        seen = Seen(
            microseconds(event.at), event.amount_minor, event.currency, event.buyer, event.seller, event.payee, event.device, event.country,
            event.kind == Point.SALE,
        )  # fmt: skip
        engine.add(seen)
        if event.kind == version.rule.point and event.at > since:
            chunk.append((event, engine.values(seen)))
        if len(chunk) == CHUNK:
            yield _rows(chunk, version)
            chunk = []
    if chunk:
        yield _rows(chunk, version)


_SUBJECTS = ("buyer", "seller", "payee", "device", "country")


def _rows(chunk: list[tuple[FraudEvent, dict[str, Any]]], version: RuleVersion) -> list[_Row]:
    ids = [event.pk for event, _ in chunk]
    stored: dict[int, tuple[dict[str, Any], bool]] = {}
    for pk, seen, results in Decision.objects.filter(event__in=ids).order_by("pk").values_list("event_id", "features", "results"):
        others = any(one["counted"] and one["result"] == "hit" and one["rule"] != version.rule.name for one in results)
        stored[pk] = (seen, others)
    said = dict(FraudLabel.objects.filter(event__in=ids).order_by("known_at", "pk").values_list("event_id", "is_fraud"))
    known = features()
    rows = []
    for event, velocity in chunk:
        seen, others = stored.get(event.pk, ({}, False))
        kept = {name: value for name, value in seen.items() if name in known and known[name].source not in ("events", "event")}
        values = kept | of_event(event) | velocity
        rows.append(_Row(microseconds(event.at), event.amount_minor, event.currency, said.get(event.pk), values, others))
    return rows


def versions_of(ref: str) -> RuleVersion | None:
    """Return a version by its id, or the newest of a rule by its name or id."""
    rows = RuleVersion.objects.select_related("rule").order_by("-number")
    return rows.filter(public_id=ref).first() or rows.filter(rule__public_id=ref).first() or rows.filter(rule__name=ref).first()


__all__ = ["EventsUnusable", "Tally", "read_events", "try_on_file", "try_on_history", "versions_of"]
