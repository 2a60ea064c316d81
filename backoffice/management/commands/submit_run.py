"""Submit an approved run: seal its files and hand them to the bank, send its calls."""

from datetime import datetime
from typing import Any

from payouts.dispatch import queries
from payouts.dispatch.operations import submit_run, work
from payouts.runs.commanding import RunCommand, staff_actor
from payouts.runs.queries import find_run


class Command(RunCommand):
    help = __doc__

    def run(self, at: datetime, run: str, email: str | None = None, **options: Any) -> dict[str, Any]:
        actor = staff_actor(email, "payouts.submit_run")
        found = find_run(run)
        result = submit_run(run_id=found.pk, actor=actor, at=at)
        if result.to_call:
            work(at=at, limit=result.to_call)
        return {
            "run": found.public_id,
            "status": result.run.status,
            "submitted": result.submitted,
            "stopped": result.stopped,
            "files": [queries.as_json(file) for file in queries.files_of_run(found.pk)],
            "orders": queries.run_progress(found.pk),
        }

    def human(self, answer: dict[str, Any]) -> None:
        self.stdout.write(
            f"{answer['run']}: {answer['status']}, {answer['submitted']} payouts released, {len(answer['stopped'])} stopped"
        )
        for stop in answer["stopped"]:
            self.stdout.write(f"  {stop['payout']}: {stop['effect']}, {stop['reason']} ({stop['code']})")
        for file in answer["files"]:
            self.stdout.write(
                f"  {file['file_name']}: {file['orders']} payments, {file['state']}, executed on {file['execute_on']}"
            )
        for status, sums in answer["orders"].items():
            self.stdout.write(f"  {sums['count']} orders {status}")
