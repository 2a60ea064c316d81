"""Questions about trade-ins: which payout took the money of each, what waits for whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet

from payouts.runs.states import OPEN_STATES, PayoutStatus
from payouts.tradeins.models import TradeIn
from payouts.tradeins.states import TradeInStatus


class Carried(NamedTuple):
    """That a trade-in's money stands in a payout, in the end: one it was carried over to counts instead of the one that came back."""

    trade_in_id: int
    payout_id: int
    payout: str
    status: str


# From the entry that made the price available to the payout whose lines hold it; from a payout that was cancelled or came back to the entry that
# gave its money back, and on to the payout that holds that one.
_CARRIED = """
WITH RECURSIVE given AS (
    SELECT p.source_id AS trade_in_id, e.account_id, e.id AS entry_id
      FROM payouts_posting p JOIN payouts_entry e ON e.posting_id = p.id JOIN payouts_account a ON a.id = e.account_id
     WHERE p.source_kind = 'trade_in' AND p.source_id = ANY(%(rows)s::bigint[]) AND p.template IN ('trade_in', 'trade_in_matured')
       AND a.code = 'seller.available'),
carried AS (
    SELECT g.trade_in_id, q.id, q.public_id, q.status, q.available_account_id, q.lines_upto_entry_id
      FROM given g JOIN payouts_payout q ON q.available_account_id = g.account_id
       AND q.lines_after_entry_id < g.entry_id AND g.entry_id <= q.lines_upto_entry_id
    UNION ALL
    SELECT c.trade_in_id, q.id, q.public_id, q.status, q.available_account_id, q.lines_upto_entry_id
      FROM carried c
      JOIN payouts_posting p ON p.source_kind = 'payout' AND p.source_id = c.id AND p.template IN ('payout_canceled', 'payout_bounced')
      JOIN payouts_entry e ON e.posting_id = p.id AND e.account_id = c.available_account_id
      JOIN payouts_payout q ON q.available_account_id = c.available_account_id
       AND q.lines_after_entry_id < e.id AND e.id <= q.lines_upto_entry_id)
SELECT DISTINCT ON (trade_in_id) trade_in_id, id, public_id, status FROM carried ORDER BY trade_in_id, lines_upto_entry_id DESC
"""


def carried_by(trade_in_ids: Sequence[int]) -> dict[int, Carried]:
    """Return {trade-in id: the last payout its money went into}; those no payout took are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_CARRIED, {"rows": list(trade_in_ids)})
        return {row[0]: Carried(*row) for row in cursor.fetchall()}


def is_open(carried: Carried | None) -> bool:
    return carried is not None and carried.status in OPEN_STATES


def due(at: datetime, limit: int) -> list[int]:
    """Return the trade-ins whose waiting time is over, the oldest first."""
    rows = TradeIn.objects.filter(pending_minor__gt=0, available_at__lte=at).order_by("available_at", "pk")
    return list(rows.values_list("pk", flat=True)[:limit])


def accepted_after(last: int, limit: int) -> list[int]:
    """Return trade-ins that are owed and do not wait any more, by id."""
    rows = TradeIn.objects.filter(status=TradeInStatus.ACCEPTED, pending_minor=0, pk__gt=last).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:limit])


def sent_back_by_banks(limit: int) -> list[int]:
    """Return trade-ins that count as paid by a payout that came back."""
    rows = TradeIn.objects.filter(payout__status=PayoutStatus.RETURNED, status=TradeInStatus.PAID).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:limit])


def to_approve() -> QuerySet[TradeIn]:
    """Return those above the limit of one person."""
    return TradeIn.objects.filter(status=TradeInStatus.NEEDS_APPROVAL)


def late(at: datetime) -> QuerySet[TradeIn]:
    """Return those accepted whose promised day is over without the money having arrived."""
    return TradeIn.objects.filter(status=TradeInStatus.ACCEPTED, pay_by_on__lt=at.date())
