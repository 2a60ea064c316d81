"""Load a screening list."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from backoffice.kit.commands import OperatorCommand, actor_of
from fraud.screening.operations import load_list
from fraud.screening.reading import FORMATS


class Command(OperatorCommand):
    help = "Load a screening list as a versioned delta; the same content again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", type=Path, metavar="FILE", help="may be gzipped; ofac-sdn reads alt.csv and add.csv beside it"
        )
        parser.add_argument("--format", required=True, choices=list(FORMATS), dest="list_format")
        parser.add_argument("--name", required=True, help="what the list is called from now on")
        parser.add_argument("--accept-shrink", default="", metavar="WHY", help="let many entries go, and keep why")
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(
        self, *, file: Path, list_format: str, name: str, accept_shrink: str, email: str | None, at: datetime, **_: Any
    ) -> dict[str, Any]:
        with tqdm(unit=" entries", disable=not sys.stderr.isatty(), file=sys.stderr) as bar:
            loaded = load_list(
                path=file,
                list_format=list_format,
                name=name,
                actor=actor_of(email, permission="fraud.load_lists", fallback="load_list"),
                at=at,
                accept_shrink=accept_shrink,
                progress=bar.update,
            )
        return loaded.as_json()
