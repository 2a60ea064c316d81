"""Ask call rails what became of orders they accepted: settled, or come back. Asking has no effect at the rail, so it needs no lease."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import connection

from backoffice.kit.actors import rail
from backoffice.kit.transactions import durable
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.outcomes import Outcome, Told, apply_outcomes
from payouts.dispatch.states import OrderStatus
from payouts.rails import registry
from payouts.rails.port import LookUp, Present, Unknown

# A settled order is asked about until its return window closes, this often; one not yet settled once a lease.
COMPLETED_EVERY_SECONDS = 3600

# Moving the next question on is the claim: two sweepers do not ask about the same order at the same time.
_DUE = """
    WITH due AS MATERIALIZED (
        SELECT id FROM payouts_paymentorder
         WHERE rail = ANY(%(rails)s) AND status IN ('sent', 'completed') AND next_try_at <= now()
         ORDER BY next_try_at, id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE payouts_paymentorder o
       SET next_try_at = clock_timestamp() + CASE o.status WHEN 'sent' THEN %(lease)s ELSE %(completed)s END * interval '1 second'
      FROM due WHERE o.id = due.id RETURNING o.id, o.rail, o.key, o.status
"""


@durable
def ask_about_sent(*, at: datetime, limit: int = 1_000) -> dict[str, int]:
    """Ask about accepted orders that are due for it, and book what is told; returns counts by what was told."""
    with connection.cursor() as cursor:
        facts = {
            "rails": registry.names_of_mode("call"),
            "limit": limit,
            "lease": settings.LEASE_SECONDS,
            "completed": COMPLETED_EVERY_SECONDS,
        }
        cursor.execute(_DUE, facts)
        due = cursor.fetchall()
    counts: dict[str, int] = {}
    for order_id, rail_name, key, status in due:
        told = _told(registry.call_rail(rail_name).look_up(key), order_id, status, at)
        if told is not None:
            effects = apply_outcomes([told], actor=rail(rail_name), at=at)
            name = f"{told.told}_{effects[order_id]}" if effects[order_id] != "applied" else str(told.told)
            counts[name] = counts.get(name, 0) + 1
    return counts


def _told(found: LookUp, order_id: int, status: str, at: datetime) -> Outcome | None:
    if isinstance(found, Unknown) or not isinstance(found, Present):
        return None
    facts = (found.code, found.raw_code, found.reason)
    match found.status:
        case "settled" if status == OrderStatus.SENT:
            return Outcome(order_id, Told.SETTLED, at.date())
        case "returned":
            return Outcome(order_id, Told.RETURNED, at.date(), "", *facts)
        case "refused" if status == OrderStatus.SENT:
            return Outcome(order_id, Told.REJECTED, at.date(), "", *facts)
    return None


def close_return_windows(*, at: datetime, limit: int = 100_000) -> int:
    """Make "paid" final for payouts whose return window is over; returns how many. A return after that is still booked, as an exception."""
    from payouts.runs.operations import finalise_payouts

    final = finalise_payouts(at=at, limit=limit)
    orders = PaymentOrder.objects.filter(payout_id__in=final, status=OrderStatus.COMPLETED, next_try_at__isnull=False)
    orders.update(next_try_at=None)
    return len(final)
