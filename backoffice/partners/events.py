"""Verbs on the event log: have delivered again what was given up."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit import outbox
from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError
from backoffice.kit.outbox import Event
from backoffice.kit.transactions import composable
from backoffice.staff import audit


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the audit trail."


@composable
def deliver_again(*, event_id: int, reason: str, actor: Actor, at: datetime) -> Event:
    """Let the relay try a dead-lettered event anew, after its cause was mended; consumers that had it do not get it again.

    Refuses: ReasonMissing, NotFound, EventNotDead.
    """
    if not reason.strip():
        raise ReasonMissing()
    event = outbox.revive(event_id=event_id)
    audit.record(
        actor, "event.deliver_again", event.public_id, at, reason, {"type": event.type, "last_error": event.last_error[:200]}
    )
    return event
