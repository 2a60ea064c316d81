"""Import what buyers paid, to be held against imported sales."""

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from backoffice.kit.commands import OperatorCommand, actor_of
from billing.reconciliation.buyer_payments import HOLDER
from billing.reconciliation.operations import import_buyer_payments


class Command(OperatorCommand):
    help = "Stage a CSV of buyers' payments (order_id, payment_sequential, payment_type, payment_value_cents); reconcile then matches it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--currency", default="EUR", metavar="C", help="of every amount in the file (default: EUR)")
        parser.add_argument(
            "--provider", default=HOLDER, metavar="NAME", help="whose clearing account the sales stand on (default: psp)"
        )
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(
        self, *, file: Path, at: datetime, currency: str = "EUR", provider: str = HOLDER, email: str | None = None, **_: Any
    ) -> dict[str, Any]:
        actor = actor_of(email, permission="billing.reconcile", fallback="import_buyer_payments")
        return import_buyer_payments(path=file, currency=currency.upper(), actor=actor, at=at, holder=provider).as_json()
