"""Verbs of partners: open one, give out and revoke keys, close and reopen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, Refusal
from backoffice.kit.transactions import composable
from backoffice.partners.keys import SCOPES, SHOWN_CHARACTERS, hash_of, new_secret
from backoffice.partners.models import ApiKey, Partner
from backoffice.staff import audit


class UnknownScope(InputError):
    code = "unknown_scope"
    sentence = "{scope} is not a scope. There are: {known}."


class NameMissing(InputError):
    code = "name_missing"
    sentence = "A partner needs a name of at most 120 characters."


class ExpiryInThePast(InputError):
    code = "expiry_in_the_past"
    sentence = "The key would have expired on {expires_at} already."


class PartnerIsClosed(Refusal):
    code = "partner_closed"
    sentence = "The partner {partner} is closed; it gets no keys."


class KeyAlreadyRevoked(Refusal):
    code = "key_already_revoked"
    sentence = "The key {key} was revoked before."


@composable
def create_partner(*, name: str, livemode: bool, actor: Actor, at: datetime) -> Partner:
    """Open a partner. Refuses: NameMissing."""
    if not name.strip() or len(name) > 120:
        raise NameMissing
    opened = Partner.objects.create(name=name.strip(), livemode=livemode)
    audit.record(actor=actor, action="partner.created", subject=opened.public_id, at=at, facts={"livemode": livemode})
    return opened


@composable
def issue_key(
    *,
    partner_id: int,
    label: str,
    scopes: Sequence[str],
    actor: Actor,
    at: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Give out a key; return its row and the secret, which exists nowhere else afterwards.

    Two living keys of a partner are normal: that is how one is replaced. Refuses: UnknownScope, ExpiryInThePast, PartnerIsClosed.
    """
    partner = Partner.objects.select_for_update(no_key=True).get(pk=partner_id)

    if not partner.is_active:
        raise PartnerIsClosed(partner=partner.public_id)
    for scope in scopes:
        if scope not in SCOPES:
            raise UnknownScope(scope=scope, known=", ".join(SCOPES))
    if expires_at is not None and expires_at <= at:
        raise ExpiryInThePast(expires_at=expires_at.isoformat())

    secret = new_secret(partner.livemode)
    key = ApiKey.objects.create(
        partner=partner,
        label=label[:80],
        hash=hash_of(secret),
        prefix=secret[:SHOWN_CHARACTERS],
        scopes=sorted(set(scopes)),
        created_by=str(actor),
        created_at=at,
        expires_at=expires_at,
    )

    audit.record(
        actor=actor,
        action="api_key.issued",
        subject=key.public_id,
        at=at,
        facts={"partner": partner.public_id, "scopes": key.scopes},
    )
    return key, secret


@composable
def revoke_key(*, key_id: int, actor: Actor, at: datetime, reason: str) -> ApiKey:
    """Kill a key; the next request with it is refused. Refuses: KeyAlreadyRevoked."""
    key = ApiKey.objects.select_for_update().get(pk=key_id)
    if key.revoked_at is not None:
        raise KeyAlreadyRevoked(key=key.public_id)
    key.revoked_at = at
    key.save(update_fields=["revoked_at"])
    audit.record(actor=actor, action="api_key.revoked", subject=key.public_id, at=at, reason=reason)
    return key


@composable
def close_partner(*, partner_id: int, actor: Actor, at: datetime, reason: str) -> Partner:
    """Shut every key of a partner out at once, without touching the keys."""
    return _set_active(partner_id, False, "partner.closed", actor, at, reason)


@composable
def reopen_partner(*, partner_id: int, actor: Actor, at: datetime, reason: str) -> Partner:
    """Let a closed partner's living keys in again."""
    return _set_active(partner_id, True, "partner.reopened", actor, at, reason)


def _set_active(partner_id: int, active: bool, action: str, actor: Actor, at: datetime, reason: str) -> Partner:
    partner = Partner.objects.select_for_update().get(pk=partner_id)
    partner.is_active = active
    partner.save(update_fields=["is_active"])
    audit.record(actor=actor, action=action, subject=partner.public_id, at=at, reason=reason)
    return partner
