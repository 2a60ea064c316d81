"""The score of one decision: a logistic regression in plain arithmetic. Pure, so that a decision can be made again with the same score.

It needs no library of the training and runs no code from the database: a version is numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHOWN = 5
PLAIN, LOG = "plain", "log1p"


@dataclass(frozen=True, slots=True)
class Input:
    """One feature of a formula: transformed, put on a scale, weighed."""

    name: str
    transform: str
    mean: float
    scale: float
    weight: float

    def contribution(self, value: float) -> float:
        """Return what a value adds to the log odds; 0 is what the average sale adds."""
        return self.weight * (transformed(self.transform, value) - self.mean) / self.scale


@dataclass(frozen=True, slots=True)
class Formula:
    """All there is to a model."""

    intercept: float
    inputs: tuple[Input, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(one.name for one in self.inputs)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Formula:
        return cls(float(said["intercept"]), tuple(Input(**one) for one in said["inputs"]))

    def as_json(self) -> dict[str, Any]:
        return {
            "intercept": self.intercept,
            "inputs": [{name: getattr(one, name) for name in Input.__slots__} for one in self.inputs],
        }


@dataclass(frozen=True, slots=True)
class Score:
    """A share of 1000, what contributed most to it (name, value, log odds), and which inputs were missing."""

    value: int
    strongest: tuple[tuple[str, float, float], ...]
    missing: tuple[str, ...]


def transformed(transform: str, value: float) -> float:
    """Return a value as the formula takes it; counts and amounts by their logarithm, since twice as much is one step whatever the size."""
    return math.log1p(max(value, 0.0)) if transform == LOG else float(value)


def score(formula: Formula, values: Mapping[str, Any]) -> Score | None:
    """Return the score of what is known; a missing input counts as the average, and None is returned when more than half are missing."""
    known = [one for one in formula.inputs if _is_number(values.get(one.name))]
    if 2 * len(known) < len(formula.inputs) or not known:
        return None
    parts = [(one.name, float(values[one.name]), one.contribution(float(values[one.name]))) for one in known]
    odds = formula.intercept + math.fsum(part for _, _, part in parts)
    share = 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, odds))))
    strongest = sorted(parts, key=lambda one: (-abs(one[2]), one[0]))[:SHOWN]
    missing = tuple(one.name for one in formula.inputs if one not in known)
    return Score(round(share * 1000), tuple((name, value, round(part, 4)) for name, value, part in strongest), missing)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
