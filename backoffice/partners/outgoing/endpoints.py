"""Verbs of endpoints: open one, change it, give it a new secret, stop it and let it go on."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.ids import new_id
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition, transition_set
from backoffice.kit.transactions import composable
from backoffice.partners.models import Partner
from backoffice.partners.operations import PartnerIsClosed
from backoffice.partners.outgoing import signing
from backoffice.partners.outgoing.models import WebhookEndpoint
from backoffice.partners.outgoing.sending import is_allowed, is_public
from backoffice.partners.outgoing.states import DELIVERY, DISABLED, ENDPOINT, LIVE, DeliveryStatus, EndpointStatus
from backoffice.staff import audit

ENDPOINTS_MAX = 20
URL_MAX = 500
OVERLAP_HOURS, OVERLAP_HOURS_MAX = 24, 168
PING = "webhook_endpoint.ping"
_TYPE = re.compile(r"\*|[a-z][a-z_]{0,28}\.(\*|[a-z][a-z_]{0,28})")


class EndpointAddressUnusable(InputError):
    code = "endpoint_address_unusable"
    sentence = "The address of an endpoint {why}."


class EventTypeUnusable(InputError):
    code = "event_type_unusable"
    sentence = (
        "{given} is no type of events. Write one such as payout.paid, all of one subject as payout.*, or give none for all."
    )


class OverlapUnusable(InputError):
    code = "overlap_unusable"
    sentence = "The old secret lives on for between 0 and {most} hours."


class EndpointReasonMissing(InputError):
    code = "endpoint_reason_missing"
    sentence = "Give a reason: it is kept in the history of the endpoint."


class TooManyEndpoints(Refusal):
    code = "too_many_endpoints"
    sentence = "A partner has at most {most} endpoints. Change or reuse one of them."


class EndpointIsDisabled(Refusal):
    code = "endpoint_disabled"
    sentence = "The endpoint is {state}: nothing is sent to it. Enable it first."


class EndpointIsLive(Refusal):
    code = "endpoint_live"
    sentence = "The endpoint is {state} already."


@composable
def create_endpoint(
    *, partner_id: int, url: str, event_types: Sequence[str], description: str, actor: Actor, at: datetime
) -> WebhookEndpoint:
    """Open an endpoint with a fresh secret. Refuses: EndpointAddressUnusable, EventTypeUnusable, PartnerIsClosed, TooManyEndpoints."""
    partner = Partner.objects.select_for_update(no_key=True).get(pk=partner_id)

    check_url(url)
    wanted = check_types(event_types)
    if not partner.is_active:
        raise PartnerIsClosed(partner=partner.public_id)
    if WebhookEndpoint.objects.filter(partner=partner).count() >= ENDPOINTS_MAX:
        raise TooManyEndpoints(most=ENDPOINTS_MAX)

    endpoint = WebhookEndpoint(public_id=new_id("whe"), partner=partner, url=url, event_types=wanted, created_at=at)
    endpoint.description, endpoint.created_by, endpoint.secret = description.strip()[:120], str(actor), signing.new_secret()
    endpoint.save(force_insert=True)
    born(ENDPOINT, endpoint, actor=actor, at=at)
    audit.record(actor, "webhook_endpoint.created", endpoint.public_id, at, facts={"host": host_of(url)})
    return endpoint


@composable
def change_endpoint(
    *,
    endpoint_id: int,
    actor: Actor,
    at: datetime,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    description: str | None = None,
) -> WebhookEndpoint:
    """Change what is given; what waits goes to the new address. Refuses: NotFound, EndpointAddressUnusable, EventTypeUnusable."""
    endpoint = locked(endpoint_id)
    changed: dict[str, Any] = {}
    if url is not None:
        check_url(url)
        changed["url"] = url
    if event_types is not None:
        changed["event_types"] = check_types(event_types)
    if description is not None:
        changed["description"] = description.strip()[:120]
    for name, value in changed.items():
        setattr(endpoint, name, value)
    endpoint.save(update_fields=list(changed))
    facts = {"changed": sorted(changed), "host": host_of(endpoint.url)}
    audit.record(actor, "webhook_endpoint.changed", endpoint.public_id, at, facts=facts)
    return endpoint


@composable
def rotate_secret(*, endpoint_id: int, actor: Actor, at: datetime, overlap_hours: int = OVERLAP_HOURS) -> WebhookEndpoint:
    """Sign with a fresh secret, and with the old one as well until the overlap ends. Refuses: NotFound, OverlapUnusable."""
    endpoint = locked(endpoint_id)
    if not 0 <= overlap_hours <= OVERLAP_HOURS_MAX:
        raise OverlapUnusable(most=OVERLAP_HOURS_MAX)
    endpoint.previous_secret = endpoint.secret if overlap_hours else ""
    endpoint.previous_until = at + timedelta(hours=overlap_hours) if overlap_hours else None
    endpoint.secret = signing.new_secret()
    endpoint.save(update_fields=["secret", "previous_secret", "previous_until"])
    audit.record(actor, "webhook_endpoint.secret_rotated", endpoint.public_id, at, facts={"overlap_hours": overlap_hours})
    return endpoint


@composable
def read_secret(*, endpoint_id: int, actor: Actor, at: datetime) -> list[str]:
    """Return the secrets that sign now, the newest first; that somebody looked stands in the audit trail. Refuses: NotFound."""
    endpoint = locked(endpoint_id)
    audit.record(actor, "webhook_endpoint.secret_read", endpoint.public_id, at)
    return live_secrets(endpoint, at)


@composable
def disable_endpoint(*, endpoint_id: int, actor: Actor, at: datetime, reason: str) -> WebhookEndpoint:
    """Send nothing more to an endpoint; what waits is skipped. Refuses: NotFound, EndpointReasonMissing, EndpointIsDisabled."""
    endpoint = locked(endpoint_id)
    if not reason.strip():
        raise EndpointReasonMissing()
    if endpoint.status == EndpointStatus.DISABLED_BY_USER:
        raise EndpointIsDisabled(state=endpoint.get_status_display())
    stop(endpoint, EndpointStatus.DISABLED_BY_USER, actor=actor, at=at, reason=reason)
    audit.record(actor, "webhook_endpoint.disabled", endpoint.public_id, at, reason)
    return endpoint


@composable
def enable_endpoint(*, endpoint_id: int, actor: Actor, at: datetime, reason: str) -> WebhookEndpoint:
    """Send to an endpoint again, from now on; what it missed is sent by `resend_missed`. Refuses: NotFound, EndpointReasonMissing, EndpointIsLive."""
    endpoint = locked(endpoint_id)
    if not reason.strip():
        raise EndpointReasonMissing()
    if endpoint.status == EndpointStatus.ENABLED:
        raise EndpointIsLive(state=endpoint.get_status_display())
    transition(ENDPOINT, endpoint, EndpointStatus.ENABLED, actor=actor, at=at, reason=reason)
    well(endpoint)
    endpoint.save(update_fields=HEALTH)
    audit.record(actor, "webhook_endpoint.enabled", endpoint.public_id, at, reason)
    return endpoint


@composable
def ping_endpoint(*, endpoint_id: int, actor: Actor, at: datetime) -> WebhookEndpoint:
    """Send one event of the type webhook_endpoint.ping to this endpoint alone. Refuses: NotFound, EndpointIsDisabled."""
    endpoint = locked(endpoint_id)
    if endpoint.status in DISABLED:
        raise EndpointIsDisabled(state=endpoint.get_status_display())
    tell(PING, subject=endpoint.public_id, payload={"asked_by": actor.kind}, at=at, partner_id=endpoint.partner_id)
    return endpoint


# --- shared with the sender

HEALTH = ["failures_in_row", "failing_since", "noticed_at", "paused_until", "last_success_at"]


def well(endpoint: WebhookEndpoint) -> None:
    """Forget the failures; the caller saves HEALTH."""
    endpoint.failures_in_row, endpoint.failing_since, endpoint.noticed_at, endpoint.paused_until = 0, None, None, None


def stop(endpoint: WebhookEndpoint, to: EndpointStatus, *, actor: Actor, at: datetime, reason: str = "", code: str = "") -> None:
    """Disable a locked endpoint, skip what waits for it, and tell the partner in the event log."""
    was_live = endpoint.status in LIVE
    transition(ENDPOINT, endpoint, to, actor=actor, at=at, reason=reason, code=code)
    transition_set(
        DELIVERY,
        "SELECT id FROM backoffice_webhookdelivery WHERE endpoint_id = %(endpoint)s AND status = 'pending' ORDER BY id FOR UPDATE",
        {"endpoint": endpoint.pk},
        DeliveryStatus.SKIPPED,
        actor=actor,
        at=at,
        code="endpoint_disabled",
        also={"ended_at": at},
    )
    if was_live:
        told = {"status": str(to)}
        tell("webhook_endpoint.disabled", subject=endpoint.public_id, payload=told, at=at, partner_id=endpoint.partner_id)


def live_secrets(endpoint: WebhookEndpoint, at: datetime) -> list[str]:
    """Return the secrets that sign at an instant, the newest first."""
    old = endpoint.previous_secret if endpoint.previous_until and at < endpoint.previous_until else ""
    return [endpoint.secret, *filter(None, [old])]


def locked(endpoint_id: int) -> WebhookEndpoint:
    found = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id).first()
    if found is None:
        raise NotFound(what="webhook endpoint", ref=endpoint_id)
    return found


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def check_types(event_types: Sequence[str]) -> list[str]:
    for one in event_types:
        if not _TYPE.fullmatch(one):
            raise EventTypeUnusable(given=repr(one[:40]))
    return sorted(set(event_types))


def check_url(url: str) -> None:
    """Refuse what could never be sent to. Names are looked up when sending, and judged then: what they lead to changes."""
    if len(url) > URL_MAX or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise EndpointAddressUnusable(why=f"is plain ASCII of at most {URL_MAX} characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise EndpointAddressUnusable(why="cannot be read") from None
    plain_allowed = parts.scheme == "http" and settings.WEBHOOKS_PRIVATE_NETWORKS
    if parts.scheme != "https" and not plain_allowed:
        raise EndpointAddressUnusable(why="begins with https://")
    if not host or port == 0:
        raise EndpointAddressUnusable(why="names a host")
    if "@" in parts.netloc or "#" in url:
        raise EndpointAddressUnusable(why="carries neither a password nor a fragment")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return
    if not (is_public(literal) or is_allowed(literal)):
        raise EndpointAddressUnusable(why="leads into a network that is not public")
