"""What the live model says of a decision; nothing where there is none."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from fraud.features.models import Point
from fraud.model.models import ModelVersion
from fraud.model.scoring import Formula, score
from fraud.model.states import ModelState

FEATURE = "model.score"


class Loaded(NamedTuple):
    """A version ready to be asked."""

    public_id: str
    number: int
    review_from: int
    formula: Formula


@functools.lru_cache(maxsize=32)
def load_model(public_id: str) -> Loaded:
    """Return a version by its id. What it says never changes, so it stays."""
    row = ModelVersion.objects.get(public_id=public_id)
    return Loaded(row.public_id, row.number, row.review_from, Formula.of(row.formula))


def live_model(point: str) -> Loaded | None:
    """Return the model that is asked at a decision point: models are trained on sales, and asked about nothing else."""
    if point != Point.SALE:
        return None
    return model_at(point, ModelVersion.objects.filter(state=ModelState.LIVE).values_list("public_id", flat=True).first() or "")


def model_at(point: str, live: str) -> Loaded | None:
    """Return the live model, whose id the caller read ('' where there is none), where the point asks one."""
    return load_model(live) if live and point == Point.SALE else None


def said_by(model: Loaded | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model says of these values, as decisions keep it; {} without a model or with too little known."""
    found = score(model.formula, values) if model else None
    if model is None or found is None:
        return {}
    return {
        "version": model.public_id, "number": model.number, "score": found.value, "review_from": model.review_from,
        "strongest": [list(one) for one in found.strongest], "missing": list(found.missing),
    }  # fmt: skip
