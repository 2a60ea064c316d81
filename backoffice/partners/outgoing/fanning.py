"""Turn events of the outbox into deliveries: one row for each live endpoint of the partner that wants the type."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from datetime import datetime

from backoffice.kit import outbox
from backoffice.kit.actors import system
from backoffice.kit.outbox import Event
from backoffice.kit.states import born
from backoffice.partners.outgoing.endpoints import PING
from backoffice.partners.outgoing.models import WebhookDelivery, WebhookEndpoint
from backoffice.partners.outgoing.states import DELIVERY, LIVE

SENDER = system("webhook_sender")


def fan_out(event: Event) -> None:
    """Write the deliveries of one event, due at once; called by the relay, in the transaction of its consumption."""
    if event.partner_id is None:
        return
    # locked, so that nobody disables one between this look and the row
    endpoints = WebhookEndpoint.objects.select_for_update(no_key=True, of=("self",))
    live = endpoints.filter(partner_id=event.partner_id, partner__is_active=True, status__in=LIVE).order_by("id")
    open_deliveries(event, [one for one in live if wants(one, event)], at=event.occurred_at)


def wants(endpoint: WebhookEndpoint, event: Event) -> bool:
    """Tell whether an endpoint is told of an event; a ping is for one endpoint alone, whatever it subscribed to."""
    if event.type == PING:
        return event.subject == endpoint.public_id
    return not endpoint.event_types or any(fnmatch.fnmatchcase(event.type, pattern) for pattern in endpoint.event_types)


def open_deliveries(event: Event, endpoints: Iterable[WebhookEndpoint], *, at: datetime) -> int:
    """Write one delivery an endpoint; return how many. `at` is when they are due."""
    count, sequence = 0, None
    for endpoint in endpoints:
        # events of one subject are written under its lock, so their ids rise in the order they happened
        sequence = sequence or Event.objects.filter(subject=event.subject, pk__lte=event.pk).count()
        row = WebhookDelivery.objects.create(endpoint=endpoint, event=event, sequence=sequence, next_attempt_at=at, created_at=at)
        born(DELIVERY, row, actor=SENDER, at=at)
        count += 1
    return count


def plug_in() -> None:
    """Listen to the outbox; events without a partner are nobody's outside."""
    outbox.subscribe("webhooks to partners", "*", fan_out, wants=lambda event: event.partner_id is not None)
