"""Banking days: TARGET for euro, the Federal Reserve for dollars; and the few dates the rails derive from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import holidays

if TYPE_CHECKING:
    from payouts.rails.bank_profiles import BankProfile

CalendarName = Literal["TARGET", "FED"]


@lru_cache(maxsize=256)
def _target_closings(year: int) -> frozenset[date]:
    """1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December (ECB), from the `holidays` package."""
    return frozenset(holidays.financial_holidays("ECB", years=[year]))


@lru_cache(maxsize=256)
def _fed_closings(year: int) -> frozenset[date]:
    """The eleven holidays of the Federal Reserve Banks.

    One that falls on a Sunday is kept on Monday; one on a Saturday is not kept at all: the Reserve Banks are open the Friday before.
    Packages for US federal holidays close that Friday, which is why this table is our own (source: Federal Reserve holiday schedule).
    """
    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    if year >= 2022:
        fixed.append(date(year, 6, 19))
    observed = [day + timedelta(days=1) if day.weekday() == 6 else day for day in fixed]
    floating = [
        _nth_weekday(year, 1, 0, 3),
        _nth_weekday(year, 2, 0, 3),
        _nth_weekday(year, 6, 0, 1) - timedelta(days=7),  # the last Monday of May
        _nth_weekday(year, 9, 0, 1),
        _nth_weekday(year, 10, 0, 2),
        _nth_weekday(year, 11, 3, 4),
    ]
    return frozenset(observed + floating)


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


_CLOSINGS: dict[str, Callable[[int], frozenset[date]]] = {"TARGET": _target_closings, "FED": _fed_closings}


def is_business_day(calendar: CalendarName, day: date) -> bool:
    return day.weekday() < 5 and day not in _CLOSINGS[calendar](day.year)


def next_business_day(calendar: CalendarName, day: date) -> date:
    """Return `day` itself when the bank is open, else the next day it is."""
    while not is_business_day(calendar, day):
        day += timedelta(days=1)
    return day


def add_business_days(calendar: CalendarName, day: date, n: int) -> date:
    """Return the n-th business day after `day` (n ≥ 0); with n = 0, `day` or the next business day."""
    if n < 0:
        raise ValueError("Business days are added, not subtracted.")
    if n == 0:
        return next_business_day(calendar, day)
    for _ in range(n):
        day = next_business_day(calendar, day + timedelta(days=1))
    return day


@dataclass(frozen=True, slots=True)
class RailDays:
    """How long a rail takes, in business days of its calendar."""

    calendar: CalendarName
    arrival: int
    return_window: int


# sepa: D+1; returns come within three banking days after settlement (SCT rulebook), two more for our own bank to post them.
# sepa_instant: seconds, any day of the year, but statements and returns still keep bank days.
# ach: credits next banking day; R02, R03 and R04 come within two banking days (NACHA), one more for posting.
_RAILS: dict[str, RailDays] = {
    "sepa": RailDays("TARGET", 1, 5),
    "sepa_instant": RailDays("TARGET", 0, 5),
    "ach": RailDays("FED", 1, 3),
    "sandbox": RailDays("TARGET", 1, 5),
}


def rail_days(rail: str) -> RailDays:
    return _RAILS[rail]


def execution_date(*, at: datetime, profile: BankProfile) -> date:
    """Return the day the bank will execute a file handed over at the instant `at`: today before the cut-off, else the next open day.

    The cut-off is the wall clock of the bank's own zone, so that summer time changes nothing.
    """
    if at.tzinfo is None:
        raise ValueError("An instant without a time zone cannot be held against a cut-off.")
    local = at.astimezone(profile.cut_off_zone)
    day = local.date()
    if local.time() >= profile.cut_off_time:
        day += timedelta(days=1)
    return next_business_day(profile.calendar, day)


def expected_arrival(rail: str, execute_on: date) -> date:
    """Return the day the payee should have the money."""
    rule = _RAILS[rail]
    if rail == "sepa_instant":
        return execute_on
    return add_business_days(rule.calendar, next_business_day(rule.calendar, execute_on), rule.arrival)


def return_window_closes_on(rail: str, settled_on: date, *, window_days: int | None = None) -> date:
    """Return the last day on which a return is still normal; "paid" is provisional up to and including it."""
    rule = _RAILS[rail]
    return add_business_days(rule.calendar, settled_on, rule.return_window if window_days is None else window_days)
