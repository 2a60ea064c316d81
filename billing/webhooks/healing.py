"""Find what never came, replay what went wrong, forget what names people."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import connection, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from billing.disputes.sockets import gateways
from billing.webhooks import bodies
from billing.webhooks.models import HealerMark, InboundEvent, Source
from billing.webhooks.receiving import take_in
from billing.webhooks.states import IN_BETWEEN, NOTICE, NoticeState

logger = logging.getLogger(__name__)
# Read again behind the mark: an event may enter the provider's list some time after its instant.
OVERLAP = timedelta(hours=1)
# What the provider keeps, and how far a first run looks.
LIST_KEPT = timedelta(days=30)
FIRST_LOOK = timedelta(days=3)
KEPT_DAYS = 90
FORGET_AT_ONCE = 1_000


class ReplayReasonMissing(InputError):
    code = "replay_reason_missing"
    sentence = "Give a reason: it is kept in the history of the event."


class EventUnderWay(Refusal):
    code = "inbound_event_under_way"
    sentence = "The event is {state}: it is processed by itself."


class BodyForgotten(Refusal):
    code = "inbound_body_forgotten"
    sentence = "The body of this event was forgotten after {days} days."


@durable
def heal(*, at: datetime) -> dict[str, int]:
    """Read every provider's own list of events since the mark and take in what is missing; return how many were, by provider.

    More than none means that deliveries were lost. The mark moves only once the whole list was read.
    """
    found: dict[str, int] = {}
    for name in gateways.names():
        mark = HealerMark.objects.filter(provider=name).first()
        since = max(mark.read_until - OVERLAP, at - LIST_KEPT) if mark else at - FIRST_LOOK
        count = 0
        for notice in gateways.by_name(name).list_events(since=since):
            count += take_in(provider=name, notice=notice, at=at, source=Source.HEALER)
        with transaction.atomic():
            mark, _ = HealerMark.objects.select_for_update().get_or_create(
                provider=name, defaults={"read_until": at, "read_at": at}
            )
            mark.read_until, mark.read_at, mark.found = max(mark.read_until, at), at, mark.found + count
            mark.save()
        if count:
            logger.warning("the healer found %s events of %s that never came", count, name)
        found[name] = count
    return found


@composable
def replay_event(*, event_id: int, actor: Actor, at: datetime, reason: str) -> InboundEvent:
    """Process an event once more, whatever became of it: after a repair, or to be sure. Its effect is single anyway.

    Refuses: NotFound, ReplayReasonMissing, EventUnderWay.
    """
    if not reason.strip():
        raise ReplayReasonMissing()
    event = InboundEvent.objects.select_for_update().defer("raw").filter(pk=event_id).first()
    if event is None:
        raise NotFound(what="inbound event", ref=event_id)
    if event.state in IN_BETWEEN:
        raise EventUnderWay(state=event.get_state_display())
    transition(NOTICE, event, NoticeState.RECEIVED, actor=actor, at=at, reason=reason, code="replay")
    event.tries, event.next_try_at, event.replays, event.ended_at = 0, at, event.replays + 1, None
    event.save(update_fields=["tries", "next_try_at", "replays", "ended_at"])
    audit.record(actor, "inbound_event.replay", event.public_id, at, reason=reason, facts={"event": event.event_ref})
    return event


@composable
def open_body(*, event_id: int, actor: Actor, at: datetime, reason: str) -> str:
    """Return the body of an event as it came; that somebody looked stands in the audit trail. Refuses: NotFound, ReplayReasonMissing, BodyForgotten."""
    if not reason.strip():
        raise ReplayReasonMissing()
    event = InboundEvent.objects.filter(pk=event_id).first()
    if event is None:
        raise NotFound(what="inbound event", ref=event_id)
    if not event.raw:
        raise BodyForgotten(days=KEPT_DAYS)
    audit.record(actor, "inbound_event.open", event.public_id, at, reason=reason, facts={"event": event.event_ref})
    return bodies.unpack(event.raw).decode()


@durable
def forget_bodies(*, at: datetime, kept_days: int = KEPT_DAYS) -> int:
    """Empty the bodies of events that are done and older than promised, some at a time; what became of them stays. Return how many."""
    forgotten = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE billing_inboundevent SET raw = '' WHERE id IN (
                       SELECT id FROM billing_inboundevent
                        WHERE raw <> '' AND received_at < %s AND state NOT IN ('received', 'processing', 'retry', 'dead')
                        ORDER BY received_at LIMIT %s FOR UPDATE SKIP LOCKED)""",
                [at - timedelta(days=kept_days), FORGET_AT_ONCE],
            )
            count = cursor.rowcount
        forgotten += count
        if count < FORGET_AT_ONCE:
            return forgotten
