"""Build a payout run: take the money aside, freeze the lines, ask another person for approval."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.commands import OperatorCommand
from backoffice.kit.ids import new_id
from payouts.runs.commanding import add_day_options, answer_of, currency_of, day_of, print_run, staff_actor
from payouts.runs.operations import build_run


class Command(OperatorCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_day_options(parser)
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="the staff member who makes it (default: the machine)")
        parser.add_argument("--key", help="idempotency key: the same key answers the same run")

    def run(
        self,
        at: datetime,
        on: str | None = None,
        currency: str | None = None,
        all_schedules: bool = False,
        email: str | None = None,
        key: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        run = build_run(
            on=day_of(on, at),
            currency=currency_of(currency),
            all_schedules=all_schedules,
            actor=staff_actor(email, "payouts.build_run"),
            key=key or new_id("cmd"),
            at=at,
        )
        return answer_of(run)

    def human(self, answer: dict[str, Any]) -> None:
        print_run(self, answer)
