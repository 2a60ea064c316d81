"""Rate sellers by the scorecard, or tell what a scorecard would make of them."""

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from backoffice.kit.commands import OperatorCommand, actor_of
from payouts.compliance.rating import distribution, rate_sellers
from payouts.compliance.scorecard import read


class Command(OperatorCommand):
    help = "Rate sellers by the scorecard; with --dry-run only tell how levels would spread and who would move."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="write nothing")
        parser.add_argument("--scorecard", metavar="FILE", help="another scorecard than the one in force (dry run only)")
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(
        self, at: datetime, dry_run: bool = False, scorecard: str | None = None, email: str | None = None, **options: Any
    ) -> dict[str, Any]:
        if dry_run or scorecard:
            return distribution(at=at, card=read(Path(scorecard)) if scorecard else None)
        return rate_sellers(actor=actor_of(email, permission="payouts.review_sellers", fallback="rating"), at=at)
