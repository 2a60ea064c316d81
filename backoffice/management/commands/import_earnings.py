"""Import a file of earnings."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from tqdm import tqdm

from backoffice.kit.commands import PARTLY, OperatorCommand, actor_of
from payouts.earnings.importing import import_earnings


class Command(OperatorCommand):
    help = "Import earnings from CSV, JSON Lines or Parquet; exit 3 when some lines were rejected."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--source", default="import", help="external ids are unique per source (default: import)")
        parser.add_argument("--create-sellers", action="store_true", help="open sellers nobody knows yet")
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(
        self, file: str, source: str, create_sellers: bool, email: str | None, at: datetime, **options: Any
    ) -> dict[str, Any]:
        with tqdm(unit=" lines", disable=not sys.stderr.isatty(), file=sys.stderr) as bar:
            summary = import_earnings(
                path=file,
                source=source,
                actor=actor_of(email, permission="payouts.import_earnings", fallback="import"),
                at=at,
                create_sellers=create_sellers,
                progress=bar.update,
            )
        self.exit_code = PARTLY if summary.rejected else 0
        return summary.as_json()
