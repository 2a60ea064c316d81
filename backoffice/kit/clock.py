"""Read the clock at the edge, and nowhere else: verbs take `at`."""

from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime


def now() -> datetime:
    """Return the present instant in UTC. For commands, views and tasks only; a verb that calls this is a defect."""
    return datetime.now(UTC)


# No book of ours begins before or ends after; further out, adding thirty days to an instant overflows.
YEARS = range(2000, 2200)


def parse_at(text: str | None) -> datetime:
    """Return the instant of an ISO 8601 text (UTC when it names no zone), or now when there is none; raises ValueError."""
    if not text:
        return now()
    parsed = parse_datetime(text) or parse_datetime(text + "T00:00:00")
    if parsed is None:
        raise ValueError(f"{text[:40]!r} is not an ISO 8601 date or time, such as 2026-11-21T09:30:00Z.")
    if parsed.year not in YEARS:
        raise ValueError(f"{text[:40]!r} lies outside the years {YEARS.start} to {YEARS.stop - 1}.")
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
