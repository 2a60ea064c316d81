"""Training: labelled sales with the values each of them saw, split by time; logistic regression by scikit-learn; numbers out.

What is measured lies after what was learnt, with the delay of labels between: a model that has seen the answers measures nothing. The library is
imported here alone, and nothing of it is kept: a version is its coefficients.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from backoffice.kit.errors import Refusal
from fraud.model.scoring import LOG, PLAIN, Formula, Input, score, transformed

# The features by name: what velocity and labels say. History, links and lists are not in labelled files, so that no model is trained on them.
FEATURES = (
    "event.amount_minor", "event.hour", "event.weekday",
    "buyer.count_1h", "buyer.count_24h", "buyer.count_7d", "buyer.mean_amount_24h", "buyer.mean_amount_7d", "buyer.mean_amount_30d",
    "buyer.max_amount_30d", "buyer.distinct_sellers_24h", "buyer.distinct_devices_7d", "buyer.distinct_countries_7d", "buyer.fraud_rate_30d",
    "seller.count_1h", "seller.count_24h", "seller.count_7d", "seller.mean_amount_24h", "seller.mean_amount_30d",
    "seller.fraud_rate_7d", "seller.fraud_rate_30d", "seller.distinct_buyers_24h", "seller.distinct_devices_24h",
    "device.count_24h", "device.distinct_buyers_7d", "device.fraud_rate_30d",
)  # fmt: skip
_SHARES = ("fraud_rate", "event.hour", "event.weekday")
Array = Any
TRAINED_SHARE = 0.7
ROWS_MIN, FRAUDS_MIN, TESTED_FRAUDS_MIN = 500, 20, 5
DAY = 86_400_000_000
# Narrow where nearly all sales lie, wide where few do.
CALIBRATED = (0, 10, 50, 100, 200, 400, 600, 800, 1001)


class TooFewLabels(Refusal):
    code = "too_few_labels"
    sentence = "There are {rows} labelled sales with {frauds} frauds before the measured days, and {tested} frauds in them; {least} are the least."


class Row(NamedTuple):
    """One labelled sale: when (microseconds since 1970), what it turned out to be, and the values it saw."""

    at: int
    is_fraud: bool
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that came out of training, before anybody keeps it."""

    formula: Formula
    review_from: int
    source: str
    trained_from: datetime
    trained_to: datetime
    tested_to: datetime
    rows: int
    frauds: int
    measured: dict[str, Any]


def transform_of(name: str) -> str:
    return PLAIN if any(part in name for part in _SHARES) else LOG


def train(*, rows: Iterable[Row], source: str, label_delay: timedelta) -> Trained:
    """Train on the earlier part of the rows and measure on the later one. Refuses: TooFewLabels."""
    ordered = sorted(rows, key=lambda row: row.at)
    learnt, tested = _split(ordered, int(label_delay.total_seconds() * 1_000_000))
    counts = sum(row.is_fraud for row in learnt), sum(row.is_fraud for row in tested)
    if len(learnt) < ROWS_MIN or counts[0] < FRAUDS_MIN or counts[1] < TESTED_FRAUDS_MIN:
        least = f"{ROWS_MIN} sales, {FRAUDS_MIN} frauds and {TESTED_FRAUDS_MIN} measured ones"
        raise TooFewLabels(rows=len(learnt), frauds=counts[0], tested=counts[1], least=least)
    formula = _fit(learnt)
    review_from = _threshold(formula, learnt)
    return Trained(
        formula, review_from, source, _instant(learnt[0].at), _instant(learnt[-1].at), _instant(tested[-1].at), len(learnt), counts[0],
        measure(formula, tested, review_from),
    )  # fmt: skip


def _split(rows: Sequence[Row], delay: int) -> tuple[list[Row], list[Row]]:
    if not rows:
        return [], []
    first, last = rows[0].at, rows[-1].at
    edge = first + int((last - first) * TRAINED_SHARE)
    # what happened within the delay before the edge was not known there
    return [row for row in rows if row.at <= edge - delay], [row for row in rows if row.at > edge]


