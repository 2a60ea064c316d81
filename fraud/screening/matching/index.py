"""Find the few names of a list that are worth comparing, out of tens of thousands, in a few milliseconds.

Two ways, because each is blind where the other sees: by parts (one slip each way through deletion keys, and by consonants), and by the whole
name without its spaces (many small slips, parts written in one word). In this process, one index for each version of a list.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nlargest

from rapidfuzz import fuzz, process

from fraud.screening.matching.compare import WHOLE_MIN, Comparison, compare
from fraud.screening.matching.names import FORMS, PARTICLES, TITLES, Name, bones_of, canon, read_name, skeleton_of
from fraud.screening.matching.parts import likeness, mixed_likeness

BY_PARTS, BY_WHOLE = 32, 12
SHARE_MIN = 0.40
WHOLE_CUTOFF = 78
POSTINGS_MAX = 20_000
NAMES_MAX = 1_000_000
_BRACKETS = re.compile(r"\([^()]*\)")
POPULATION_MIN = 1_000
INITIAL_WEIGHT, PARTICLE_WEIGHT, FORM_WEIGHT, WEIGHT_MIN = 0.25, 0.12, 0.2, 0.4


@dataclass(frozen=True, slots=True)
class Listed:
    """One name of one list entry; `entry` is whatever the caller knows the entry by."""

    entry: int
    text: str
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    listed: Listed
    comparison: Comparison


class TooManyNames(Exception):
    """The list is larger than this process should hold: a screening server takes over there."""


class Rarity:
    """How much a part says about who somebody is: parts that many entries share say little."""

    def __init__(self, shared: Counter[str], population: int) -> None:
        self.shared, self.population = shared, max(population, POPULATION_MIN)
        self._scale = math.log(self.population / 5)
        self._weights: dict[str, float] = {}

    def weigh(self, part: str) -> float:
        """Return the weight of a part, above 0 and at most 1."""
        weight = self._weights.get(part)
        if weight is None:
            weight = self._weights[part] = self._weigh(part)
            if len(self._weights) > NAMES_MAX:
                self._weights.clear()
        return weight

    def _weigh(self, part: str) -> float:
        if canon(part) in PARTICLES or canon(part) in TITLES:
            return PARTICLE_WEIGHT
        if canon(part) in FORMS:
            return FORM_WEIGHT
        if len(part) == 1:
            return INITIAL_WEIGHT
        known = self.shared[family_of(part)]
        return min(1.0, max(WEIGHT_MIN, math.log(self.population / (known + 1)) / self._scale))


def family_of(part: str) -> str:
    """Return what spellings of one part share: its consonants, or itself where it has too few."""
    bones = skeleton_of(part)
    return bones if len(bones) >= 3 else part


def rarity_of(names: Iterable[tuple[int, Name]]) -> Rarity:
    """Count in how many entries each family of parts stands."""
    families: dict[int, set[str]] = {}
    for entry, name in names:
        families.setdefault(entry, set()).update(family_of(part) for part in name.parts)
    return Rarity(Counter(family for found in families.values() for family in found), len(families))


class NameIndex:
    """The names of one version of a list. Built once, read by many; holds about 1.5 KB a name."""

    def __init__(self, listed: Iterable[Listed], rarity: Rarity | None = None) -> None:
        self.listed: list[list[Listed]] = []
        self.names: list[Name] = []
        self._collect(listed)
        weighed = rarity or rarity_of(
            (one.entry, name) for name, same in zip(self.names, self.listed, strict=True) for one in same
        )
        self.rarity = weighed
        self.weights = [sum(map(weighed.weigh, name.parts)) for name in self.names]
        self.parts: list[str] = []
        self.postings: list[array[int]] = []
        self.part_ids: dict[str, int] = {}
        self._post()
        self.by_key = self._keys(_typing_keys)
        self.by_sound = self._keys(_sound_keys)
        rows = sorted((len(name.joined), name.joined, at) for at, name in enumerate(self.names))
        self.lengths, self.wholes, self.whole_ids = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]

    def __len__(self) -> int:
        return len(self.names)

    def _collect(self, listed: Iterable[Listed]) -> None:
        ids: dict[Name, int] = {}
        for one in listed:
            self._add(one, read_name(one.text), ids)
            bare = _BRACKETS.sub(" ", one.text)
            if bare != one.text:
                self._add(one, read_name(bare), ids)

    def _add(self, one: Listed, name: Name, ids: dict[Name, int]) -> None:
        if not name.parts or name.problem == "too_short":
            return
        at = ids.setdefault(name, len(self.names))
        if at == len(self.names):
            self.names.append(name)
            self.listed.append([])
            if at >= NAMES_MAX:
                raise TooManyNames()
        if one not in self.listed[at]:
            self.listed[at].append(one)

    def _post(self) -> None:
        for at, name in enumerate(self.names):
            for part in set(name.parts):
                part_id = self.part_ids.setdefault(part, len(self.parts))
                if part_id == len(self.parts):
                    self.parts.append(part)
                    self.postings.append(array("I"))
                self.postings[part_id].append(at)

    def _keys(self, keys_of: object) -> dict[str, array[int]]:
        found: dict[str, array[int]] = {}
        for part_id, part in enumerate(self.parts):
            for key in keys_of(part):  # type: ignore[operator]
                found.setdefault(key, array("I")).append(part_id)
        return found

    def search(self, name: Name, floor: float) -> list[Candidate]:
        """Return every listed name that reaches `floor`, the likeliest first."""
        found = []
        for at in self._worth_comparing(name):
            comparison = compare(name, self.names[at], self.rarity.weigh)
            if comparison.score >= floor:
                found += [Candidate(one, comparison) for one in self.listed[at]]
        return sorted(found, key=lambda one: (-one.comparison.score, one.listed.entry))

    def _worth_comparing(self, name: Name) -> set[int]:
        agreed = self._by_parts(name)
        total = sum(map(self.rarity.weigh, name.parts))
        weights = self.weights
        shares = [(share, at) for at, gain in agreed.items() if (share := 2 * gain / (total + weights[at])) >= SHARE_MIN]
        return {at for _, at in nlargest(BY_PARTS, shares)} | self._by_whole(name)

    def _by_parts(self, name: Name) -> dict[int, float]:
        """Return how much weight of the query each name answers, over all names that share a part with it."""
        agreed: dict[int, float] = {}
        for word in {*name.parts, *(a + b for a, b in zip(name.parts, name.parts[1:], strict=False))}:
            best: dict[int, float] = {}
            for part_id, alike in self._alike(word, name.vowelless):
                gain = alike * self.rarity.weigh(self.parts[part_id])
                if gain > PARTICLE_WEIGHT:
                    for at in self.postings[part_id][:POSTINGS_MAX]:
                        if gain > best.get(at, 0.0):
                            best[at] = gain
            for at, gain in best.items():
                agreed[at] = agreed.get(at, 0.0) + gain
        return agreed

    def _alike(self, word: str, vowelless: bool) -> Iterator[tuple[int, float]]:
        """Yield the listed parts that resemble a word, with how much."""
        if len(word) < 2:
            return
        near: set[int] = set()
        for key in _typing_keys(word):
            near.update(self.by_key.get(key, ()))
        for key in _sound_keys(word):
            near.update(self.by_sound.get(key, ()))
        alike = mixed_likeness if vowelless else likeness
        for part_id in near:
            how = alike(word, self.parts[part_id])
            if how:
                yield part_id, how

    def _by_whole(self, name: Name) -> set[int]:
        """Return the names that are alike as one word."""
        text = name.joined
        low = bisect_left(self.lengths, int(len(text) * WHOLE_MIN))
        high = bisect_left(self.lengths, int(len(text) / WHOLE_MIN) + 1)
        near = process.extract(
            text, self.wholes[low:high], scorer=fuzz.ratio, score_cutoff=WHOLE_CUTOFF, limit=BY_WHOLE, processor=None
        )
        return {self.whole_ids[low + at] for _, _, at in near}


def _typing_keys(part: str) -> set[str]:
    """Return the part and what is left of it after one letter is lost: two parts within one slip of each other share one."""
    if len(part) < 4:
        return {part}
    return {part, *(part[:at] + part[at + 1 :] for at in range(len(part)))}


def _sound_keys(part: str) -> set[str]:
    skeleton, bones = skeleton_of(part), bones_of(part)
    return {key for key, least in ((skeleton, 3), ("=" + bones, 3)) if len(key) >= least}
