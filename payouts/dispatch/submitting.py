"""Release an approved run to its rails: the last gate, orders with their keys, files sealed and handed over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from backoffice.kit import outbox
from backoffice.kit.actors import Actor
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from payouts.dispatch import files, last_gate
from payouts.dispatch.last_gate import RunNotApproved
from payouts.dispatch.models import PaymentOrder, RailFile
from payouts.dispatch.orders import create_orders
from payouts.dispatch.stopping import stop_payouts
from payouts.runs import booking
from payouts.runs.locks import CODES
from payouts.runs.models import PayoutRun
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
