"""Events that were given up are delivered again on a person's word, with a reason, to those that have not had them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from backoffice.kit import clock, outbox
from backoffice.kit.ids import new_id
from backoffice.kit.outbox import ATTEMPTS_MAX, Event, EventNotDead, relay, subscribe, tell
from backoffice.partners.events import ReasonMissing, deliver_again
from backoffice.staff.models import AuditEntry
from tests.factories.sellers import ACTOR, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def consumers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """One consumer that works and one that is broken until told otherwise."""
    monkeypatch.setattr(outbox, "_subscribers", {})
    seen: dict[str, Any] = {"well": [], "ill": [], "broken": True}

    def ill(event: Event) -> None:
        if seen["broken"]:
            raise ValueError("a bug")
        seen["ill"].append(event.pk)

    subscribe("well", "thing.*", lambda event: seen["well"].append(event.pk))
    subscribe("ill", "thing.*", ill)
    yield seen


def dead_event() -> Event:
    tell("thing.happened", subject="x", payload={}, at=clock.now())
    for attempt in range(ATTEMPTS_MAX):
        relay(at=clock.now() + timedelta(hours=2 * attempt))
    event = Event.objects.get(type="thing.happened")
    assert event.dead_at
    return event


def test_a_given_up_event_is_delivered_again_to_whoever_has_not_had_it(consumers: dict[str, Any], client: Any):
    event, lead = dead_event(), make_staff("lead")
    consumers["broken"] = False
    assert relay(at=clock.now() + timedelta(days=9)) == 0
    with pytest.raises(ReasonMissing):
        deliver_again(event_id=event.pk, reason=" ", actor=ACTOR, at=clock.now())

    client.force_login(lead)
    address = reverse("admin:backoffice_event_button", args=[event.pk, "deliver_again"])
    assert client.post(address, {"key": new_id("frm"), "reason": "The bug is mended."}).status_code == 302

    assert relay(at=clock.now()) == 1
    event.refresh_from_db()
    assert (event.delivered_at is not None, event.dead_at) == (True, None)
    assert (consumers["well"], consumers["ill"]) == ([event.pk], [event.pk])
    entry = AuditEntry.objects.get(action="event.deliver_again")
    assert (entry.actor, entry.reason, entry.subject) == (f"staff:{lead.pk}", "The bug is mended.", event.public_id)
    with pytest.raises(EventNotDead, match="it is delivered"):
        deliver_again(event_id=event.pk, reason="again", actor=ACTOR, at=clock.now())


def test_others_than_leads_may_not(consumers: dict[str, Any], client: Any):
    event = dead_event()
    client.force_login(make_staff("auditor"))

    address = reverse("admin:backoffice_event_button", args=[event.pk, "deliver_again"])

    assert client.post(address, {"key": new_id("frm"), "reason": "x"}).status_code == 403
