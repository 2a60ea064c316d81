"""Who of the sellers with figures is reportable, and why the others are not. Pure arithmetic over rules and figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from payouts.reporting.figures import Figures
from payouts.reporting.rules import Rules
from payouts.reporting.states import LineCode


def codes_of(figures: Iterable[Figures], rules: Rules, year: int, exclusions: Mapping[int, str]) -> dict[tuple[int, str], str]:
    """Return {(seller id, currency): why its line is not reported}; '' is reported. Thresholds count a seller's currencies together;
    `exclusions` are what sellers are, and count only where the regime leaves such sellers out.

    Refuses: NoThresholdForYear.
    """
    threshold = rules.threshold_of(year)
    by_seller: dict[int, list[Figures]] = {}
    for one in figures:
        by_seller.setdefault(one.seller_id, []).append(one)
    found: dict[tuple[int, str], str] = {}
    for seller_id, rows in by_seller.items():
        # the Union counts what sellers are left with, the form what buyers paid
        amounts = {one.currency: sum(one.consideration if threshold.is_exclusion else one.gross) for one in rows}
        counted = [one for one in rows if not rules.currencies or one.currency in rules.currencies]
        below = threshold.leaves_out(sum(sum(one.activities) for one in counted), amounts)
        for one in rows:
            excluded = exclusions.get(seller_id, "")
            found[seller_id, one.currency] = _code(one, rules, below, excluded if excluded in rules.exclusions else "")
    return found


def _code(one: Figures, rules: Rules, below: bool, exclusion: str) -> str:
    if exclusion:
        return exclusion
    if rules.currencies and one.currency not in rules.currencies:
        return LineCode.CURRENCY.value
    if below:
        return LineCode.BELOW_THRESHOLD.value
    return LineCode.NOTHING_TO_REPORT.value if one.is_empty else ""
