"""The scorecard: documented factors in points, and what follows from their sum. Data in `scorecard.toml`; this reads, checks and counts."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backoffice.kit.errors import InputError
from payouts.sellers.countries import COUNTRIES
from payouts.sellers.models import EntityType

FILE = Path(__file__).parent / "scorecard.toml"


class ScorecardWrong(InputError):
    code = "scorecard_wrong"
    sentence = "The scorecard cannot be used: {why}."


@dataclass(frozen=True, slots=True)
class Level:
    """What follows from a sum of at least `least` points."""

    code: str
    least: int
    tier: str
    reserve_basis_points: int
    reserve_days: int
    review_months: int


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """What is known of a seller when it is rated; volumes in whole units of its currency, refunds in basis points of sales."""

    entity_type: str
    country: str
    layers: int
    channel: str
    age_days: int
    volume: int
    refunds_basis_points: int


@dataclass(frozen=True, slots=True)
class Scorecard:
    """One version of the factors and levels, the mildest level first."""

    version: str
    raw: dict[str, Any]
    levels: tuple[Level, ...]

    def points(self, facts: RiskFacts) -> dict[str, int]:
        """Return the points of each factor."""
        raw = self.raw
        newness = raw["behaviour"]["new_points"] if facts.age_days < raw["behaviour"]["new_days"] else 0
        return {
            "entity": raw["entity"][facts.entity_type] + min(raw["layers"]["most"], raw["layers"]["points_each"] * facts.layers),
            "country": raw["country"]["points"].get(facts.country, raw["country"]["default"]),
            "product": _step(raw["product"]["steps"], facts.volume),
            "channel": raw["channel"][facts.channel],
            "behaviour": _step(raw["behaviour"]["steps"], facts.refunds_basis_points) + newness,
        }

    def level_of(self, score: int) -> Level:
        return [level for level in self.levels if score >= level.least][-1]

    def level(self, code: str) -> Level:
        """Return a level by its code. Refuses: ScorecardWrong."""
        found = next((one for one in self.levels if one.code == code), None)
        if found is None:
            raise ScorecardWrong(why=f"there is no level {code[:20]!r}")
        return found


def _step(steps: list[list[int]], value: int) -> int:
    return [points for least, points in steps if value >= least][-1]


@functools.cache
def scorecard() -> Scorecard:
    """Return the scorecard in force."""
    return read(FILE)


def read(path: Path) -> Scorecard:
    """Read and check a scorecard. Refuses: ScorecardWrong."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        levels = tuple(Level(one.pop("code"), one.pop("from"), **one) for one in raw.pop("level"))
        card = Scorecard(str(raw.pop("version")), raw, levels)
        _check(card)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, IndexError) as problem:
        raise ScorecardWrong(why=f"{path.name}: {type(problem).__name__} {problem}") from None
    return card


def _check(card: Scorecard) -> None:
    raw = card.raw
    if set(raw) != {"entity", "layers", "country", "product", "channel", "behaviour"}:
        raise ScorecardWrong(why="the factors are entity, layers, country, product, channel and behaviour")
    if set(raw["entity"]) != set(EntityType.values) or set(raw["channel"]) != {"vouched", "api", "staff"}:
        raise ScorecardWrong(why="every entity type and every channel has its points")
    if unknown := set(raw["country"]["points"]) - COUNTRIES:
        raise ScorecardWrong(why=f"no countries: {', '.join(sorted(unknown))}")
    for name in ("product", "behaviour"):
        if raw[name]["steps"][0][0] != 0 or raw[name]["steps"] != sorted(raw[name]["steps"]):
            raise ScorecardWrong(why=f"the steps of {name} begin at 0 and rise")
    least = [one.least for one in card.levels]
    if least[:1] != [0] or least != sorted(set(least)):
        raise ScorecardWrong(why="the levels begin at 0 points and rise")
    facts = RiskFacts("company", "FR", 0, "api", 0, 0, 0)
    if not all(isinstance(points, int) for points in card.points(facts).values()):
        raise ScorecardWrong(why="points are whole numbers")
    if any(not 0 <= one.reserve_basis_points <= 10_000 or one.review_months < 1 for one in card.levels):
        raise ScorecardWrong(why="a level has a reserve of 0 to 10000 basis points and at least a month between reviews")
