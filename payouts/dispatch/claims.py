"""Claim orders of call rails: a lease by the database clock, a fence, and the last gate, committed before anything leaves.

A claim says what may be done with an order: *send* it, if no call of it can ever have left, else only *ask* the rail about it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.states import transition_set
from backoffice.kit.transactions import composable
from payouts.dispatch import last_gate
from payouts.dispatch.last_gate import Stop
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.orders import instruction_for, request_hash
from payouts.dispatch.states import ORDER, OrderStatus
from payouts.dispatch.stopping import cancel_order, stop_payouts
from payouts.rails.port import Instruction
from payouts.runs.models import PayoutRun

declare("in_claim", "claimed")

# The part of a lease in which a call may still be started; what is left covers the call itself and its record.
CALL_WITHIN = 0.8

# The test stands in the locking query itself, so that it is made again on rows that changed while we looked; sellers and payouts that others
# hold are skipped, since waiting for them here would be against the order of locks.
_DUE = """
    SELECT o.id FROM payouts_paymentorder o JOIN payouts_payout p ON p.id = o.payout_id JOIN payouts_seller s ON s.id = p.seller_id
     WHERE o.rail = ANY(%(rails)s) AND o.status = ANY(%(states)s) AND o.next_try_at <= now()
     ORDER BY o.next_try_at, o.id LIMIT %(limit)s
       FOR UPDATE OF o SKIP LOCKED FOR NO KEY UPDATE OF p, s SKIP LOCKED
"""
# Taken up before fresh ones: behind a long queue nobody would learn for hours what became of a crashed call.
_LEFT_BEHIND = [OrderStatus.SENDING, OrderStatus.UNKNOWN]
_CLAIM = """
    UPDATE payouts_paymentorder
       SET claim = gen_random_uuid(), fence = fence + 1, tries = tries + 1, called = true,
           lease_until = clock_timestamp() + %(lease)s * interval '1 second',
           next_try_at = clock_timestamp() + %(lease)s * interval '1 second',
           first_called_at = coalesce(first_called_at, clock_timestamp()),
           last_called_at = CASE WHEN called THEN last_called_at ELSE clock_timestamp() END
     WHERE id = ANY(%(orders)s)
 RETURNING id, claim
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An order that is ours until `deadline` (monotonic seconds): send it, or only ask about it."""

    order_id: int
    claim: uuid.UUID
    rail: str
    instruction: Instruction
    ask_only: bool
    deadline: float


@composable
def claim_orders(*, rails: Sequence[str], limit: int, actor: Actor, at: datetime) -> list[Claimed]:
    """Take up to `limit` due orders of these rails: fresh ones, crashed ones, and unknown ones to be asked about.

    Orders that must not leave any more are taken out here, their payouts held or cancelled, as long as no call of theirs can have left.
    """
    started = time.monotonic()
    due = _lock_due(rails, _LEFT_BEHIND, limit)
    due += _lock_due(rails, [OrderStatus.APPROVED], limit - len(due))
    if not due:
        return []
    fresh = {row.pk: row for row in _with_parties(due) if row.status == OrderStatus.APPROVED and not row.called}
    stopped = stop_unfit(fresh.values(), actor=actor, at=at)
    mine = [order_id for order_id in due if order_id not in stopped]

    asked_before = set(PaymentOrder.objects.filter(pk__in=mine, called=True).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"orders": mine, "lease": settings.LEASE_SECONDS})
        claims: dict[int, uuid.UUID] = dict(cursor.fetchall())
    transition_set(
        ORDER,
        "SELECT id FROM payouts_paymentorder WHERE id = ANY(%(orders)s) AND status = 'approved' ORDER BY id",
        {"orders": mine},
        OrderStatus.SENDING,
        actor=actor,
        at=at,
    )
    failpoint("in_claim")
    deadline = started + CALL_WITHIN * settings.LEASE_SECONDS
    return [
        Claimed(row.pk, claims[row.pk], row.rail, instruction_for(row), row.pk in asked_before, deadline)
        for row in _with_parties(mine)
    ]


def _lock_due(rails: Sequence[str], states: Sequence[str], limit: int) -> list[int]:
    if limit <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"rails": list(rails), "states": [str(state) for state in states], "limit": limit})
        return [row[0] for row in cursor.fetchall()]


def _with_parties(order_ids: Sequence[int]) -> list[PaymentOrder]:
    found = PaymentOrder.objects.filter(pk__in=order_ids).select_related("payout__seller", "payout__run", "payee_account")
    return list(found.order_by("pk"))


def stop_unfit(fresh: Iterable[PaymentOrder], *, actor: Actor, at: datetime) -> set[int]:
    """Take out what may not leave: own reasons, the gate, an approval that no longer holds, a row that is not what was approved.

    No call of theirs can have left, and they are locked with their sellers; returns the ids of those taken out.
    """
    by_payout = {order.payout_id: order for order in fresh}
    stops = last_gate.stops_for(sorted(by_payout), at=at) if by_payout else {}
    runs = {order.payout.run_id: order.payout.run for order in by_payout.values()}
    problems = {run_id: _approval_problem(run, at) for run_id, run in runs.items()}
    for payout_id, order in by_payout.items():
        problem = problems[order.payout.run_id] or _altered(order)
        if problem is not None:
            stops[payout_id] = problem
    for payout_id, stop in stops.items():
        cancel_order(by_payout[payout_id].pk, stop.code, stop.reason, actor=actor, at=at)
    if stops:
        stop_payouts(stops, actor=actor, at=at)
    return {by_payout[payout_id].pk for payout_id in stops}


def _approval_problem(run: PayoutRun | None, at: datetime) -> Stop | None:
    if run is None:
        return Stop(last_gate.HOLD, "approval_not_good", "The payout belongs to no run.")
    try:
        last_gate.check_approval(run, at=at)
    except last_gate.ApprovalNotGood as refusal:
        return Stop(last_gate.HOLD, refusal.code, str(refusal))
    return None


def _altered(order: PaymentOrder) -> Stop | None:
    if request_hash(order) == order.request_hash:
        return None
    return Stop(last_gate.HOLD, "order_altered", "The order is not what was made from the approved payout.")


def claim(*, rails: Sequence[str], limit: int, actor: Actor, at: datetime) -> list[Claimed]:
    """Claim and commit. Between here and the record nothing holds a lock."""
    claimed = claim_orders(rails=rails, limit=limit, actor=actor, at=at)
    failpoint("claimed")
    return claimed
