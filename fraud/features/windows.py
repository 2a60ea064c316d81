"""The window engine: velocity of past events as each of them saw it, in one pass. Pure: no database, no Django.

A window is (t − d, t] and holds the event itself. Events count in the order they became known: of two at the same instant the first does not
see the second, which is what happened when they were decided. An event that became known late is put in its place, and its window counted anew.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fraud.features.catalogue import DISTINCT, SUBJECTS, WINDOWS, Feature, plural

MICROSECONDS = {name: int(length.total_seconds() * 1_000_000) for name, length in WINDOWS.items()}
_OTHERS = {plural(other): other for others in DISTINCT.values() for other in others}


class Seen(NamedTuple):
    """An event as the engine takes it: times in microseconds since 1970, subjects '' where unknown. Only sales count in windows."""

    at: int
    amount_minor: int
    currency: str
    buyer: str = ""
    seller: str = ""
    payee: str = ""
    device: str = ""
    country: str = ""
    counts: bool = True


class Label(NamedTuple):
    """What an event turned out to be, and when that became known."""

    known_at: int
    is_fraud: bool
    buyer: str = ""
    seller: str = ""
    payee: str = ""
    device: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """One velocity feature, taken apart."""

    name: str
    subject: str
    what: str
    window: str
    other: str

    @classmethod
    def of(cls, feature: Feature) -> Ask:
        what = feature.aggregate
        other = _OTHERS[what.removeprefix("distinct_")] if what.startswith("distinct_") else ""
        return cls(feature.name, feature.subject, "distinct" if other else what, feature.window, other)


def _who(event: Seen, place: int) -> str:
    """Return the subject at a place of the tuple, which is quicker than by name."""
    return event[place]  # type: ignore[return-value]


class _Window:
    """One window of one subject: what is in it now. Money is kept by currency, extremes in a falling queue."""

    __slots__ = ("count", "distinct", "first", "length", "money", "tops")

    def __init__(self, length: int, others: Sequence[int]) -> None:
        self.length = length
        self.first = 0
        self.count = 0
        self.money: dict[str, list[int]] = {}  # currency → [count, sum]
        self.tops: dict[str, deque[tuple[int, int]]] = {}  # currency → (place, amount), amounts falling
        self.distinct = {other: Counter[str]() for other in others}

    def take(self, place: int, event: Seen) -> None:
        self.count += 1
        money = self.money.setdefault(event.currency, [0, 0])
        money[0] += 1
        money[1] += event.amount_minor
        tops = self.tops.setdefault(event.currency, deque())
        while tops and tops[-1][1] <= event.amount_minor:
            tops.pop()
        tops.append((place, event.amount_minor))
        for other, counted in self.distinct.items():
            if who := _who(event, other):
                counted[who] += 1

    def drop_before(self, edge: int, events: Sequence[Seen]) -> None:
        """Forget what lies at or before `edge`."""
        while self.first < len(events) and events[self.first].at <= edge:
            old = events[self.first]
            self.count -= 1
            money = self.money[old.currency]
            money[0] -= 1
            money[1] -= old.amount_minor
            tops = self.tops[old.currency]
            if tops and tops[0][0] == self.first:
                tops.popleft()
            for other, counted in self.distinct.items():
                if who := _who(old, other):
                    counted[who] -= 1
                    if not counted[who]:
                        del counted[who]
            self.first += 1


_FIELDS = {name: Seen._fields.index(name) for name in SUBJECTS}


class _Subject:
    """All events and labels of one subject, and its windows."""

    __slots__ = ("events", "fraud_known", "known", "others", "windows")

    def __init__(self, lengths: Iterable[int], others: Sequence[int]) -> None:
        self.others = others
        self.events: list[Seen] = []
        self.windows = {length: _Window(length, others) for length in lengths}
        self.known: list[int] = []
        self.fraud_known: list[int] = []

    def add(self, event: Seen) -> None:
        if not self.events or event.at >= self.events[-1].at:
            self.events.append(event)
            for window in self.windows.values():
                window.take(len(self.events) - 1, event)
            return
        # known late: into its place, behind those of the same instant, and everything counted anew when asked
        self.events.insert(bisect_right(self.events, event.at, key=lambda one: one.at), event)
        self._count_anew()

    def _count_anew(self) -> None:
        for length in self.windows:
            fresh = _Window(length, self.others)
            for place, event in enumerate(self.events):
                fresh.take(place, event)
            self.windows[length] = fresh

    def at(self, length: int, now: int) -> _Window:
        """Return the window that ends at `now`."""
        window = self.windows[length]
        late = bool(self.events) and self.events[-1].at > now
        if late or (window.first and self.events[window.first - 1].at > now - length):
            return self._looked_back(length, now)
        window.drop_before(now - length, self.events)
        return window

    def _looked_back(self, length: int, now: int) -> _Window:
        """Count a window that ends before what is known already: only for events told late."""
        fresh = _Window(length, self.others)
        inside = [one for one in self.events if now - length < one.at <= now]
        for place, event in enumerate(inside):
            fresh.take(place, event)
        return fresh

    def learn(self, label: Label) -> None:
        insort(self.known, label.known_at)
        if label.is_fraud:
            insort(self.fraud_known, label.known_at)

    def labels(self, length: int, now: int) -> tuple[int, int]:
        """Return (labels, frauds among them) that became known in (now − length, now]."""
        edge = now - length
        return (
            bisect_right(self.known, now) - bisect_right(self.known, edge),
            bisect_right(self.fraud_known, now) - bisect_right(self.fraud_known, edge),
        )


class WindowEngine:
    """Feed it events and labels in the order they became known; ask it for features as of an event."""

    def __init__(self, wanted: Iterable[Feature]) -> None:
        self.asks = [Ask.of(one) for one in wanted if one.source == "events"]
        self._subjects: dict[str, dict[str, _Subject]] = {ask.subject: {} for ask in self.asks}
        self._lengths = {s: sorted({MICROSECONDS[a.window] for a in self.asks if a.subject == s}) for s in self._subjects}
        self._others = {s: sorted({_FIELDS[a.other] for a in self.asks if a.subject == s and a.other}) for s in self._subjects}
        self._plan = {s: [(a, MICROSECONDS[a.window]) for a in self.asks if a.subject == s] for s in self._subjects}

    def _of(self, subject: str, key: str) -> _Subject:
        found = self._subjects[subject].get(key)
        if found is None:
            found = self._subjects[subject][key] = _Subject(self._lengths[subject], self._others[subject])
        return found

    def learn(self, label: Label) -> None:
        """Take a label that has become known."""
        for subject in self._subjects:
            if key := getattr(label, subject):
                self._of(subject, key).learn(label)

    def add(self, event: Seen) -> None:
        """Take an event; only sales count."""
        if event.counts:
            for subject in self._subjects:
                if key := _who(event, _FIELDS[subject]):
                    self._of(subject, key).add(event)

    def values(self, event: Seen) -> dict[str, Any]:
        """Return the features as of an event that was added; those of a subject it does not have are left out: they are missing."""
        found: dict[str, Any] = {}
        for subject, plan in self._plan.items():
            if key := _who(event, _FIELDS[subject]):
                one = self._of(subject, key)
                for ask, length in plan:
                    value = _value(one, ask, length, event)
                    if value is not None:
                        found[ask.name] = value
        return found


def _value(one: _Subject, ask: Ask, length: int, event: Seen) -> Any:
    if ask.what in ("labels", "fraud_rate"):
        labels, frauds = one.labels(length, event.at)
        return labels if ask.what == "labels" else (frauds / labels if labels else 0.0)
    window = one.at(length, event.at)
    if ask.what == "count":
        return window.count
    if ask.what == "distinct":
        return len(window.distinct[_FIELDS[ask.other]])
    money = window.money.get(event.currency, (0, 0))
    if ask.what == "sum_amount":
        return money[1]
    if ask.what == "mean_amount":
        return money[1] // money[0] if money[0] else None
    tops = window.tops.get(event.currency)
    return tops[0][1] if tops else 0


def stream(events: Iterable[Seen], labels: Iterable[Label], wanted: Iterable[Feature]) -> Iterator[dict[str, Any]]:
    """Yield the features of each event, in the order of arrival given.

    Labels may be told at once: a window counts those that became known inside it, so none is seen before its time.
    """
    engine = WindowEngine(wanted)
    for label in sorted(labels):
        engine.learn(label)
    for event in events:
        engine.add(event)
        yield engine.values(event)


def plainly(event: Seen, before: Sequence[Seen], labels: Sequence[Label], feature: Feature) -> Any:
    """Compute one feature from all events by its definition, with nothing clever: what the engine is measured against.

    `before` are the events known up to this one, itself included; `labels` those known by then. None where it is missing.
    """
    ask, length = Ask.of(feature), MICROSECONDS[feature.window]
    key = getattr(event, ask.subject)
    if not key:
        return None
    if ask.what in ("labels", "fraud_rate"):
        told = [one for one in labels if getattr(one, ask.subject) == key and event.at - length < one.known_at <= event.at]
        if ask.what == "labels":
            return len(told)
        return sum(one.is_fraud for one in told) / len(told) if told else 0.0
    inside = [one for one in before if one.counts and getattr(one, ask.subject) == key and event.at - length < one.at <= event.at]
    if ask.what == "count":
        return len(inside)
    if ask.what == "distinct":
        return len({getattr(one, ask.other) for one in inside} - {""})
    amounts = [one.amount_minor for one in inside if one.currency == event.currency]
    if ask.what == "sum_amount":
        return sum(amounts)
    if ask.what == "mean_amount":
        return sum(amounts) // len(amounts) if amounts else None
    return max(amounts, default=0)


__all__ = ["Ask", "Label", "Seen", "WindowEngine", "plainly", "stream"]
