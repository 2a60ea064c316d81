"""Write a labelled history with known fraud in it, to measure rules and models on."""

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from backoffice.kit.commands import OperatorCommand
from fraud.features.generating import write_history


class Command(OperatorCommand):
    help = (
        "Write invented sales with known fraud (stolen cards, tapped sellers, takeovers, rings, refund abuse) as CSV or Parquet."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="Parquet when it ends in .parquet, else CSV")
        parser.add_argument("--events", type=int, default=100_000, metavar="N", help="(default: %(default)s)")
        parser.add_argument("--days", type=int, default=90, metavar="N", help="up to --at (default: %(default)s)")
        parser.add_argument(
            "--seed", type=int, default=1, metavar="N", help="the same seed writes the same file (default: %(default)s)"
        )

    def run(self, *, file: Path, events: int, days: int, seed: int, at: datetime, **_: Any) -> dict[str, Any]:
        return write_history(path=file, events=events, days=days, seed=seed, ends=at)
