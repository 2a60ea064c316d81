"""Judge a party against a list: the names first, then what else is known of both; every step a factor with its points and its sentence."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from fraud.screening.matching.compare import Comparison
from fraud.screening.matching.index import Candidate, Listed, NameIndex, Rarity
from fraud.screening.matching.names import PROBLEMS, Name, read_name

# Points beside the name. A name alone reaches 100; what contradicts it weighs more than what agrees with it, because names are what lists are
# sure of, and equal birthdays are common.
BIRTH_DAY, BIRTH_YEAR, BIRTH_NEAR, BIRTH_OTHER = 6, 3, 0, -15
COUNTRY_SHARED, COUNTRY_OTHER = 3, -3
KIND_OTHER = -20
WEAK_ALIAS = -3
IDENTIFIER_SCORE = 100.0
# A name in letters that do not tell its romanisation hits only where ours is, order apart, exactly the list's.
OPAQUE_MIN = 97.0
# Candidates whose name is a little below the threshold may be lifted over it by a birth date and a country.
LIFT = BIRTH_DAY + COUNTRY_SHARED
HITS_MAX = 50
SETTLED_FROM = 1_000


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What of a list entry is compared. `key` is whatever the caller knows it by; names are (text, weak)."""

    key: int
    kind: str
    names: Sequence[tuple[str, bool]]
    births: Sequence[str] = ()
    countries: Sequence[str] = ()
    identifiers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """Who is asked about; identifiers as `entries.identifier` writes them."""

    names: Sequence[str]
    kind: str = "unknown"
    birth_on: date | None = None
    countries: Sequence[str] = ()
    identifiers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Factor:
    code: str
    points: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Match:
    """One entry a party may be. `score` is the sum of the factors, 0 to 100."""

    key: int
    score: float
    name: str
    listed_name: str
    factors: tuple[Factor, ...] = field(default_factory=tuple)


class Matcher:
    """One version of one list in memory, ready to be asked."""

    def __init__(self, entries: Iterable[EntryFacts], rarity: Rarity | None = None) -> None:
        self.entries: dict[int, EntryFacts] = {}
        self.by_identifier: dict[str, list[int]] = {}
        self.index = NameIndex(self._listed(entries), rarity)
        # A million long-lived objects: walked by the collector again and again they cost single names a third of a second.
        if len(self.index) >= SETTLED_FROM:
            gc.collect()
            gc.freeze()

    def _listed(self, entries: Iterable[EntryFacts]) -> Iterable[Listed]:
        for entry in entries:
            # the names live on in the index
            self.entries[entry.key] = EntryFacts(entry.key, entry.kind, (), entry.births, entry.countries, entry.identifiers)
            for one in entry.identifiers:
                self.by_identifier.setdefault(one, []).append(entry.key)
            for text, weak in entry.names:
                yield Listed(entry.key, text, weak)

    def match(self, query: Query, threshold: float) -> list[Match]:
        """Return the entries that reach the threshold, one match each, the strongest first."""
        best: dict[int, Match] = {}
        for text in query.names:
            name = read_name(text)
            if name.parts:
                floor = OPAQUE_MIN if name.problem == "script_not_comparable" else threshold - LIFT
                for candidate in self.index.search(name, floor):
                    self._keep(best, self._judge(query, text, name, candidate), threshold)
        for one in query.identifiers:
            for key in self.by_identifier.get(one, ()):
                self._keep(best, self._same_identifier(key, query, one, best.get(key)), threshold)
        return sorted(best.values(), key=lambda match: (-match.score, match.key))[:HITS_MAX]

    @staticmethod
    def _keep(best: dict[int, Match], match: Match, threshold: float) -> None:
        if match.score >= threshold and (match.key not in best or best[match.key].score < match.score):
            best[match.key] = match

    def _judge(self, query: Query, text: str, name: Name, candidate: Candidate) -> Match:
        entry = self.entries[candidate.listed.entry]
        factors = [_name_factor(name, read_name(candidate.listed.text), candidate)]
        if candidate.listed.weak:
            factors.append(Factor("weak_alias", WEAK_ALIAS, "The publisher calls this alias weak."))
        factors += [
            *_birth(query.birth_on, entry.births),
            *_country(query.countries, entry.countries),
            *_kind(query.kind, entry.kind),
        ]
        score = round(min(100.0, max(0.0, sum(factor.points for factor in factors))), 2)
        return Match(entry.key, score, text, candidate.listed.text, tuple(factors))

    def _same_identifier(self, key: int, query: Query, one: str, by_name: Match | None) -> Match:
        name, listed = (by_name.name, by_name.listed_name) if by_name else (query.names[0] if query.names else "", "")
        factor = Factor("identifier", IDENTIFIER_SCORE, f"The identifier …{one[-4:]} is the entry's own.")
        return Match(key, IDENTIFIER_SCORE, name, listed, (factor, *(by_name.factors if by_name else ())))


