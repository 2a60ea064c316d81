"""Tell others after: events are written in the fact's transaction and delivered at least once, in effect once.

The relay claims undelivered events and calls every subscriber in a transaction of its own, together with a consumption row; a consumer
therefore sees each event exactly once in effect, whatever is killed in between.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models, transaction

from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.ids import PublicIdField
from backoffice.kit.logs import redacted
from backoffice.kit.transactions import composable

logger = logging.getLogger(__name__)

ATTEMPTS_MAX = 12


class Event(models.Model):
    """A past-tense fact. Payloads carry public ids and amounts, never personal or bank data."""

    public_id = PublicIdField(prefix="evt")
    type = models.CharField(max_length=60)
    subject = models.CharField(max_length=40)
    partner_id = models.BigIntegerField(null=True)
    payload = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True)
    dead_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "backoffice"
        indexes = [
            models.Index(
                fields=["id"],
                name="event_undelivered",
                condition=models.Q(delivered_at__isnull=True, dead_at__isnull=True),
            ),
            models.Index(fields=["subject", "id"], name="event_subject"),
            models.Index(fields=["partner_id", "id"], name="event_partner"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"


class EventConsumption(models.Model):
    """That one consumer has had one event."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    consumer = models.CharField(max_length=80)

    class Meta:
        app_label = "backoffice"
        constraints = [models.UniqueConstraint(fields=["event", "consumer"], name="consumed_once")]

    def __str__(self) -> str:
        return f"{self.consumer} {self.event_id}"


_subscribers: dict[str, tuple[str, Callable[[Event], None]]] = {}
_wants: dict[str, Callable[[Event], bool]] = {}


def subscribe(
    consumer: str, pattern: str, handler: Callable[[Event], None], *, wants: Callable[[Event], bool] | None = None
) -> None:
    """Register a consumer for event types that match a pattern such as 'payout.*'; call from AppConfig.ready().

    `wants` spares events that are no concern of the consumer their row of consumption; it looks at the event alone.
    """
    _subscribers[consumer] = (pattern, handler)
    if wants is not None:
        _wants[consumer] = wants


def tell(event_type: str, *, subject: str, payload: dict[str, Any], at: datetime, partner_id: int | None = None) -> None:
    """Write an event into the outbox, inside the transaction of the fact."""
    Event.objects.create(type=event_type, subject=subject, payload=payload, occurred_at=at, partner_id=partner_id)


def tell_set(event_type: str, select_sql: str, params: dict[str, Any], *, at: datetime) -> int:
    """Write one event per row of `select_sql`, which answers (subject, payload jsonb, partner_id)."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO backoffice_event (public_id, type, subject, payload, partner_id, occurred_at, attempts, last_error)
                SELECT kit_typeid('evt'), %(_type)s, s.subject, s.payload, s.partner_id, %(_at)s, 0, ''
                FROM ({select_sql}) AS s (subject, payload, partner_id)""",  # noqa: S608 - select comes from code
            params | {"_type": event_type, "_at": at},
        )
        return cursor.rowcount


def relay(*, at: datetime, limit: int = 500) -> int:
    """Deliver due events to their subscribers; return how many were fully delivered.

    Each event is claimed with SKIP LOCKED in a transaction of its own, so any number of relays may run. A failing consumer delays only its
    event: retried with growing pauses, dead-lettered after ATTEMPTS_MAX tries with the error kept.
    """
    done = 0
    for _ in range(limit):
        with transaction.atomic():
            event = (
                Event.objects.select_for_update(skip_locked=True)
                .filter(delivered_at__isnull=True, dead_at__isnull=True)
                .filter(models.Q(next_try_at__isnull=True) | models.Q(next_try_at__lte=at))
                .order_by("id")
                .first()
            )
            if event is None:
                break
            done += _deliver(event, at)
    return done


def _deliver(event: Event, at: datetime) -> int:
    errors = [error for name in _consumers_of(event) if (error := _consume(event, name))]
    if not errors:
        event.delivered_at = at
    else:
        event.attempts += 1
        event.last_error = "; ".join(errors)[:2000]
        event.next_try_at = at + timedelta(seconds=min(3600, 5 * 2**event.attempts))
        if event.attempts >= ATTEMPTS_MAX:
            event.dead_at = at
    event.save(update_fields=["delivered_at", "attempts", "last_error", "next_try_at", "dead_at"])
    return int(not errors)


def _consumers_of(event: Event) -> list[str]:
    wanted = [name for name, (pattern, _) in _subscribers.items() if fnmatch.fnmatch(event.type, pattern)]
    return [name for name in wanted if name not in _wants or _wants[name](event)]


def _consume(event: Event, name: str) -> str | None:
    if EventConsumption.objects.filter(event=event, consumer=name).exists():
        return None
    try:
        with transaction.atomic():
            EventConsumption.objects.create(event=event, consumer=name)
            _subscribers[name][1](event)
    except Exception as error:
        logger.exception("event %s: consumer %s failed", event.public_id, name)
        return redacted(f"{name}: {type(error).__name__}: {error}")
    return None


class EventNotDead(Refusal):
    code = "event_not_dead"
    sentence = "The event {event} was not given up: it is {state}."


@composable
def revive(*, event_id: int) -> Event:
    """Give a dead-lettered event its tries back; the relay delivers it to the consumers that have not had it. Refuses: NotFound, EventNotDead."""
    event = Event.objects.select_for_update().filter(pk=event_id).first()
    if event is None:
        raise NotFound(what="event", ref=event_id)
    if event.dead_at is None:
        raise EventNotDead(event=event.public_id, state="delivered" if event.delivered_at else "still being tried")
    event.dead_at, event.next_try_at, event.attempts = None, None, 0
    event.save(update_fields=["dead_at", "next_try_at", "attempts"])
    return event
