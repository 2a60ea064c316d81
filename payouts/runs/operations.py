"""The verbs of this room: the door for everybody else."""

from payouts.runs.approving import approve_run, deny_run, refresh_run
from payouts.runs.building import build_payout, build_run
from payouts.runs.giving_back import cancel_payout, cancel_run, expire_runs, payee_changed
from payouts.runs.marking import complete_runs, finalise_payouts, hold_payout, mark_payouts, release_payout
from payouts.runs.planning import plan_run

__all__ = [
    "approve_run",
    "build_payout",
    "build_run",
    "cancel_payout",
    "cancel_run",
    "complete_runs",
    "deny_run",
    "expire_runs",
    "finalise_payouts",
    "hold_payout",
    "mark_payouts",
    "payee_changed",
    "plan_run",
    "refresh_run",
    "release_payout",
]
