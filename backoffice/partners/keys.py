"""Keys: 256 random bits behind a prefix that says what they open; only the SHA-256 is stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from backoffice.kit.actors import Actor, partner

SCOPES = {
    "sellers:read": "read sellers, balances and payee accounts",
    "sellers:write": "create and change sellers and payee accounts",
    "onboarding:read": "read requirements, persons, ownership and documents of sellers",
    "onboarding:write": "answer requirements, name persons and send documents",
    "earnings:read": "read earnings",
    "earnings:write": "send earnings",
    "payouts:read": "read payouts, their lines, statements and eligibility",
    "payouts:write": "ask for payouts and cancel them",
    "trade_ins:read": "read trade-ins",
    "trade_ins:write": "agree on trade-ins, record their inspection and cancel them",
    "payments:read": "read payments and card set-ups",
    "payments:write": "charge customers, cancel payments and invite to put a card on file",
    "refunds:read": "read refunds",
    "refunds:write": "ask for refunds and take them back",
    "events:read": "read the event log",
    "webhooks:read": "read webhook endpoints and deliveries",
    "webhooks:write": "open, change and try webhook endpoints, read their secrets, and have deliveries sent again",
    "disputes:read": "read disputes and their evidence",
    "disputes:write": "write evidence, submit it, and accept disputes",
    "decisions:read": "read decisions",
    "decisions:write": "ask for decisions",
    "customers:read": "read customers",
    "customers:write": "create and change customers",
    "invoices:read": "read invoices, their documents and credit notes",
    "invoices:write": "finalise and void invoices",
    "plans:read": "read plans and their prices",
    "subscriptions:read": "read subscriptions",
    "subscriptions:write": "begin, change, pause and end subscriptions, and advance test clocks",
}
SHOWN_CHARACTERS = 14
# Long enough that a busy key costs one write a minute, short enough that "last used" means something.
LAST_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """The partner behind a request, as far as the API needs to know it."""

    partner_id: int
    public_id: str
    key_id: str
    scopes: frozenset[str]
    livemode: bool
    is_authenticated: bool = True

    @property
    def actor(self) -> Actor:
        return partner(self.public_id)


def new_secret(livemode: bool) -> str:
    """Return a fresh key; it is shown once and never stored."""
    return ("sk_live_" if livemode else "sk_test_") + secrets.token_urlsafe(32)


def hash_of(secret: bytes | str) -> str:
    """Return what is stored. A plain hash suffices: a key has 256 random bits, there is nothing to guess."""
    raw = secret.encode() if isinstance(secret, str) else secret
    return hashlib.sha256(raw).hexdigest()


def caller_of(secret: bytes, *, at: datetime) -> Caller | None:
    """Return who holds a living key of an active partner, else None; notes the use, at most once a minute."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT k.id, k.public_id, k.scopes, k.last_used_at, p.id, p.public_id, p.livemode
                 FROM backoffice_apikey k JOIN backoffice_partner p ON p.id = k.partner_id
                WHERE k.hash = %s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > %s) AND p.is_active""",
            [hash_of(secret), at],
        )
        row = cursor.fetchone()
        if row is None:
            return None
        row_id, key_id, scopes, last_used_at, partner_id, public_id, livemode = row
        if last_used_at is None or at - last_used_at >= LAST_USED_EVERY:
            cursor.execute(
                "UPDATE backoffice_apikey SET last_used_at = %s WHERE id = %s AND last_used_at IS NOT DISTINCT FROM %s",
                [at, row_id, last_used_at],
            )
    return Caller(partner_id, public_id, key_id, frozenset(scopes), livemode)
