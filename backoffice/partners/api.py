"""The event log, as the partner's own systems read it: what they missed, in the order it was written."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from backoffice.kit.api.answers import instant
from backoffice.kit.api.fields import ObjectOut, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, listing, question
from backoffice.kit.errors import NotFound
from backoffice.kit.outbox import Event
from backoffice.partners import schema  # noqa: F401 - registers how the key is described

COLUMNS = ("id", "public_id", "type", "subject", "payload", "occurred_at")


class EventOut(ObjectOut):
    """A past-tense fact about one of the partner's sellers."""

    type = serializers.CharField()
    subject = serializers.CharField(help_text="The id of what it happened to.")
    data = serializers.DictField()  # type: ignore[assignment]


EXAMPLE = {
    "id": "evt_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "event",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "type": "payout.paid",
    "subject": "pay_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "data": {"amount_minor": 9504, "currency": "EUR"},
}
FILTERS = [
    Filter("type", "type", Text(max_length=60), "such as payout.paid"),
    Filter("subject", "subject", Text(max_length=40), "the id of what it happened to"),
    *instants("created_at", "occurred_at"),
]


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    _, public_id, kind, subject, payload, occurred_at = row
    return {
        "id": public_id,
        "object": "event",
        "created_at": instant(occurred_at),
        "livemode": livemode,
        "type": kind,
        "subject": subject,
        "data": payload,
    }


class Events(ApiView):
    """The log of the caller's own events."""

    @listing(operation="list_events", scope="events:read", answers=EventOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List events of the partner's sellers, newest first."""
        rows = Event.objects.filter(partner_id=request.user.partner_id)
        return page.of(rows, COLUMNS, lambda row: represent(row, request.user.livemode))


class OneEvent(ApiView):
    """One event."""

    @question(operation="get_event", scope="events:read", answers=EventOut, example=EXAMPLE)
    def get(self, request: Any, event_id: str) -> dict[str, Any]:
        """Read one event."""
        row = Event.objects.filter(partner_id=request.user.partner_id, public_id=event_id).values_list(*COLUMNS).first()
        if row is None:
            raise NotFound(what="event", ref=event_id)
        return represent(row, request.user.livemode)
