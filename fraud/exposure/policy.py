"""Thresholds of exposure: from when a seller is worth a look, from when at once."""

from __future__ import annotations

from fraud.policies.models import FraudPolicy, PolicyKind
from fraud.policies.operations import declare_kind, in_force
from fraud.policies.shapes import by_currency, keys, thresholds, whole

_AMOUNTS = 10**15
EXPOSURE = keys(
    window_days=whole(7, 366),
    trend_days=whole(1, 90),
    exposure_minor=by_currency(thresholds(0, _AMOUNTS)),
    growth_from_minor=by_currency(whole(0, _AMOUNTS)),
    growth_percent=thresholds(1, 100_000),
    refund_basis_points=thresholds(1, 100_000),
    chargeback_basis_points=thresholds(1, 10_000),
    sales_least=whole(1, 10_000),
    chargebacks_least=whole(1, 1_000),
    keep_days=whole(30, 3_660),
)


def declare() -> None:
    declare_kind(PolicyKind.EXPOSURE, EXPOSURE)


def exposure_policy() -> FraudPolicy:
    return in_force(PolicyKind.EXPOSURE)