def _fit(rows: Sequence[Row]) -> Formula:
    from sklearn.linear_model import LogisticRegression

    used = [name for name in FEATURES if 2 * sum(row.values.get(name) is not None for row in rows) >= len(rows)]
    table = np.array([[_cell(row, name) for name in used] for row in rows], dtype=np.float64)
    means = np.nanmean(table, axis=0)
    scales = np.nanstd(table, axis=0)
    kept = [place for place, scale in enumerate(scales) if scale > 1e-9]
    # a missing value counts as the average, when learning as when scoring
    scaled = np.nan_to_num((table[:, kept] - means[kept]) / scales[kept])
    fitted = LogisticRegression(C=1.0, max_iter=2_000).fit(scaled, np.array([row.is_fraud for row in rows]))
    inputs = tuple(
        Input(used[place], transform_of(used[place]), float(means[place]), float(scales[place]), float(weight))
        for place, weight in zip(kept, fitted.coef_[0], strict=True)
    )
    return Formula(float(fitted.intercept_[0]), inputs)


def _cell(row: Row, name: str) -> float:
    value = row.values.get(name)
    return float("nan") if value is None else transformed(transform_of(name), float(value))


def _scores(formula: Formula, rows: Sequence[Row]) -> tuple[Array, Array]:
    """Return scores and labels; the scores are those decisions would get, by the same arithmetic."""
    found = (score(formula, row.values) for row in rows)
    return np.array([one.value if one else 0 for one in found]), np.array([row.is_fraud for row in rows])


def _threshold(formula: Formula, rows: Sequence[Row]) -> int:
    """Return the score that balances precision and recall best on what was learnt: the measured days have no say in it."""
    scores, labels = _scores(formula, rows)
    return max(range(10, 1000, 10), key=lambda least: (_balance(scores, labels, least), least))


def _balance(scores: Array, labels: Array, least: int) -> float:
    hit = scores >= least
    return 2 * int((hit & labels).sum()) / max(1, int(hit.sum()) + int(labels.sum()))


def measure(formula: Formula, rows: Sequence[Row], review_from: int) -> dict[str, Any]:
    """Return how a formula does on rows: area under the curve, average precision, and a line per threshold."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores, labels = _scores(formula, rows)
    days = max(1.0, (rows[-1].at - rows[0].at) / DAY)
    lines = [_line(scores, labels, least, days) for least in sorted({*range(100, 1000, 100), review_from})]
    chosen = next(line for line in lines if line["from"] == review_from)
    return {
        "rows": len(rows), "frauds": int(labels.sum()), "auc": round(float(roc_auc_score(labels, scores)), 4),
        "average_precision": round(float(average_precision_score(labels, scores)), 4),
        "guessing": round(int(labels.sum()) / len(rows), 4), "table": lines,
        "calibration": calibration(scores, labels), **{name: chosen[name] for name in ("precision", "recall", "alerts_per_day")},
    }  # fmt: skip


def calibration(scores: Array, labels: Array) -> list[dict[str, Any]]:
    """Return, by score, what share the model gave and what share it was: where both agree a score can be read as a likelihood."""
    lines = []
    for low, high in pairwise(CALIBRATED):
        inside = (scores >= low) & (scores < high)
        count = int(inside.sum())
        if count:
            said, was = float(scores[inside].mean()) / 1000, int(labels[inside].sum())
            lines.append(
                {"from": low, "to": high, "sales": count, "frauds": was, "said": round(said, 4), "was": round(was / count, 4)}
            )
    return lines


def _line(scores: Array, labels: Array, least: int, days: float) -> dict[str, Any]:
    hit = scores >= least
    alerts, caught = int(hit.sum()), int((hit & labels).sum())
    return {
        "from": least, "alerts": alerts, "precision": round(caught / alerts, 4) if alerts else None,
        "recall": round(caught / max(1, int(labels.sum())), 4), "alerts_per_day": round(alerts / days, 2),
    }  # fmt: skip


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1_000_000, UTC)
