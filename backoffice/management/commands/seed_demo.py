"""manage.py seed_demo: the demo marketplace, deterministic."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.demo.cycle import seed_demo
from backoffice.kit.commands import FAILED, OperatorCommand


class Command(OperatorCommand):
    help = "Load the demo marketplace into an empty installation and take it through whole payout cycles."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sellers", type=int, default=300)
        parser.add_argument("--days", type=int, default=90)
        parser.add_argument("--seed", type=int, default=1)

    def run(self, *, sellers: int, days: int, seed: int, at: datetime, **_: Any) -> dict[str, Any]:
        told = seed_demo(sellers=sellers, days=days, seed=seed, at=at, say=lambda line: self.stderr.write(line))
        self.exit_code = 0 if told["clean"] else FAILED
        return told

    def human(self, answer: dict[str, Any]) -> None:
        paid = answer["payouts"]
        self.stdout.write(
            f"Demo marketplace: {answer['sellers']} sellers, {answer['earnings']:,} earnings, {answer['rejected_lines']} rejected lines.\n"
            f"{answer['runs']} payout runs: {paid['paid']:,} payouts paid, {paid['on_their_way']} on their way, {paid['bounced']} bounced, "
            f"{paid['waiting_for_approval']} waiting for approval.\n"
            f"{answer['holds']} holds and reserves, {answer['unknown_outcomes']} unknown outcome, "
            f"{answer['unmatched_bank_entries']} unmatched bank line.\n"
            f"Invoices to sellers: {', '.join(f'{count} {status}' for status, count in answer['invoices'].items()).replace('_', ' ') or 'none'}.\n"
            f"The books are {answer['books']}."
        )
