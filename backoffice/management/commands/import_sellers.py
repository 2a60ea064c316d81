"""manage.py import_sellers: an existing marketplace's sellers from a CSV file."""

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from backoffice.kit.actors import system
from backoffice.kit.commands import PARTLY, OperatorCommand
from payouts.sellers.importing import import_sellers


class Command(OperatorCommand):
    """Import sellers."""

    help = "Import sellers from a CSV file; a repeated import changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--trusted-by", default="", metavar="STAFF_EMAIL", help="bring them in as active and payable, in this person's name"
        )

    def run(self, *, file: Path, trusted_by: str, at: datetime, **_: Any) -> dict[str, Any]:
        imported = import_sellers(path=file, actor=system("import_sellers"), at=at, trusted_by=trusted_by)
        if imported.rejected:
            self.exit_code = PARTLY
        return imported.as_json()
