"""Compare two names part by part: which part answers which, in what order, what is missing, what was added, what was written in one word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz.distance import OSA

from fraud.screening.matching.names import Name
from fraud.screening.matching.parts import likeness, mixed_likeness, vowelless_likeness

Weigh = Callable[[str], float]

# How much of the score the better covered side decides: at 1 a dropped part would cost nothing, at 0 as much as a wrong one.
LEFT_OUT_SHARE, CONTRADICTED_SHARE = 0.60, 0.25
SIGNIFICANT = 0.3
# What agrees says who it is from IDENTIFYING on, and hardly anything up to TELLS_LITTLE: a given name and a surname that many share are anybody's.
TELLS_LITTLE, IDENTIFYING = 0.5, 1.7
ONE_PART_MAX = 70.0
# Where no part agrees closely, chance has as many ways as there are parts; without vowels on one side it has more.
CLOSELY, VAGUE_COST, VAGUE_UNWRITTEN_COST = 0.92, 6.0, 8.0
# A name of two parts has nothing else to tell it by: what one of them lacks in likeness costs again.
ENOUGH_ALIKE, TWO_PARTS_COST = 0.85, 20.0
# A surname that merely resembles a particle or a legal form answers nothing.
UNEVEN_MIN = 0.80
# "A. Ahmed" may be anybody; "A. Krabbenhoft" hardly.
TELLING, INITIAL_AND_COMMON_MAX = 0.5, 76.0
ORDER_COST = 3.0
WHOLE_MIN = 0.80
WHOLE_COST, WHOLE_COST_SAME_COUNT = 2.0, 6.0
JOINED_MIN, JOINED_UNWRITTEN_MIN = 0.80, 0.90
PARTS_MAX = 14
INITIAL_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Pair:
    """One part (or two parts written as one) of each name that answer each other."""

    one: tuple[int, ...]
    other: tuple[int, ...]
    alike: float
    weight: float
    initial: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """`score` 0 to 100 of the names alone; `missing` are parts only the second name has, `added` only the first; `vague`: no part agrees closely."""

    score: float
    pairs: tuple[Pair, ...]
    added: tuple[int, ...]
    missing: tuple[int, ...]
    swapped: bool
    whole: bool
    vague: bool = False


NOTHING = Comparison(0.0, (), (), (), False, False)


def compare(one: Name, other: Name, weigh: Weigh) -> Comparison:
    """Compare two names; the score is the same whichever comes first."""
    if not one.parts or not other.parts:
        return NOTHING
    if one == other:  # also beyond the number of parts that are paired off
        every = tuple(Pair((place,), (place,), 1.0, weigh(part)) for place, part in enumerate(one.parts))
        return Comparison(100.0, every, (), (), False, False)
    alike = _likeness_for(one, other)
    unwritten = one.vowelless != other.vowelless
    pairs = _align(one.parts, other.parts, alike, weigh, JOINED_UNWRITTEN_MIN if unwritten else JOINED_MIN)
    met, others_met = {i for pair in pairs for i in pair.one}, {j for pair in pairs for j in pair.other}
    added = tuple(i for i in range(len(one.parts)) if i not in met)
    missing = tuple(j for j in range(len(other.parts)) if j not in others_met)
    swapped = _swapped(pairs)
    score = _score(pairs, [weigh(one.parts[i]) for i in added], [weigh(other.parts[j]) for j in missing])
    strong = [pair.alike for pair in pairs if pair.weight >= SIGNIFICANT]
    vague = len(strong) > 1 and max(strong) < CLOSELY
    score -= ORDER_COST if swapped else 0.0
    if vague:
        score -= VAGUE_UNWRITTEN_COST if unwritten else VAGUE_COST
    if len(strong) == 2:
        score -= TWO_PARTS_COST * sum(max(0.0, ENOUGH_ALIKE - how) for how in strong)
    whole = 100 * _whole(one.joined, other.joined)
    whole -= WHOLE_COST if len(one.parts) != len(other.parts) else WHOLE_COST_SAME_COUNT
    whole -= VAGUE_UNWRITTEN_COST if unwritten else 0.0
    if whole > score:
        return Comparison(round(whole, 2), pairs, added, missing, False, True)
    return Comparison(round(max(score, 0.0), 2), pairs, added, missing, swapped, False, vague)


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
    telling = min(1.0, max(0.0, (agreed - TELLS_LITTLE) / (IDENTIFYING - TELLS_LITTLE)))
    share = CONTRADICTED_SHARE if contradicted else max(CONTRADICTED_SHARE, LEFT_OUT_SHARE * telling)
    score = 100 * (share * better + (1 - share) * worse)
    strong = [pair for pair in pairs if pair.weight >= SIGNIFICANT]
    met = sum(len(pair.one) + len(pair.other) for pair in strong) / 2
    initials = sum(pair.initial for pair in pairs)
    if met + initials <= 1 and any(weight >= SIGNIFICANT for weight in added + missing):
        return min(score, ONE_PART_MAX)
    if met <= 1 and initials and (max(pair.weight for pair in pairs) < TELLING or any(pair.alike < 1 for pair in strong)):
        return min(score, INITIAL_AND_COMMON_MAX)
    return score


def _align(
    one: tuple[str, ...], other: tuple[str, ...], alike: Callable[[str, str], float], weigh: Weigh, joined_min: float
) -> tuple[Pair, ...]:
    """Pair off the parts, the best pair first; no part is used twice."""
    one, other = one[:PARTS_MAX], other[:PARTS_MAX]
    found = []
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            sim = alike(a, b)
            if sim:
                found += _pair(i, a, j, b, sim, weigh)
    taken = _take(found)
    if len(taken) < len(one) and len(taken) < len(other):
        joins = _joins(one, other, weigh, joined_min, mirrored=False) + _joins(other, one, weigh, joined_min, mirrored=True)
        if joins:
            taken = _take(found + joins)
    return tuple(sorted(taken, key=lambda pair: pair.one))


def _pair(i: int, a: str, j: int, b: str, sim: float, weigh: Weigh) -> list[Pair]:
    ours, theirs = weigh(a), weigh(b)
    if len(a) != len(b) and 1 in (len(a), len(b)):
        return [Pair((i,), (j,), sim, min(ours, theirs) * INITIAL_SHARE, initial=True)]
    if sim < UNEVEN_MIN and (ours >= SIGNIFICANT) != (theirs >= SIGNIFICANT):
        return []
    return [Pair((i,), (j,), sim, min(ours, theirs))]


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


def _joins(one: tuple[str, ...], other: tuple[str, ...], weigh: Weigh, least: float, *, mirrored: bool) -> list[Pair]:
    """Find neighbours of one name that the other writes in one word: 'Abdul Rahman' and 'Abdulrahman'."""
    found = []
    for i in range(len(one) - 1):
        both = one[i] + one[i + 1]
        for j, word in enumerate(other):
            if abs(len(word) - len(both)) <= 2 and len(both) > 4 and not word.isdigit():
                sim = OSA.normalized_similarity(both, word)
                if sim >= least:
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
