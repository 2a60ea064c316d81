"""Counted usage from our own books: how many sales were booked in a window, and what they grossed.

Counted when booked, not when it happened: a sale that is imported late falls into the window in which it came, so that each is billed exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db import connection


class Window(NamedTuple):
    """Whose sales, in which currency, booked in [since, until)."""

    key: int
    seller_id: int
    currency: str
    since: datetime
    until: datetime


class Usage(NamedTuple):
    """What a window holds: sales, and their gross in minor units of the window's currency."""

    sales_count: int = 0
    sales_gross: int = 0


NOTHING = Usage()


def usage_of(windows: Iterable[Window]) -> dict[int, Usage]:
    """Return {key: usage} of windows, in one query; windows without sales are left out."""
    asked = list(windows)
    if not asked:
        return {}
    keys, sellers, currencies, since, until = (list(column) for column in zip(*asked, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT w.key, count(*), sum(g.gross_minor)::bigint
                 FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[])
                      AS w(key, seller_id, currency, since, until)
                 JOIN payouts_earning g ON g.seller_id = w.seller_id AND g.currency = w.currency AND g.kind = 'sale'
                  AND g.recorded_at >= w.since AND g.recorded_at < w.until
                GROUP BY 1""",
            [keys, sellers, currencies, since, until],
        )
        return {key: Usage(count, gross) for key, count, gross in cursor.fetchall()}
