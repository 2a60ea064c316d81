"""Billing periods, exactly: every boundary is counted from the anchor, never from the boundary before it.

An anchor on the 31st is billed on the 30th of April and on the 31st of May; counting from April would lose that day for good. Pure; instants are UTC.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

from django.db import models


class Interval(models.TextChoices):
    DAY = "day", "day"
    WEEK = "week", "week"
    MONTH = "month", "month"
    YEAR = "year", "year"


class Anchor(models.TextChoices):
    ANNIVERSARY = "anniversary", "the day it began"
    CALENDAR = "calendar", "the first day of the month, week or year"


def boundary(anchor: datetime, interval: str, count: int, number: int) -> datetime:
    """Return the `number`th boundary from the anchor (0 is the anchor, negative lie before), clipped to the end of short months."""
    if interval in (Interval.DAY, Interval.WEEK):
        return anchor + timedelta(days=(7 if interval == Interval.WEEK else 1) * count * number)
    months = (12 if interval == Interval.YEAR else 1) * count * number + anchor.month - 1
    year, month = anchor.year + months // 12, months % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, calendar.monthrange(year, month)[1]))


def period_around(anchor: datetime, interval: str, count: int, at: datetime) -> tuple[datetime, datetime]:
    """Return the period [start, end) of this anchor that holds an instant; at a boundary, the one that begins there."""
    number = _near(anchor, interval, count, at)
    while boundary(anchor, interval, count, number) > at:
        number -= 1
    while boundary(anchor, interval, count, number + 1) <= at:
        number += 1
    return boundary(anchor, interval, count, number), boundary(anchor, interval, count, number + 1)


def _near(anchor: datetime, interval: str, count: int, at: datetime) -> int:
    """Return a boundary's number next to an instant; the caller walks the last step."""
    if interval in (Interval.DAY, Interval.WEEK):
        return (at - anchor) // timedelta(days=(7 if interval == Interval.WEEK else 1) * count)
    months = (at.year - anchor.year) * 12 + at.month - anchor.month
    return months // ((12 if interval == Interval.YEAR else 1) * count)


def anchor_of(kind: str, interval: str, start: datetime) -> datetime:
    """Return the anchor of something that starts now: the start itself, or the calendar's first midnight (UTC) at or after it."""
    if kind == Anchor.ANNIVERSARY:
        return start
    midnight = datetime(start.year, start.month, start.day, tzinfo=UTC)
    if interval == Interval.WEEK:
        first = midnight - timedelta(days=midnight.weekday())
    elif interval == Interval.MONTH:
        first = midnight.replace(day=1)
    elif interval == Interval.YEAR:
        first = midnight.replace(month=1, day=1)
    else:
        first = midnight
    return first if first == start else boundary(first, interval, 1, 1)


def prorate(amount_minor: int, part: timedelta, whole: timedelta) -> int:
    """Return the share of an amount that a part of a period is worth, to the microsecond, rounded half up away from zero."""
    numerator, denominator = part // timedelta(microseconds=1), whole // timedelta(microseconds=1)
    product = abs(amount_minor) * max(0, min(numerator, denominator))
    rounded = (2 * product + denominator) // (2 * denominator)
    return rounded if amount_minor >= 0 else -rounded
