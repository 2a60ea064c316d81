"""Cancel a payout run before any of its payouts leaves; its money is available again."""

from datetime import datetime
from typing import Any

from payouts.runs.commanding import RunCommand, answer_of, staff_actor
from payouts.runs.operations import cancel_run
from payouts.runs.queries import find_run


class Command(RunCommand):
    help = __doc__
    takes_reason = True

    def run(self, at: datetime, run: str, email: str | None = None, reason: str = "", **options: Any) -> dict[str, Any]:
        actor = staff_actor(email, "payouts.build_run")
        return answer_of(
            cancel_run(run_id=find_run(run).pk, actor=actor, at=at, reason=reason or "Cancelled on the command line.")
        )
