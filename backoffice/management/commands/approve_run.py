"""Approve a payout run, as another person than its maker."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.money import Money
from payouts.runs.commanding import RunCommand, answer_of, staff_actor
from payouts.runs.content import counts_and_totals
from payouts.runs.models import PayoutRun
from payouts.runs.operations import approve_run
from payouts.runs.queries import find_run


class Command(RunCommand):
    help = __doc__
    as_required = True
    takes_reason = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--content-hash", metavar="SHA256", help="approve only this content (default: the run as it stands)")
        parser.add_argument("--confirm-total", metavar="TOTAL", help="the total, such as '1234.50 EUR', above the step-up limit")

    def run(
        self,
        at: datetime,
        run: str,
        email: str,
        reason: str = "",
        content_hash: str | None = None,
        confirm_total: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        actor = staff_actor(email, "payouts.approve_run")
        found = find_run(run)
        approved = approve_run(
            run_id=found.pk,
            content_hash=content_hash or found.content_hash,
            actor=actor,
            at=at,
            reason=reason,
            confirmed_total=confirm_total or self._total_of(found),
        )
        return answer_of(approved)

    def _total_of(self, run: PayoutRun) -> str:
        """Ask a person at a terminal to type the total; a script that names the run by its id has nobody to ask."""
        payouts, sums = counts_and_totals(run)
        totals = ", ".join(f"{Money(total, currency).decimal()} {currency}" for currency, total in sums.items())
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return totals
        self.stderr.write(f"{run.public_id} of {run.run_on}: {payouts} payouts, {totals}. Type the total to approve:")
        return sys.stdin.readline()
