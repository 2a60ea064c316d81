"""Stop what must not leave: hold or take back payouts, cancel the orders that certainly never left."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.gates import Objection
from backoffice.kit.states import transition
from payouts.dispatch.last_gate import BLOCK, Stop
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.states import ORDER, OrderStatus
from payouts.runs.giving_back import give_back
from payouts.runs.models import Payout
from payouts.runs.operations import mark_payouts
from payouts.runs.states import PayoutStatus


def stop_payouts(stops: dict[int, Stop], *, actor: Actor, at: datetime) -> list[dict[str, Any]]:
    """Hold or take back locked payouts that may not leave; returns {payout, effect, code, reason} of each."""
    payouts = {payout.pk: payout for payout in Payout.objects.filter(pk__in=stops).order_by("pk")}
    groups: dict[Stop, list[Payout]] = {}
    for payout_id, stop in stops.items():
        groups.setdefault(stop, []).append(payouts[payout_id])
    for stop, members in groups.items():
        ids = [payout.pk for payout in members]
        if stop.effect == BLOCK:
            give_back(payout_ids=ids, to=PayoutStatus.CANCELED, code=stop.code, reason=stop.reason, actor=actor, at=at)
            continue
        back = [payout.pk for payout in members if payout.status == PayoutStatus.PENDING]
        if back:
            mark_payouts(back, PayoutStatus.APPROVED, actor, at, stop.code, stop.reason)
        mark_payouts(ids, PayoutStatus.HELD, actor, at, stop.code, stop.reason)
    return [
        {"payout": payouts[payout_id].public_id, "effect": stop.effect, "code": stop.code, "reason": stop.reason}
        for payout_id, stop in stops.items()
    ]


def may_cancel(*, payout_ids: list[int], actor: Actor, at: datetime, **_: Any) -> list[Objection]:
    """Cancel the orders of locked payouts that certainly never left, and object for those that may have; a plug of runs.gates.may_cancel."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, payout_id, status, called FROM payouts_paymentorder
                WHERE payout_id = ANY(%s) AND status IN ('approved', 'sending', 'unknown', 'sent') ORDER BY id FOR UPDATE""",
            [payout_ids],
        )
        rows = cursor.fetchall()
    for order_id, _, status, called in rows:
        if status == "approved" and not called:
            cancel_order(order_id, "canceled", "The payout was cancelled before it left.", actor=actor, at=at)
    gone = [payout_id for _, payout_id, status, called in rows if status != "approved" or called]
    return [Objection("block", "order_called", f"The order of payout {payout_id} may have left us.") for payout_id in gone]


def cancel_order(order_id: int, code: str, reason: str, *, actor: Actor, at: datetime) -> None:
    """Cancel one locked order that never left."""
    order = PaymentOrder.objects.get(pk=order_id)
    transition(ORDER, order, OrderStatus.CANCELED, actor=actor, at=at, code=code, reason=reason)
    PaymentOrder.objects.filter(pk=order_id).update(code=code, reason=reason, next_try_at=None)
