"""Refuse a payout run that waits for approval; its money is available to the sellers again."""

from datetime import datetime
from typing import Any

from backoffice.kit.errors import InputError
from payouts.runs.commanding import RunCommand, answer_of, staff_actor
from payouts.runs.operations import deny_run
from payouts.runs.queries import find_run


class Command(RunCommand):
    help = __doc__
    as_required = True
    takes_reason = True
    reason_required = True

    def run(self, at: datetime, run: str, email: str, reason: str, **options: Any) -> dict[str, Any]:
        if not reason.strip():
            raise InputError(detail="Give a reason: it is kept in the history.")
        actor = staff_actor(email, "payouts.approve_run")
        return answer_of(deny_run(run_id=find_run(run).pk, actor=actor, at=at, reason=reason))
