"""Take payouts whose facts changed out of a waiting run, and put what is left to approval again."""

from datetime import datetime
from typing import Any

from payouts.runs.commanding import RunCommand, answer_of, staff_actor
from payouts.runs.operations import refresh_run
from payouts.runs.queries import find_run


class Command(RunCommand):
    help = __doc__

    def run(self, at: datetime, run: str, email: str | None = None, **options: Any) -> dict[str, Any]:
        actor = staff_actor(email, "payouts.build_run")
        return answer_of(refresh_run(run_id=find_run(run).pk, actor=actor, at=at))
