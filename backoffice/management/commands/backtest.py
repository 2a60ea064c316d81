"""Try a rule on the past: on our own history, or an expression on a labelled file."""

import sys
from argparse import ArgumentParser
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tqdm import tqdm

from backoffice.kit.clock import parse_at
from backoffice.kit.commands import OperatorCommand
from backoffice.kit.errors import InputError, NotFound
from fraud.decisions.trial import LABEL_DELAY_DAYS, try_on_file, try_on_history, versions_of


class Command(OperatorCommand):
    help = "Try a rule on the past, each decision with the values it would have seen then."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("rule", nargs="?", metavar="RULE", help="name or id of a rule, or id of a version")
        parser.add_argument("--from", dest="since", metavar="ISO8601", help="default: 30 days before --to")
        parser.add_argument("--to", dest="until", metavar="ISO8601", help="default: now")
        parser.add_argument("--expression", metavar="CEL", help="instead of a rule, with --events")
        parser.add_argument(
            "--events",
            type=Path,
            metavar="FILE",
            help="CSV or Parquet with event_id,at,buyer,seller,amount_minor,currency,is_fraud",
        )
        parser.add_argument(
            "--label-delay-days",
            type=int,
            default=LABEL_DELAY_DAYS,
            metavar="N",
            help="when labels of the file became known (default: %(default)s)",
        )

    def run(
        self,
        *,
        rule: str | None,
        since: str | None,
        until: str | None,
        expression: str | None,
        events: Path | None,
        label_delay_days: int,
        at: datetime,
        **_: Any,
    ) -> dict[str, Any]:
        if bool(rule) == bool(expression) or bool(expression) != bool(events):
            raise InputError(detail="Give a RULE, or --expression with --events.")
        if not 0 < label_delay_days <= 365:
            raise InputError(detail="--label-delay-days lies between 1 and 365: no label is known with its own event.")
        with tqdm(unit=" events", disable=not sys.stderr.isatty(), file=sys.stderr) as bar:
            if expression and events:
                return try_on_file(expression=expression, path=events, label_delay_days=label_delay_days, progress=bar.update)
            version = versions_of(rule or "")
            if version is None:
                raise NotFound(what="rule", ref=(rule or "")[:60])
            end = _instant(until, at)
            begin = _instant(since, end - timedelta(days=30))
            if begin >= end:
                raise InputError(detail="--from lies before --to.")
            return try_on_history(version=version, since=begin, until=end, progress=bar.update)


def _instant(text: str | None, otherwise: datetime) -> datetime:
    try:
        return parse_at(text) if text else otherwise
    except ValueError as problem:
        raise InputError(detail=str(problem)) from None
