"""Questions about earnings: what is due to become available, one sale, rejected lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet

from payouts.earnings.bulk import array
from payouts.earnings.models import Earning, RejectedLine, RejectedState


class Pending(NamedTuple):
    """An earning with money still pending; amounts in minor units."""

    earning_id: int
    public_id: str
    seller_id: int
    currency: str
    pending_minor: int
    available_at: datetime


def volumes_since(seller_ids: Sequence[int], since: datetime, until: datetime) -> dict[int, tuple[int, int]]:
    """Return {seller id: (sales, gross in minor units)} of sales in the seller's own currency; sellers without any are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT g.seller_id, count(*), sum(g.gross_minor)::bigint FROM payouts_earning g JOIN payouts_seller s ON s.id = g.seller_id
                WHERE g.seller_id = ANY(%s::bigint[]) AND g.kind = 'sale' AND g.currency = s.currency
                  AND g.occurred_at > %s AND g.occurred_at <= %s GROUP BY 1""",
            [array(seller_ids), since, until],
        )
        return {seller_id: (count, gross) for seller_id, count, gross in cursor.fetchall()}


def refunds_since(seller_ids: Sequence[int], since: datetime, until: datetime) -> dict[int, int]:
    """Return {seller id: gross minor units of refunds and chargebacks} in the seller's own currency, without sign."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT g.seller_id, abs(sum(g.gross_minor))::bigint FROM payouts_earning g JOIN payouts_seller s ON s.id = g.seller_id
                WHERE g.seller_id = ANY(%s::bigint[]) AND g.kind IN ('refund', 'chargeback') AND g.currency = s.currency
                  AND g.occurred_at > %s AND g.occurred_at <= %s GROUP BY 1""",
            [array(seller_ids), since, until],
        )
        return dict(cursor.fetchall())


class Due(NamedTuple):
    """An earning whose time has come, as the walk over them sees it."""

    earning_id: int
    seller_id: int
    available_at: datetime


def due(at: datetime, limit: int, after: Due | None = None) -> list[Due]:
    """Return what is pending and due at `at`, the oldest first and without a lock; `after` goes on behind the last one seen."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, seller_id, available_at FROM payouts_earning WHERE pending_minor > 0 AND available_at <= %(at)s
                  AND (%(last)s::timestamptz IS NULL OR (available_at, id) > (%(last)s, %(id)s))
                ORDER BY available_at, id LIMIT %(limit)s""",
            {"at": at, "last": after and after.available_at, "id": after and after.earning_id, "limit": limit},
        )
        return [Due(*row) for row in cursor.fetchall()]


def lock_pending(earning_ids: Sequence[int]) -> list[Pending]:
    """Lock these earnings and return those that still have pending money, by due date; a rival may have matured some meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, public_id, seller_id, currency, pending_minor, available_at FROM payouts_earning
                WHERE id = ANY(%s::bigint[]) AND pending_minor > 0 ORDER BY id FOR NO KEY UPDATE""",
            [array(earning_ids)],
        )
        return sorted((Pending(*row) for row in cursor.fetchall()), key=lambda row: (row.available_at, row.earning_id))


def lines_of_sale(seller_id: int, currency: str, order_ref: str) -> QuerySet[Earning]:
    """Return every line of one sale, in booking order."""
    return Earning.objects.filter(seller_id=seller_id, currency=currency, order_ref=order_ref).order_by("id")


def rejected_open() -> QuerySet[RejectedLine]:
    """Return the rejected lines nobody has dealt with, the oldest first."""
    return RejectedLine.objects.filter(state=RejectedState.OPEN).order_by("id")
