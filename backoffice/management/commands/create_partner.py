"""Open a partner and print its first key, once."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from backoffice.kit.commands import OperatorCommand, actor_of
from backoffice.kit.errors import InputError
from backoffice.partners.keys import SCOPES
from backoffice.partners.operations import create_partner, issue_key
from payouts.sellers.partnership import assign_partner

DAYS_MAX = 3_650


class Command(OperatorCommand):
    help = "Open a partner of the API and print its key. The key is shown this once and stored as a hash."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--scopes", default=",".join(SCOPES), help="comma-separated; default: all (%(default)s)")
        parser.add_argument("--live", action="store_true", help="a live partner, with sk_live_ keys (default: sandbox, sk_test_)")
        parser.add_argument("--label", default="first key")
        parser.add_argument("--days", type=int, metavar="N", help="the key expires after N days (default: never)")
        parser.add_argument(
            "--sellers", metavar="IDS", help="external ids, comma-separated, or `unassigned`: existing sellers it is to see"
        )
        parser.add_argument("--as", dest="email", metavar="EMAIL", help="in the name of this staff member")

    def run(
        self, *, name: str, scopes: str, live: bool, label: str, days: int | None, sellers: str | None, email: str | None,
        at: datetime, **_: Any,
    ) -> dict[str, Any]:  # fmt: skip
        actor = actor_of(email, permission="backoffice.manage_keys", fallback="create_partner")
        wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        if days is not None and not 0 < days <= DAYS_MAX:
            raise InputError(detail=f"A key lives 1 to {DAYS_MAX} days.")
        expires_at = None if days is None else at + timedelta(days=days)
        with transaction.atomic():
            partner = create_partner(name=name, livemode=live, actor=actor, at=at)
            ids = None if sellers == "unassigned" else [one.strip() for one in (sellers or "").split(",") if one.strip()]
            assigned = assign_partner(external_ids=ids, partner_id=partner.pk, actor=actor, at=at, reason="create_partner")
            key, secret = issue_key(partner_id=partner.pk, label=label, scopes=wanted, actor=actor, at=at, expires_at=expires_at)
        return {"partner": partner.public_id, "key": key.public_id, "scopes": key.scopes, "sellers": assigned, "secret": secret}

    def human(self, answer: dict[str, Any]) -> None:
        self.stdout.write(
            f"Partner {answer['partner']}, key {answer['key']} ({', '.join(answer['scopes'])}), {answer['sellers']} sellers:"
        )
        self.stdout.write(f"\n    {answer['secret']}\n")
        self.stdout.write("Keep it now: it is stored as a hash and cannot be shown again.")
