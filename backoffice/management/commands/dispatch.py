"""Do now what the schedule does every few seconds: send what is due, ask about what is unknown, take up what was left behind."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.commands import OperatorCommand
from payouts.dispatch import queries
from payouts.dispatch.operations import close_return_windows, sweep, work


class Command(OperatorCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=10_000, metavar="N", help="orders to take up at most (default 10,000)")

    def run(self, at: datetime, limit: int, **options: Any) -> dict[str, Any]:
        taken = work(at=at, limit=limit)
        swept = sweep(at=at)
        return {
            "taken_up": taken,
            **swept,
            "final": close_return_windows(at=at),
            "unknown": queries.unknown_orders().count(),
            "silent_files": len(queries.silent_files(at)),
        }
