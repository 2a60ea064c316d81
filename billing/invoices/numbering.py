"""Numbers without gaps, per legal entity, kind and year: the counter's row is the last lock a transaction takes.

A rolled-back transaction gives its block back with the counter; two runs wait for each other only from here to their commit. Rejected: database
sequences, which lose numbers on every rollback.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import connection

from billing.invoices.models import LegalEntity


def day_of_issue(entity: LegalEntity, at: datetime) -> date:
    """Return the day on which something is issued now, in the entity's own zone; its year names the series."""
    return at.astimezone(ZoneInfo(entity.time_zone)).date()


def reserve(entity: LegalEntity, kind: str, year: int, count: int) -> tuple[int, int]:
    """Take the next `count` numbers of a series; return (series id, the first of them). Held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO billing_numberseries (entity_id, kind, year, last_number) VALUES (%s, %s, %s, %s)
               ON CONFLICT (entity_id, kind, year) DO UPDATE SET last_number = billing_numberseries.last_number + EXCLUDED.last_number
               RETURNING id, last_number""",
            [entity.pk, kind, year, count],
        )
        series_id, last = cursor.fetchone()
    return series_id, last - count + 1


def number_text(entity_code: str, kind: str, year: int, sequence: int) -> str:
    """Return a number as it is printed: MKT-INV-2026-000042."""
    return f"{entity_code.upper()}-{kind}-{year}-{sequence:06d}"
