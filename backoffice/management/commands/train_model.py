"""Train a model for sales from labels; a second person puts it live."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from backoffice.kit.commands import OperatorCommand, actor_of
from backoffice.kit.errors import InputError
from fraud.model.operations import keep_model
from fraud.model.sources import rows_of_file, rows_of_history
from fraud.model.training import train


class Command(OperatorCommand):
    help = "Train a model from labelled sales, measure it on the days after, and ask a second person to put it live."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=180, metavar="N", help="of our own history (default: %(default)s)")
        parser.add_argument("--events", type=Path, metavar="FILE", help="a labelled file instead, as backtest takes it")
        parser.add_argument(
            "--label-delay-days", type=int, default=7, metavar="N", help="how long until a label is known (default: %(default)s)"
        )
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="who trains it; another person approves")

    def run(
        self, *, days: int, events: Path | None, label_delay_days: int, email: str | None, at: datetime, **_: Any
    ) -> dict[str, Any]:
        if not 1 <= days <= 1_000 or not 1 <= label_delay_days <= 365:
            raise InputError(detail="--days lies between 1 and 1000, --label-delay-days between 1 and 365.")
        actor = actor_of(email, permission="fraud.train_models", fallback="train_model")
        delay = timedelta(days=label_delay_days)
        rows = rows_of_file(events, delay) if events else rows_of_history(since=at - timedelta(days=days), until=at)
        trained = train(rows=rows, source=events.name if events else "our own history", label_delay=delay)
        version = keep_model(trained=trained, actor=actor, at=at)
        return {
            "model": version.public_id, "number": version.number, "state": str(version.state), "review_from": version.review_from,
            "rows": version.rows, "frauds": version.frauds, "measured": version.measured,
        }  # fmt: skip
