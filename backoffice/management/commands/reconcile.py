"""Match what providers and banks say with the books, once, now."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.commands import OperatorCommand, actor_of
from backoffice.kit.money import Money
from billing.reconciliation.operations import fetch_all, reconcile
from billing.reconciliation.queries import summary


class Command(OperatorCommand):
    help = "Fetch what gateways say, match it and the bank's lines with the ledger, open breaks for what is left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-fetch", action="store_true", help="match only what is staged already")
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(self, *, at: datetime, no_fetch: bool = False, email: str | None = None, **_: Any) -> dict[str, Any]:
        actor = actor_of(email, permission="billing.reconcile", fallback="reconcile")
        fetched = {} if no_fetch else fetch_all(actor=actor, at=at)

        def progress(step: str, count: int) -> None:
            if sys.stderr.isatty():
                self.stderr.write(f"{step.replace('_', ' ')}: {count:,}")

        run = reconcile(actor=actor, at=at, progress=progress)
        return {"run": run.pk, "fetched": fetched, "counts": run.counts, **summary(at)}

    def human(self, answer: dict[str, Any]) -> None:
        if not any(answer["counts"].values()):
            self.stdout.write("nothing new to match")
        for name, count in answer["counts"].items():
            if count:
                self.stdout.write(f"{name.replace('_', ' ')}: {count:,}")
        for row in answer["coverage"]:
            self.stdout.write(
                f"{row['holder']}, {row['leg']}: {row['auto_share']} of {row['lines']:,} lines and {row['auto_amount_share']} of "
                f"{Money(row['amount_minor'], row['currency'])} matched by themselves"
            )
        if not answer["breaks"]:
            self.stdout.write("no break is open")
        for row in answer["breaks"]:
            self.stdout.write(
                f"open for {row['age']} days: {row['count']:,} breaks, {Money(row['amount_minor'], row['currency'])}"
            )
