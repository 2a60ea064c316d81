"""Move payouts along while they are held, sent and answered; the only way other rooms change a payout's status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from backoffice.kit import outbox
from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.states import transition, transition_set
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.runs.building import PARTNER_PAYOUTS
from payouts.runs.locks import lock_payout
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.states import OPEN_STATES, PAYOUT, RUN, PayoutStatus, RunStatus

# What dispatch may set beside the status; everything else of a payout is frozen.
MARKABLE = {"submitted_at", "expected_arrival_on", "paid_at", "return_window_closes_on", "settled_final_at"}
_ENDS = [PayoutStatus.PAID, PayoutStatus.FAILED, PayoutStatus.RETURNED, PayoutStatus.CANCELED, PayoutStatus.EXPIRED]


class PayoutsMovedOn(Refusal):
    code = "payouts_moved_on"
    sentence = "{left} of {asked} payouts can no longer become {to}: they moved on meanwhile."


@composable
def mark_payouts(
    payout_ids: Sequence[int], to: str, actor: Actor, at: datetime, code: str = "", reason: str = "", **columns: Any
) -> int:
    """Move payouts to a status, all or none, with history; return how many.

    `columns` are those of MARKABLE. Events: payout.<status> for sellers of partners. A submitted run is completed with its last payout. Refuses:
    PayoutsMovedOn.
    """
    if set(columns) - MARKABLE:
        raise ValueError(f"mark_payouts does not set {set(columns) - MARKABLE}.")
    chosen = {"payouts": sorted(set(payout_ids))}
    moved = transition_set(
        PAYOUT,
        "SELECT unnest(%(payouts)s::bigint[]) AS id",
        chosen,
        to,
        actor=actor,
        at=at,
        code=code,
        reason=reason,
        also={"status_code": code, "status_reason": reason, "changed_at": at, **columns},
    )
    if moved != len(chosen["payouts"]):
        raise PayoutsMovedOn(left=len(chosen["payouts"]) - moved, asked=len(chosen["payouts"]), to=PayoutStatus(to).label)
    outbox.tell_set(f"payout.{to}", PARTNER_PAYOUTS + " AND p.id = ANY(%(payouts)s)", chosen, at=at)
    if to in _ENDS:
        complete_runs(actor=actor, at=at, of_payouts=chosen["payouts"])
    return moved


@composable
def complete_runs(*, actor: Actor, at: datetime, of_payouts: Sequence[int] | None = None) -> list[PayoutRun]:
    """Complete the submitted runs that have no open payout left; run on schedule too, since two last payouts may end at the same moment."""
    runs = PayoutRun.objects.filter(status=RunStatus.SUBMITTED).exclude(payouts__status__in=OPEN_STATES)
    if of_payouts is not None:
        runs = runs.filter(pk__in=Payout.objects.filter(pk__in=list(of_payouts)).values("run_id"))
    done = []
    for run in PayoutRun.objects.select_for_update(skip_locked=True).filter(pk__in=runs.values("pk")).order_by("pk"):
        if run.status == RunStatus.SUBMITTED:
            transition(RUN, run, RunStatus.COMPLETED, actor=actor, at=at)
            outbox.tell("payout_run.completed", subject=run.public_id, payload={}, at=at)
            done.append(run)
    return done


@composable
def finalise_payouts(*, at: datetime, limit: int = 100_000) -> list[int]:
    """Make "paid" final where the return window closed before the day of `at`; returns the ids of these payouts."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH due AS MATERIALIZED (
                   SELECT id FROM payouts_payout WHERE stage = 'paid' AND settled_final_at IS NULL AND return_window_closes_on < %(on)s
                    ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED)
               UPDATE payouts_payout p SET settled_final_at = %(at)s FROM due WHERE p.id = due.id RETURNING p.id""",
            {"on": at.date(), "at": at, "limit": limit},
        )
        return [row[0] for row in cursor.fetchall()]


@composable
def hold_payout(*, payout_id: int, actor: Actor, at: datetime, reason: str, code: str = "held") -> Payout:
    """Stop an approved payout before it leaves; its money stays aside. Refuses: MoveNotAllowed."""
    payout = lock_payout(payout_id)
    transition(PAYOUT, payout, PayoutStatus.HELD, actor=actor, at=at, reason=reason, code=code)
    return _annotate(payout, "hold_payout", actor, at, reason, code)


@composable
def release_payout(*, payout_id: int, actor: Actor, at: datetime, reason: str) -> Payout:
    """Let a held payout go on. Refuses: MoveNotAllowed."""
    payout = lock_payout(payout_id)
    if payout.status != PayoutStatus.HELD:
        raise NotHeld(state=payout.get_status_display())
    transition(PAYOUT, payout, PayoutStatus.APPROVED, actor=actor, at=at, reason=reason, code="released")
    return _annotate(payout, "release_payout", actor, at, reason, "")


class NotHeld(Refusal):
    code = "payout_not_held"
    sentence = "This payout is not held: it is {state}."


def _annotate(payout: Payout, act: str, actor: Actor, at: datetime, reason: str, code: str) -> Payout:
    payout.status_code, payout.status_reason, payout.changed_at = code, reason if code else "", at
    payout.save(update_fields=["status_code", "status_reason", "changed_at"])
    audit.record(actor, act, payout.public_id, at, reason)
    outbox.tell_set(f"payout.{payout.status}", PARTNER_PAYOUTS + " AND p.id = %(payout)s", {"payout": payout.pk}, at=at)
    return payout
