"""Release an approved run to its rails: the last gate, orders with their keys, files sealed and handed over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from backoffice.kit import outbox
from backoffice.kit.actors import Actor
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.gates import Objection
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from payouts.dispatch import files, last_gate
from payouts.dispatch.last_gate import BLOCK, RunNotApproved, Stop
from payouts.dispatch.models import PaymentOrder, RailFile
from payouts.dispatch.orders import create_orders
from payouts.dispatch.states import ORDER, OrderStatus
from payouts.runs import booking
from payouts.runs.giving_back import give_back
from payouts.runs.locks import CODES
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import mark_payouts
from payouts.runs.states import RUN, PayoutStatus, RunStatus

declare("submit_released", "submit_done")


@dataclass(slots=True)
class SubmitResult:
    """What submitting did: orders made now, payouts stopped with their reasons, files handed over, orders that wait for a call."""

    run: PayoutRun
    submitted: int = 0
    stopped: list[dict[str, Any]] = field(default_factory=list)
    files: list[RailFile] = field(default_factory=list)
    to_call: int = 0


@durable
def submit_run(*, run_id: int, actor: Actor, at: datetime) -> SubmitResult:
    """Send an approved run to its rails; submitting it again takes up what was left behind, and sends nothing twice.

    Payouts that may no longer leave are held or cancelled, each with its reason. File rails: files are sealed, validated and handed over here;
    call rails: their orders wait for `work`. Events: payout_run.submitted, payout.pending, payout.in_transit. Refuses: RunNotApproved,
    ApprovalNotGood, SellersAreBusy.
    """
    result = _release(run_id=run_id, actor=actor, at=at)
    failpoint("submit_released")
    files.build_files(run_id=run_id, actor=actor, at=at)
    result.files = files.hand_over_files(actor=actor, at=at, run_id=run_id)
    result.to_call = PaymentOrder.objects.filter(payout__run_id=run_id, rail_file__isnull=True, status="approved").count()
    failpoint("submit_done")
    result.run.refresh_from_db()
    return result


@composable
def _release(*, run_id: int, actor: Actor, at: datetime) -> SubmitResult:
    with booking.patient():
        booking.lock_accounts_of(
            "SELECT seller_id FROM payouts_payout WHERE run_id = %(run)s AND status = 'approved'", {"run": run_id}, codes=CODES
        )
        run = PayoutRun.objects.select_for_update().get(pk=run_id)
        if run.status not in (RunStatus.APPROVED, RunStatus.SUBMITTED):
            raise RunNotApproved(state=run.get_status_display())
        result = SubmitResult(run)
        waiting = _lock_waiting(run)
        if not waiting:
            return result
        last_gate.check_approval(run, at=at)

        stops = last_gate.stops_for(waiting, at=at)
        result.stopped = stop_payouts(stops, actor=actor, at=at)
        going = [payout_id for payout_id in waiting if payout_id not in stops]
        if going:
            create_orders(going, actor=actor, at=at)
            mark_payouts(going, PayoutStatus.PENDING, actor, at, submitted_at=at)
        result.submitted = len(going)
        _mark_run(run, result, actor, at)
    return result


def _mark_run(run: PayoutRun, result: SubmitResult, actor: Actor, at: datetime) -> None:
    if run.status == RunStatus.APPROVED and result.submitted:
        PayoutRun.objects.filter(pk=run.pk).update(submitted_at=at)
        transition(RUN, run, RunStatus.SUBMITTED, actor=actor, at=at)
    facts = {"submitted": result.submitted, "stopped": len(result.stopped)}
    audit.record(actor, "submit_run", run.public_id, at, facts=facts)
    outbox.tell("payout_run.submitted", subject=run.public_id, payload=facts, at=at)


def _lock_waiting(run: PayoutRun) -> list[int]:
    """Lock the run's approved payouts in id order and return their ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM payouts_payout WHERE run_id = %s AND status = 'approved' ORDER BY id FOR NO KEY UPDATE", [run.pk]
        )
        return [row[0] for row in cursor.fetchall()]


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
