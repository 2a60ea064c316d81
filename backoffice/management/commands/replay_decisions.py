"""Make a sample of decisions again; all must come out as they were."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.commands import FAILED, OperatorCommand
from backoffice.kit.errors import InputError
from fraud.decisions.working import SAMPLE, replay_decisions


class Command(OperatorCommand):
    help = "Make a sample of decisions again and compare; exit 1 when one differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sample", type=int, default=SAMPLE, metavar="N", help="how many (default: %(default)s)")

    def run(self, *, sample: int, at: datetime, **_: Any) -> dict[str, Any]:
        if not 1 <= sample <= 1_000_000:
            raise InputError(detail="--sample lies between 1 and 1000000.")
        kept = replay_decisions(at=at, sample=sample)
        self.exit_code = 0 if kept.agreed == kept.sampled else FAILED
        share = kept.agreed / kept.sampled if kept.sampled else 1.0
        return {"sampled": kept.sampled, "agreed": kept.agreed, "share": share, "differing": kept.differing}
