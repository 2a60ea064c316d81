"""Run one benchmark in a scratch database and print its figures as JSON."""

import importlib
import json
from argparse import ArgumentParser
from typing import Any

from backoffice.bench.measure import scratch_database
from backoffice.kit.commands import OperatorCommand

NAMES = ["ledger", "import", "run", "admin", "http"]


class Command(OperatorCommand):
    help = "Run a benchmark against its yardstick; one JSON object on standard output."
    takes_at = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=NAMES)
        parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")

    def run(self, name: str, quick: bool = False, **options: Any) -> dict[str, Any]:
        bench = importlib.import_module(f"backoffice.bench.{name}_bench")
        with scratch_database():
            figures = bench.run(**(getattr(bench, "QUICK", {}) if quick else getattr(bench, "FULL", {})))
        return {"name": name, "results": figures if isinstance(figures, list) else [figures]}

    def human(self, answer: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(answer, indent=1, default=str))
