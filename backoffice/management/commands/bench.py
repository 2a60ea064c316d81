"""Run one benchmark and print its figures as JSON; those that need a database get a scratch one."""

import importlib
import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from backoffice.bench import screening_bench
from backoffice.bench.measure import scratch_database
from backoffice.kit.commands import OperatorCommand
from backoffice.kit.errors import InputError
from fraud.screening.reading import FORMATS

NAMES = [
    "ledger",
    "import",
    "run",
    "admin",
    "http",
    "screening",
    "reconcile",
    "billing",
    "webhooks",
    "decisions",
    "dispatch",
    "restore",
]


class Command(OperatorCommand):
    help = "Run a benchmark; one JSON object on standard output."
    takes_at = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=NAMES)
        parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
        files = parser.add_argument_group("screening", "files of names, one a line, against a list file")
        files.add_argument("--list", type=Path, dest="list_file", metavar="FILE")
        files.add_argument("--format", choices=list(FORMATS), dest="list_format")
        files.add_argument("--positives", type=Path, metavar="FILE", help="altered names of listed people")
        files.add_argument("--negatives", type=Path, metavar="FILE", help="names of people who are not listed")
        files.add_argument("--threshold", type=float, metavar="N", help="0 to 100 (default: the policy in force)")

    def run(self, name: str, quick: bool = False, **options: Any) -> dict[str, Any]:
        if name == "screening":
            return self._screening(options)
        bench = importlib.import_module(f"backoffice.bench.{name}_bench")
        with scratch_database():
            figures = bench.run(**(getattr(bench, "QUICK", {}) if quick else getattr(bench, "FULL", {})))
        return {"name": name, "results": figures if isinstance(figures, list) else [figures]}

    def _screening(self, options: dict[str, Any]) -> dict[str, Any]:
        wanted = {name: options[name] for name in ("list_file", "list_format", "positives", "negatives")}
        missing = [f"--{name.removesuffix('_file').removeprefix('list_')}" for name, value in wanted.items() if value is None]
        if missing:
            raise InputError(detail=f"bench screening also needs {', '.join(missing)}.")
        if options["threshold"] is not None and not 0 <= options["threshold"] <= 100:
            raise InputError(detail="--threshold lies between 0 and 100.")
        return screening_bench.run(**wanted, threshold=options["threshold"])

    def human(self, answer: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(answer, indent=1, default=str))
