"""Prove the books: every truth, with the rows that break it."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from backoffice.kit.commands import FAILED, OperatorCommand
from backoffice.kit.invariants import check_books


class Command(OperatorCommand):
    help = "Check the truths of the books; exit 1 and the offending rows if one fails."
    takes_at = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--truth", type=int, action="append", help="only this truth (repeatable)")

    def run(self, truth: list[int] | None = None, **options: Any) -> dict[str, Any]:
        verdicts = check_books(set(truth) if truth else None)
        clean = all(verdict.ok for verdict in verdicts)
        self.exit_code = 0 if clean else FAILED
        return {
            "clean": clean,
            "seconds": round(sum(verdict.seconds for verdict in verdicts), 3),
            "truths": [asdict(verdict) for verdict in verdicts],
        }

    def human(self, answer: dict[str, Any]) -> None:
        for verdict in answer["truths"]:
            mark = "ok    " if verdict["ok"] else "BROKEN"
            self.stdout.write(f"{mark} {verdict['number']:>2}  {verdict['sentence']}  ({verdict['seconds']} s)")
            if verdict["error"]:
                self.stdout.write(f"           {verdict['error']}")
            for row in verdict["rows"]:
                self.stdout.write("           " + ", ".join(f"{name}={value}" for name, value in row.items()))
        self.stdout.write("The books are clean." if answer["clean"] else "THE BOOKS ARE NOT CLEAN.")