def unscreenable(names: Sequence[str]) -> str:
    """Return '' when at least one name can be compared, else the code of why none can."""
    problems = [read_name(text).problem for text in names]
    return "" if "" in problems else next(iter(problems), "no_letters")


def problem_sentence(code: str) -> str:
    return PROBLEMS.get(code, "")


def _name_factor(name: Name, listed: Name, candidate: Candidate) -> Factor:
    return Factor("name", candidate.comparison.score, _name_sentence(name, listed, candidate.comparison))


def _name_sentence(name: Name, listed: Name, found: Comparison) -> str:
    if found.whole:
        return "Written in one word the two names differ in a few letters only."
    told = []
    for pair in found.pairs:
        ours, theirs = _words(name, pair.one), _words(listed, pair.other)
        told.append(f"“{ours}” is the same" if ours == theirs else f"“{ours}” answers “{theirs}” ({pair.alike:.0%})")
    if found.missing:
        told.append(f"only the list has “{_words(listed, found.missing)}”")
    if found.added:
        told.append(f"only the party has “{_words(name, found.added)}”")
    if found.swapped:
        told.append("the order differs")
    if found.vague:
        told.append("no part agrees closely")
    return "; ".join(told).capitalize() + "."


def _words(name: Name, at: Sequence[int]) -> str:
    return " ".join(name.parts[i] for i in at if i < len(name.parts))


def _birth(born: date | None, births: Sequence[str]) -> list[Factor]:
    if born is None or not births:
        return []
    if born.isoformat() in births:
        return [Factor("birth_date", BIRTH_DAY, "Born on the same day.")]
    years = {int(text[:4]) for text in births}
    shown = ", ".join(sorted(births)[:4])
    if born.year in years:
        return [Factor("birth_date", BIRTH_YEAR, f"Born in the same year; the list says {shown}.")]
    if min(abs(born.year - year) for year in years) <= 1:
        return [Factor("birth_date", BIRTH_NEAR, f"Born within a year of what the list says, {shown}.")]
    return [Factor("birth_date", BIRTH_OTHER, f"Born in another year: the list says {shown}.")]


def _country(ours: Sequence[str], theirs: Sequence[str]) -> list[Factor]:
    if not ours or not theirs:
        return []
    shared = sorted(set(ours) & set(theirs))
    if shared:
        return [Factor("country", COUNTRY_SHARED, f"Both are tied to {', '.join(shared)}.")]
    return [Factor("country", COUNTRY_OTHER, f"No country in common: the list says {', '.join(sorted(set(theirs))[:4])}.")]


def _kind(ours: str, theirs: str) -> list[Factor]:
    if "unknown" in (ours, theirs) or ours == theirs:
        return []
    return [Factor("kind", KIND_OTHER, f"The party is a {ours}, the listed one a {theirs}.".replace("a entity", "an entity"))]
