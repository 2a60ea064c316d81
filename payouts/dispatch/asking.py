"""Ask call rails what became of orders they accepted: settled, or come back. Asking has no effect at the rail, so it needs no lease."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, connection

from backoffice.kit.actors import rail
from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import durable
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.outcomes import Effect, Outcome, Told, apply_outcomes
from payouts.dispatch.states import OrderStatus
from payouts.rails import registry
from payouts.rails.port import LookUp, Present, Unknown

logger = logging.getLogger(__name__)
SWEEPER = rail("sweeper")
CHUNK, AT_ONCE = 100, 8

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
    counts: Counter[str] = Counter()
    for start in range(0, len(due), CHUNK):
        chunk = due[start : start + CHUNK]
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="asking") as pool:
            answers = list(pool.map(_ask, chunk))
        told = [outcome for row, found in zip(chunk, answers, strict=True) if (outcome := _told(found, row[0], row[3], at))]
        for outcome, effect in _apply(told, at):
            counts[f"{outcome.told}_{effect}" if effect != Effect.APPLIED else str(outcome.told)] += 1
    return dict(counts)


def _ask(row: tuple[int, str, str, str]) -> LookUp:
    """Ask one question; threads touch no database."""
    order_id, rail_name, key, _ = row
    try:
        return registry.call_rail(rail_name).look_up(key)
    except Exception as problem:
        logger.exception("order %s: the rail %s could not be asked", order_id, rail_name, exc_info=False)
        return Unknown(f"The question failed ({type(problem).__name__}).")


def _apply(told: list[Outcome], at: datetime) -> list[tuple[Outcome, Effect]]:
    """Book a chunk together; where one of them cannot be booked, each for itself."""
    try:
        effects = apply_outcomes(told, actor=SWEEPER, at=at)
    except (Refusal, IntegrityError):
        effects = {}
        for outcome in told:
            try:
                effects |= apply_outcomes([outcome], actor=SWEEPER, at=at)
            except (Refusal, IntegrityError):
                logger.exception("what the rail says about order %s could not be booked; asked again later", outcome.order_id)
    return [(outcome, effects[outcome.order_id]) for outcome in told if outcome.order_id in effects]


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
