"""Banking days, cut-off and the dates derived from them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from payouts.rails.bank_profiles import PROFILES, BankProfile
from payouts.rails.calendars import (
    add_business_days,
    execution_date,
    expected_arrival,
    is_business_day,
    next_business_day,
    return_window_closes_on,
)

GENERIC = PROFILES["generic-sepa"]
PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    "day",
    [
        "2026-01-01",
        "2026-04-03",
        "2026-04-06",
        "2026-05-01",
        "2026-12-25",
        "2026-12-26",
        "2027-03-26",
        "2027-03-29",
        "2026-11-21",
    ],
)
def test_target_is_closed(day):
    assert not is_business_day("TARGET", date.fromisoformat(day))


@pytest.mark.parametrize("day", ["2026-07-14", "2026-11-11", "2026-05-14", "2026-12-24", "2026-12-31", "2026-11-23"])
def test_target_is_open_on_national_holidays(day):
    assert is_business_day("TARGET", date.fromisoformat(day))


@pytest.mark.parametrize("day", ["2026-07-03", "2027-06-18", "2027-12-24", "2027-12-31", "2028-11-10", "2032-06-18"])
def test_the_fed_is_open_on_the_friday_before_a_saturday_holiday(day):
    assert is_business_day("FED", date.fromisoformat(day))


@pytest.mark.parametrize(
    "day",
    [
        "2026-01-01",
        "2026-01-19",
        "2026-02-16",
        "2026-05-25",
        "2026-06-19",
        "2026-09-07",
        "2026-10-12",
        "2026-11-11",
        "2026-11-26",
        "2026-12-25",
        "2027-07-05",
        "2028-12-25",
        "2023-01-02",
        "2024-05-27",
    ],
)
def test_the_fed_is_closed_on_its_holidays_and_on_the_monday_after_a_sunday_one(day):
    assert not is_business_day("FED", date.fromisoformat(day))


def test_juneteenth_is_a_holiday_only_since_2022():
    assert is_business_day("FED", date(2020, 6, 19))
    assert not is_business_day("FED", date(2023, 6, 19))


def test_business_days_are_counted_over_weekends_and_easter():
    assert next_business_day("TARGET", date(2026, 4, 3)) == date(2026, 4, 7)
    assert next_business_day("TARGET", date(2026, 4, 7)) == date(2026, 4, 7)
    assert add_business_days("TARGET", date(2026, 4, 2), 1) == date(2026, 4, 7)
    assert add_business_days("TARGET", date(2026, 12, 24), 3) == date(2026, 12, 30)
    assert add_business_days("TARGET", date(2026, 12, 26), 0) == date(2026, 12, 28)
    with pytest.raises(ValueError, match="added"):
        add_business_days("TARGET", date(2026, 12, 26), -1)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-23T14:59:59", "2026-11-23"),
        ("2026-11-23T15:00:00", "2026-11-24"),
        ("2026-11-20T15:00:00", "2026-11-23"),
        ("2026-11-21T09:00:00", "2026-11-23"),
        ("2026-12-24T15:30:00", "2026-12-28"),
        ("2026-11-23T23:59:59", "2026-11-24"),
        ("2026-10-25T02:30:00", "2026-10-26"),
        ("2027-03-28T03:30:00", "2027-03-30"),
    ],
)
def test_a_file_after_the_cut_off_is_executed_the_next_banking_day(local, expected):
    at = datetime.fromisoformat(local).replace(tzinfo=PARIS)

    assert execution_date(at=at, profile=GENERIC) == date.fromisoformat(expected)
    assert execution_date(at=at.astimezone(UTC), profile=GENERIC) == date.fromisoformat(expected)


def test_the_cut_off_is_wall_clock_time_in_summer_and_in_winter():
    assert execution_date(at=datetime(2026, 7, 15, 12, 59, tzinfo=UTC), profile=GENERIC) == date(2026, 7, 15)
    assert execution_date(at=datetime(2026, 7, 15, 13, 0, tzinfo=UTC), profile=GENERIC) == date(2026, 7, 16)
    assert execution_date(at=datetime(2026, 11, 23, 13, 59, tzinfo=UTC), profile=GENERIC) == date(2026, 11, 23)
    assert execution_date(at=datetime(2026, 11, 23, 14, 0, tzinfo=UTC), profile=GENERIC) == date(2026, 11, 24)


def test_an_instant_just_before_midnight_utc_belongs_to_the_bank_s_next_day():
    assert execution_date(at=datetime(2026, 11, 23, 23, 30, tzinfo=UTC), profile=GENERIC) == date(2026, 11, 24)


def test_an_instant_without_zone_is_not_guessed():
    with pytest.raises(ValueError, match="time zone"):
        execution_date(at=datetime(2026, 11, 23, 9), profile=GENERIC)


def test_arrival_and_return_window_follow_the_rail():
    assert expected_arrival("sepa", date(2026, 11, 20)) == date(2026, 11, 23)
    assert expected_arrival("sepa_instant", date(2026, 11, 21)) == date(2026, 11, 21)
    assert expected_arrival("ach", date(2026, 11, 25)) == date(2026, 11, 27)
    assert return_window_closes_on("sepa", date(2026, 11, 23)) == date(2026, 11, 30)
    assert return_window_closes_on("sepa", date(2026, 11, 23), window_days=3) == date(2026, 11, 26)


def test_a_profile_with_another_cut_off_is_only_data():
    night = BankProfile(name="night", cut_off="23:30 Europe/Athens")

    assert execution_date(at=datetime(2026, 11, 23, 21, 29, tzinfo=UTC), profile=night) == date(2026, 11, 23)
    assert execution_date(at=datetime(2026, 11, 23, 21, 30, tzinfo=UTC), profile=night) == date(2026, 11, 24)
