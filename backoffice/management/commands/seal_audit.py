"""manage.py seal_audit: chain the audit entries written since the last time, and verify the chain."""

from argparse import ArgumentParser
from typing import Any

from backoffice.kit.commands import FAILED, OperatorCommand
from backoffice.staff import audit


class Command(OperatorCommand):
    """Seal the audit trail."""

    help = "Chain the audit entries written since the last time; with --verify, check the whole chain too."
    takes_at = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=100_000)
        parser.add_argument("--verify", action="store_true")

    def run(self, *, limit: int, verify: bool, **_: Any) -> dict[str, Any]:
        answer: dict[str, Any] = {"sealed": audit.seal(limit)}
        if verify:
            broken = audit.verify()
            answer |= {"intact": not broken, "broken": broken}
            if broken:
                self.exit_code = FAILED
        return answer
