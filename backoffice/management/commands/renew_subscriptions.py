"""Renew every subscription whose period is over, or tell what that would come to."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from backoffice.kit.commands import PARTLY, OperatorCommand, actor_of
from backoffice.kit.money import Money
from billing.subscriptions.operations import plan_all, renew_subscriptions, run_boundaries


class Command(OperatorCommand):
    help = (
        "Renew every subscription whose period is over; with --dry-run only tell what it would come to, against the last period."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="write nothing")
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(self, at: datetime, dry_run: bool = False, email: str | None = None, **options: Any) -> dict[str, Any]:
        if dry_run:
            return self._dry(at)
        actor = actor_of(email, permission="billing.run_renewals", fallback="renewals")
        boundaries = run_boundaries(actor=actor, at=at)
        answer = renew_subscriptions(actor=actor, at=at) | {"boundaries": boundaries["done"], "failed": boundaries["failed"]}
        if answer["parked"] or answer["failed"]:
            self.exit_code = PARTLY
        return answer

    def _dry(self, at: datetime) -> dict[str, Any]:
        plan = plan_all(at=at)
        totals = {"totals": plan.totals, "previous": plan.previous}
        shown = {
            name: [Money(minor, currency).as_json() for currency, minor in sorted(sums.items())] for name, sums in totals.items()
        }
        return {"at": at, "counts": plan.counts} | shown | {"changed": plan.changed, "parked": plan.parked}
