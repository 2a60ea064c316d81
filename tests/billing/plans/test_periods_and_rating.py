"""Boundaries are counted from the anchor; what a quantity costs follows from the price alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.plans.periods import Anchor, anchor_of, boundary, period_around, prorate
from billing.plans.rating import PriceInvalid, checked_components, components_of

INTERVALS = st.sampled_from(["day", "week", "month", "year"])
INSTANTS = st.datetimes(datetime(2015, 1, 1), datetime(2040, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
TIERS = [{"up_to": 10, "unit_minor": 100}, {"up_to": 50, "unit_minor": 80, "flat_minor": 500}, {"up_to": None, "unit_minor": 50}]


def at(month: int, day: int, year: int = 2026, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def test_month_ends_are_clipped_and_come_back():
    anchor = at(1, 31)
    assert [boundary(anchor, "month", 1, n) for n in range(5)] == [at(1, 31), at(2, 28), at(3, 31), at(4, 30), at(5, 31)]
    assert boundary(at(2, 29, 2024), "year", 1, 1) == at(2, 28, 2025)
    assert boundary(at(2, 29, 2024), "year", 1, 4) == at(2, 29, 2028)


def test_calendar_anchor_is_the_next_first_midnight():
    start = at(3, 18, hour=15)
    assert anchor_of(Anchor.CALENDAR, "month", start) == at(4, 1)
    assert anchor_of(Anchor.CALENDAR, "week", start) == at(3, 23)
    assert anchor_of(Anchor.CALENDAR, "year", start) == at(1, 1, 2027)
    assert anchor_of(Anchor.CALENDAR, "month", at(4, 1)) == at(4, 1)
    assert anchor_of(Anchor.ANNIVERSARY, "month", start) == start


@settings(max_examples=150, deadline=None)
@given(anchor=INSTANTS, moment=INSTANTS, interval=INTERVALS, count=st.integers(1, 5))
def test_periods_cover_time_without_gap_or_overlap(anchor, moment, interval, count):
    start, end = period_around(anchor, interval, count, moment)
    assert start <= moment < end
    assert period_around(anchor, interval, count, end)[0] == end
    assert period_around(anchor, interval, count, start) == (start, end)


@settings(max_examples=100, deadline=None)
@given(amount=st.integers(-(10**9), 10**9), whole=st.integers(1, 10**9), part=st.integers(0, 10**9))
def test_shares_of_a_period_lose_at_most_a_minor_unit(amount, whole, part):
    part = min(part, whole)
    one, other = (prorate(amount, timedelta(microseconds=n), timedelta(microseconds=whole)) for n in (part, whole - part))
    assert abs(one + other - amount) <= 1
    assert prorate(amount, timedelta(microseconds=whole), timedelta(microseconds=whole)) == amount


def rated(quantity: int, **row) -> int:
    (component,) = components_of(checked_components([{"code": "x", "measure": "seats", **row}]))
    return component.amount_minor(quantity)


def test_schemes_rate_as_they_say():
    assert rated(7, scheme="unit", unit_minor=250, included=2) == 1_250
    assert [rated(n, scheme="graduated", tiers=TIERS) for n in (0, 10, 11, 60)] == [0, 1_000, 1_580, 5_200]
    assert [rated(n, scheme="volume", tiers=TIERS) for n in (0, 10, 11, 60)] == [0, 1_000, 1_380, 3_000]
    assert rated(33_333, measure="sales_gross", scheme="share", basis_points=150) == 500


@settings(max_examples=60, deadline=None)
@given(quantity=st.integers(0, 500))
def test_graduated_tiers_cost_what_each_piece_costs_in_its_tier(quantity):
    def piece(n: int) -> int:
        return 100 if n <= 10 else 80 if n <= 50 else 50

    reached = 500 if quantity > 10 else 0
    assert rated(quantity, scheme="graduated", tiers=TIERS) == sum(piece(n) for n in range(1, quantity + 1)) + reached


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"code": ""}],
        [{"code": "a"}, {"code": "a"}],
        [{"code": "a", "measure": "sales_gross", "scheme": "unit"}],
        [{"code": "a", "measure": "one", "scheme": "volume", "tiers": TIERS}],
        [{"code": "a", "measure": "seats", "scheme": "volume", "tiers": TIERS[:2]}],
        [{"code": "a", "measure": "seats", "scheme": "volume", "tiers": [TIERS[1], TIERS[0], TIERS[2]]}],
        [{"code": "a", "unit_minor": -1}],
        [{"code": "a", "unit_minor": 1.5}],
        [{"code": "a", "unit_minor": True}],
    ],
)
def test_unusable_components_are_refused(rows):
    with pytest.raises(PriceInvalid):
        checked_components(rows)
