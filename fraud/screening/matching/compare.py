"""Compare two names part by part: which part answers which, in what order, what is missing, what was added, what was written in one word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz.distance import OSA

from fraud.screening.matching.names import Name
from fraud.screening.matching.parts import INITIAL, likeness, mixed_likeness, vowelless_likeness

Weigh = Callable[[str], float]

# How much of the score the better covered side decides: at 1 a dropped part would cost nothing, at 0 as much as a wrong one.
LEFT_OUT_SHARE, CONTRADICTED_SHARE = 0.60, 0.25
SIGNIFICANT = 0.3
IDENTIFYING = 1.2
ONE_PART_MAX = 70.0
# "A. Ahmed" may be anybody; "A. Krabbenhoft" hardly.
TELLING, INITIAL_AND_COMMON_MAX = 0.5, 76.0
ORDER_COST = 3.0
WHOLE_MIN = 0.80
WHOLE_COST, WHOLE_COST_SAME_COUNT = 2.0, 6.0
JOINED_MIN = 0.80
PARTS_MAX = 14
INITIAL_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Pair:
    """One part (or two parts written as one) of each name that answer each other."""

    one: tuple[int, ...]
    other: tuple[int, ...]
    alike: float
    weight: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """`score` 0 to 100 of the names alone; `missing` are parts only the second name has, `added` only the first."""

    score: float
    pairs: tuple[Pair, ...]
    added: tuple[int, ...]
    missing: tuple[int, ...]
    swapped: bool
    whole: bool


NOTHING = Comparison(0.0, (), (), (), False, False)


def compare(one: Name, other: Name, weigh: Weigh) -> Comparison:
    """Compare two names; the score is the same whichever comes first."""
    if not one.parts or not other.parts:
        return NOTHING
    if one == other:  # also beyond the number of parts that are paired off
        every = tuple(Pair((place,), (place,), 1.0, weigh(part)) for place, part in enumerate(one.parts))
        return Comparison(100.0, every, (), (), False, False)
    alike = _likeness_for(one, other)
    pairs = _align(one.parts, other.parts, alike, weigh)
    met, others_met = {i for pair in pairs for i in pair.one}, {j for pair in pairs for j in pair.other}
    added = tuple(i for i in range(len(one.parts)) if i not in met)
    missing = tuple(j for j in range(len(other.parts)) if j not in others_met)
    swapped = _swapped(pairs)
    score = _score(pairs, [weigh(one.parts[i]) for i in added], [weigh(other.parts[j]) for j in missing])
    score -= ORDER_COST if swapped else 0.0
    whole = 100 * _whole(one.joined, other.joined)
    whole -= WHOLE_COST if len(one.parts) != len(other.parts) else WHOLE_COST_SAME_COUNT
    if whole > score:
        return Comparison(round(whole, 2), pairs, added, missing, False, True)
    return Comparison(round(max(score, 0.0), 2), pairs, added, missing, swapped, False)


def _likeness_for(one: Name, other: Name) -> Callable[[str, str], float]:
    if one.vowelless and other.vowelless:
        return vowelless_likeness
    return mixed_likeness if one.vowelless or other.vowelless else likeness


def _score(pairs: tuple[Pair, ...], added: list[float], missing: list[float]) -> float:
    """Return how much of both names is answered, 0 to 100, by the weight of their parts."""
    agreed = sum(pair.alike * pair.weight for pair in pairs)
    paired = sum(pair.weight for pair in pairs)
    better, worse = sorted((agreed / (paired + sum(left) or 1.0) for left in (added, missing)), reverse=True)
    # Parts left over on one side only were dropped or added; left over on both sides they contradict each other.
    contradicted = any(weight >= SIGNIFICANT for weight in added) and any(weight >= SIGNIFICANT for weight in missing)
    share = CONTRADICTED_SHARE if contradicted else max(CONTRADICTED_SHARE, LEFT_OUT_SHARE * min(1.0, agreed / IDENTIFYING))
    score = 100 * (share * better + (1 - share) * worse)
    met = sum(len(pair.one) + len(pair.other) for pair in pairs if pair.weight >= SIGNIFICANT) / 2
    initials = sum(pair.weight < SIGNIFICANT and pair.alike == INITIAL for pair in pairs)
    if met + initials <= 1 and any(weight >= SIGNIFICANT for weight in added + missing):
        return min(score, ONE_PART_MAX)
    if met <= 1 and initials and max(pair.weight for pair in pairs) < TELLING:
        return min(score, INITIAL_AND_COMMON_MAX)
    return score


def _align(one: tuple[str, ...], other: tuple[str, ...], alike: Callable[[str, str], float], weigh: Weigh) -> tuple[Pair, ...]:
    """Pair off the parts, the best pair first; no part is used twice."""
    one, other = one[:PARTS_MAX], other[:PARTS_MAX]
    found = []
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            sim = alike(a, b)
            if sim:
                weight = min(weigh(a), weigh(b))
                found.append(
                    Pair((i,), (j,), sim, weight * INITIAL_SHARE if len(a) != len(b) and 1 in (len(a), len(b)) else weight)
                )
    taken = _take(found)
    if len(taken) < len(one) and len(taken) < len(other):
        joins = _joins(one, other, weigh, mirrored=False) + _joins(other, one, weigh, mirrored=True)
        if joins:
            taken = _take(found + joins)
    return tuple(sorted(taken, key=lambda pair: pair.one))


def _take(found: list[Pair]) -> list[Pair]:
    # ties are broken by what both orders of the names agree on, so that the score is symmetric
    found.sort(key=lambda p: (-p.alike * p.weight, abs(p.one[0] - p.other[0]), p.one[0] + p.other[0], len(p.one) + len(p.other)))
    taken: list[Pair] = []
    used: set[int] = set()
    others_used: set[int] = set()
    for pair in found:
        if used.isdisjoint(pair.one) and others_used.isdisjoint(pair.other):
            taken.append(pair)
            used.update(pair.one)
            others_used.update(pair.other)
    return taken


def _joins(one: tuple[str, ...], other: tuple[str, ...], weigh: Weigh, *, mirrored: bool) -> list[Pair]:
    """Find neighbours of one name that the other writes in one word: 'Abdul Rahman' and 'Abdulrahman'."""
    found = []
    for i in range(len(one) - 1):
        both = one[i] + one[i + 1]
        for j, word in enumerate(other):
            if abs(len(word) - len(both)) <= 2 and len(both) > 4 and not word.isdigit():
                sim = OSA.normalized_similarity(both, word)
                if sim >= JOINED_MIN:
                    weight = min(weigh(word), weigh(one[i]) + weigh(one[i + 1]))
                    found.append(Pair((j,), (i, i + 1), sim, weight) if mirrored else Pair((i, i + 1), (j,), sim, weight))
    return found


def _swapped(pairs: tuple[Pair, ...]) -> bool:
    order = [pair.other for pair in pairs]
    return any(later < earlier for earlier, later in pairwise(order))


def _whole(one: str, other: str) -> float:
    longer = max(len(one), len(other))
    if abs(len(one) - len(other)) > (1 - WHOLE_MIN) * longer or longer < 5:
        return 0.0
    return float(OSA.normalized_similarity(one, other, score_cutoff=WHOLE_MIN))
