"""The dry run: who would be paid, who is skipped and why, and what differs from the last run. Writes nothing."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.commands import OperatorCommand
from backoffice.kit.money import Money
from payouts.runs.commanding import add_day_options, currency_of, day_of
from payouts.runs.operations import plan_run
from payouts.runs.presenting import present_plan


class Command(OperatorCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_day_options(parser)

    def run(
        self, at: datetime, on: str | None = None, currency: str | None = None, all_schedules: bool = False, **options: Any
    ) -> dict[str, Any]:
        plan = plan_run(on=day_of(on, at), at=at, currency=currency_of(currency), all_schedules=all_schedules)
        return present_plan(plan)

    def human(self, answer: dict[str, Any]) -> None:
        for currency, total in answer["totals"].items():
            self.stdout.write(f"{total['count']} payouts, {Money(total['amount_minor'], currency).display()}")
        for row in answer["payouts"]:
            money = Money(**row["amount"]).display()
            self.stdout.write(f"  {money:>20}  {row['external_id']}  {row['payee']}  {row['rail']}")
        for code, count in answer["skipped_by_code"].items():
            self.stdout.write(f"skipped, {code}: {count}")
        if answer["difference"]:
            counts = ", ".join(f"{answer['difference'][f'{name}_count']} {name}" for name in ("new", "gone", "changed"))
            self.stdout.write(f"against {answer['difference']['previous']}: {counts}")
        self.stdout.write("Nothing was written. `build_run` takes the money aside.")
