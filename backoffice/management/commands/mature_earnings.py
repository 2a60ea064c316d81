"""Make available what is due, and reserve what plans ask for."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.commands import OperatorCommand, actor_of
from payouts.holds.operations import mature_earnings


class Command(OperatorCommand):
    help = "Make available what is due, and reserve what plans ask for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(self, at: datetime, email: str | None = None, **options: Any) -> dict[str, Any]:
        return mature_earnings(actor=actor_of(email, permission="payouts.build_run", fallback="maturing"), at=at)
