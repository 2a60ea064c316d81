"""Send again: one delivery, or all that an endpoint missed in a stretch of time. And forget what was answered long ago."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.outbox import Event
from backoffice.kit.states import transition, transition_set
from backoffice.kit.transactions import composable
from backoffice.partners.outgoing.endpoints import EndpointIsDisabled, locked
from backoffice.partners.outgoing.fanning import open_deliveries, wants
from backoffice.partners.outgoing.models import DeliveryAttempt, WebhookDelivery
from backoffice.partners.outgoing.states import DELIVERY, DISABLED, ENDED, DeliveryStatus
from backoffice.staff import audit

MISSED_MAX = 1_000
MISSED_DAYS_MAX = 90
ANSWERS_KEPT_DAYS = 30


class DeliveryUnderWay(Refusal):
    code = "delivery_under_way"
    sentence = "The delivery is {state}: it is sent by itself."


class StretchUnusable(InputError):
    code = "stretch_unusable"
    sentence = "The stretch begins before it ends, and at most {days} days ago."


@composable
def replay_delivery(*, delivery_id: int, actor: Actor, at: datetime, reason: str = "") -> WebhookDelivery:
    """Send a delivery once more, from the beginning of the schedule; the receiver knows it by its id.

    Refuses: NotFound, DeliveryUnderWay, EndpointIsDisabled.
    """
    endpoint_id = WebhookDelivery.objects.filter(pk=delivery_id).values_list("endpoint_id", flat=True).first()
    if endpoint_id is None:
        raise NotFound(what="delivery", ref=delivery_id)
    endpoint = locked(endpoint_id)
    row = WebhookDelivery.objects.select_for_update(no_key=True).get(pk=delivery_id)

    if row.status not in ENDED:
        raise DeliveryUnderWay(state=row.get_status_display())
    if endpoint.status in DISABLED:
        raise EndpointIsDisabled(state=endpoint.get_status_display())

    transition(DELIVERY, row, DeliveryStatus.PENDING, actor=actor, at=at, reason=reason, code="replay")
    row.tries, row.next_attempt_at, row.ended_at, row.replays = 0, at, None, row.replays + 1
    row.save(update_fields=["tries", "next_attempt_at", "ended_at", "replays"])
    audit.record(actor, "webhook_delivery.replay", row.public_id, at, reason, {"endpoint": endpoint.public_id})
    return row


@composable
def resend_missed(
    *, endpoint_id: int, since: datetime, actor: Actor, at: datetime, until: datetime | None = None, reason: str = ""
) -> int:
    """Send what an endpoint missed of events of a stretch: given up, skipped, or never opened for it; at most MISSED_MAX of each a call.

    Returns how many; repeat while it is not 0. Refuses: NotFound, EndpointIsDisabled, StretchUnusable.
    """
    endpoint = locked(endpoint_id)
    end = until or at
    if endpoint.status in DISABLED:
        raise EndpointIsDisabled(state=endpoint.get_status_display())
    if not at - timedelta(days=MISSED_DAYS_MAX) <= since < end:
        raise StretchUnusable(days=MISSED_DAYS_MAX)

    count = transition_set(
        DELIVERY,
        """SELECT d.id FROM backoffice_webhookdelivery d JOIN backoffice_event e ON e.id = d.event_id
            WHERE d.endpoint_id = %(endpoint)s AND d.status IN ('failed', 'skipped') AND e.occurred_at >= %(since)s AND e.occurred_at < %(end)s
            ORDER BY d.id LIMIT %(most)s FOR UPDATE OF d""",
        {"endpoint": endpoint.pk, "since": since, "end": end, "most": MISSED_MAX},
        DeliveryStatus.PENDING,
        actor=actor,
        at=at,
        reason=reason,
        code="replay",
        also={"tries": 0, "next_attempt_at": at, "ended_at": None},
    )
    never = Event.objects.filter(partner_id=endpoint.partner_id, occurred_at__gte=since, occurred_at__lt=end)
    never = never.filter(delivered_at__isnull=False).exclude(pk__in=endpoint.deliveries.values("event_id")).order_by("id")
    for event in islice((one for one in never.iterator() if wants(endpoint, one)), MISSED_MAX):
        count += open_deliveries(event, [endpoint], at=at)
    facts = {"since": since.isoformat(), "until": end.isoformat(), "count": count}
    audit.record(actor, "webhook_endpoint.resend_missed", endpoint.public_id, at, reason, facts)
    return count


@composable
def forget_answers(*, at: datetime, kept_days: int = ANSWERS_KEPT_DAYS) -> int:
    """Empty what receivers answered longer ago than promised; status, time and code stay. Return how many."""
    old = DeliveryAttempt.objects.filter(started_at__lt=at - timedelta(days=kept_days)).exclude(answer="")
    return old.update(answer="")
