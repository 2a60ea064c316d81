"""Release the holds and reserves whose time is over or whose condition is met."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.commands import OperatorCommand, actor_of
from payouts.holds.operations import release_due_holds


class Command(OperatorCommand):
    help = "Release the holds and reserves whose time is over or whose condition is met."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(self, at: datetime, email: str | None = None, **options: Any) -> dict[str, Any]:
        return release_due_holds(actor=actor_of(email, permission="payouts.release_hold", fallback="releasing"), at=at)
