"""Prepare the tax report of a regime and year: figures from the ledger, who is reported, what is missing. Sends nothing."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.commands import PARTLY, OperatorCommand, actor_of
from backoffice.kit.money import Money
from payouts.reporting.operations import prepare_report
from payouts.reporting.queries import present


class Command(OperatorCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--regime", required=True, metavar="REGIME", help="dac7 or 1099k")
        parser.add_argument("--year", required=True, metavar="YEAR", type=int)
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(self, at: datetime, regime: str, year: int, email: str | None = None, **options: Any) -> dict[str, Any]:
        actor = actor_of(email, permission="payouts.prepare_tax_report", fallback="reporting")
        answer = present(prepare_report(regime=regime, year=year, actor=actor, at=at))
        if answer["sellers_missing_data"]:
            self.exit_code = PARTLY
        return answer

    def human(self, answer: dict[str, Any]) -> None:
        self.stdout.write(f"{answer['report']} ({answer['state']}): {answer['sellers_reported']} sellers reported.")
        for sums in answer["totals"].values():
            money = Money(**sums["consideration"]).display()
            self.stdout.write(
                f"  {money} consideration, {sums['activities']} sales; difference to the ledger {sums['difference_minor']}"
            )
        for code, count in answer["not_reported"].items():
            self.stdout.write(f"not reported, {code}: {count}")
        for name, count in answer["missing"].items():
            self.stdout.write(f"missing, {name}: {count}")
