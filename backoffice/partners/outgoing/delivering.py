"""Deliver: claim what is due, sign, send from threads with no transaction open, record.

One endpoint gets a few requests at a time, one that keeps failing gets one after a pause, so nobody's slow server delays another's news. A crash
between sending and recording sends again when the lease ends: deliveries come at least once, under the same id.
"""

from __future__ import annotations

import logging
import time
import uuid
import zlib
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.db import connection
from django.db.models import Max

from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition, transition_set
from backoffice.kit.transactions import composable, durable
from backoffice.partners.outgoing import sending, signing
from backoffice.partners.outgoing.endpoints import HEALTH, live_secrets, stop, well
from backoffice.partners.outgoing.fanning import SENDER
from backoffice.partners.outgoing.models import DeliveryAttempt, WebhookDelivery, WebhookEndpoint
from backoffice.partners.outgoing.sending import Answered
from backoffice.partners.outgoing.states import DELIVERY, ENDPOINT, LIVE, DeliveryStatus, EndpointStatus

logger = logging.getLogger(__name__)
declare("delivery_claimed", "delivery_sent")

# Seconds from one failed attempt to the next; the first is made at once (Standard Webhooks 1.0, its example schedule).
PAUSES = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
LEASE = timedelta(minutes=2)
THREADS = 16
AT_ONCE = 4
# From here on an endpoint is tried one delivery at a time, after a pause that doubles up to the longest.
DEGRADED_AFTER = 5
PAUSE_FIRST, PAUSE_LONGEST = timedelta(minutes=1), timedelta(minutes=30)
NOTICED_AFTER, DISABLED_AFTER = timedelta(days=1), timedelta(days=5)
GONE = 410

_DUE = """
    SELECT d.id FROM backoffice_webhookendpoint e CROSS JOIN LATERAL (
        SELECT p.id, p.next_attempt_at FROM backoffice_webhookdelivery p
         WHERE p.endpoint_id = e.id AND p.status = 'pending' AND p.next_attempt_at <= %(at)s
         ORDER BY p.next_attempt_at, p.id
         LIMIT greatest(0, CASE e.status WHEN 'enabled' THEN %(at_once)s ELSE 1 END - (
             SELECT count(*) FROM backoffice_webhookdelivery s WHERE s.endpoint_id = e.id AND s.status = 'sending'))
         FOR UPDATE SKIP LOCKED) d
     WHERE e.status IN ('enabled', 'degraded') AND (e.paused_until IS NULL OR e.paused_until <= %(at)s)
     ORDER BY d.next_attempt_at, d.id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One claimed delivery, ready to be sent."""

    delivery_id: int
    claim: uuid.UUID
    url: str
    body: bytes
    headers: dict[str, str]


@durable
def work(*, at: datetime, seconds: float = 25.0, limit: int = 5_000) -> dict[str, int]:
    """Send what is due until nothing is, the time or the limit is reached; return deliveries by what became of them."""
    counts: Counter[str] = Counter(swept=sweep(at=at))
    began, taken = time.monotonic(), 0
    running: dict[Future[Answered], Request] = {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks") as pool:
        while True:
            now = at + timedelta(seconds=time.monotonic() - began)
            room = min(THREADS - len(running), limit - taken) if time.monotonic() - began < seconds else 0
            claimed = claim_due(at=now, limit=room) if room > 0 else []
            if claimed:
                failpoint("delivery_claimed")
            taken += len(claimed)
            running |= {pool.submit(sending.post, one.url, one.body, one.headers): one for one in claimed}
            if not running:
                return dict(counts)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            failpoint("delivery_sent")
            for future in done:
                request = running.pop(future)
                now = at + timedelta(seconds=time.monotonic() - began)
                counts[record(request.delivery_id, request.claim, future.result(), at=now)] += 1


@composable
def sweep(*, at: datetime) -> int:
    """Give back deliveries whose lease ran out: their sender crashed, and whether they arrived is not known. Return how many."""
    return transition_set(
        DELIVERY,
        "SELECT id FROM backoffice_webhookdelivery WHERE status = 'sending' AND lease_until <= %(at)s ORDER BY id FOR UPDATE SKIP LOCKED",
        {"at": at},
        DeliveryStatus.PENDING,
        actor=SENDER,
        at=at,
        code="lease_ran_out",
        also={"claim": None, "lease_until": None, "next_attempt_at": at},
    )


@composable
def claim_due(*, at: datetime, limit: int) -> list[Request]:
    """Claim due deliveries, the longest waiting first and few of one endpoint, and sign them."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"at": at, "limit": limit, "at_once": AT_ONCE})
        ids = [row_id for (row_id,) in cursor.fetchall()]
    if not ids:
        return []
    claim = uuid.uuid4()
    also = {"claim": claim, "lease_until": at + LEASE}
    transition_set(
        DELIVERY, "SELECT unnest(%(ids)s::bigint[]) AS id", {"ids": ids}, DeliveryStatus.SENDING, actor=SENDER, at=at, also=also
    )
    rows = WebhookDelivery.objects.filter(pk__in=ids).select_related("endpoint__partner", "event").order_by("id")
    return [_request(row, claim, at) for row in rows]


def _request(row: WebhookDelivery, claim: uuid.UUID, at: datetime) -> Request:
    event, endpoint = row.event, row.endpoint
    body = signing.envelope(
        event_id=event.public_id,
        event_type=event.type,
        subject=event.subject,
        sequence=row.sequence,
        occurred_at=event.occurred_at,
        livemode=endpoint.partner.livemode,
        data=event.payload,
    )
    signed = signing.headers(live_secrets(endpoint, at), message_id=event.public_id, timestamp=int(at.timestamp()), body=body)
    return Request(row.pk, claim, endpoint.url, body, {"Content-Type": "application/json", **signed})


@composable
def record(delivery_id: int, claim: uuid.UUID, answered: Answered, *, at: datetime) -> str:
    """Write down an attempt and what follows from it; return the delivery's state, or "taken_over" when the lease had ended."""
    endpoint_id = WebhookDelivery.objects.values_list("endpoint_id", flat=True).get(pk=delivery_id)
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
    rows = WebhookDelivery.objects.select_for_update(no_key=True)
    row = rows.filter(pk=delivery_id, claim=claim, status=DeliveryStatus.SENDING).first()
    if row is None:
        return "taken_over"

    before = row.attempts.aggregate(last=Max("number"))["last"] or 0
    DeliveryAttempt.objects.create(
        delivery=row,
        number=before + 1,
        started_at=at - timedelta(milliseconds=answered.ms),
        ms=answered.ms,
        http_status=answered.http_status,
        code=answered.code,
        answer=answered.answer,
    )
    row.tries, row.last_code, row.claim, row.lease_until = row.tries + 1, answered.code, None, None
    if answered.is_success:
        _arrived(row, endpoint, at)
    else:
        _failed(row, endpoint, answered, at)
    row.save(update_fields=["tries", "last_code", "claim", "lease_until", "next_attempt_at", "ended_at"])
    return str(row.status)


def _arrived(row: WebhookDelivery, endpoint: WebhookEndpoint, at: datetime) -> None:
    row.ended_at = at
    transition(DELIVERY, row, DeliveryStatus.SUCCEEDED, actor=SENDER, at=at)
    if endpoint.status == EndpointStatus.DEGRADED:
        transition(ENDPOINT, endpoint, EndpointStatus.ENABLED, actor=SENDER, at=at, code="answers_again")
    well(endpoint)
    endpoint.last_success_at = at
    endpoint.save(update_fields=HEALTH)


def _failed(row: WebhookDelivery, endpoint: WebhookEndpoint, answered: Answered, at: datetime) -> None:
    """Put the delivery back, give it up, or skip it where the endpoint is disabled by now."""
    if endpoint.status in LIVE:
        _count_failure(endpoint, answered, at)
    if answered.http_status == GONE or row.tries > len(PAUSES):
        to = DeliveryStatus.FAILED
    else:
        to = DeliveryStatus.PENDING if endpoint.status in LIVE else DeliveryStatus.SKIPPED
    if to == DeliveryStatus.PENDING:
        row.next_attempt_at = at + pause_after(row, answered.retry_after, at)
    else:
        row.ended_at = at
    transition(DELIVERY, row, to, actor=SENDER, at=at, code=answered.code)


def pause_after(row: WebhookDelivery, retry_after: str, at: datetime) -> timedelta:
    """Return how long to wait after failure number `row.tries`: the schedule's pause, up to a fifth longer so that a crowd does not come back as
    one; a Retry-After is heard between one and two times the pause."""
    planned = PAUSES[row.tries - 1]
    spread = planned * (zlib.crc32(f"{row.public_id}:{row.tries}".encode()) % 1000) // 5000
    return timedelta(seconds=min(2 * planned, max(planned + spread, _asked(retry_after, at))))


def _asked(retry_after: str, at: datetime) -> int:
    """Return the seconds a Retry-After asks for, 0 of one that cannot be read."""
    if retry_after.isascii() and retry_after.isdigit():
        return int(retry_after[:9])
    try:
        when = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, IndexError):
        return 0
    return max(0, int(((when if when.tzinfo else when.replace(tzinfo=UTC)) - at).total_seconds()))


def _count_failure(endpoint: WebhookEndpoint, answered: Answered, at: datetime) -> None:
    """Count a failure of a live endpoint: pace it, tell the partner after a day, disable it after five, or at once when it is gone."""
    endpoint.failures_in_row += 1
    endpoint.failing_since = endpoint.failing_since or at
    failing_for = at - endpoint.failing_since
    if endpoint.failures_in_row >= DEGRADED_AFTER:
        doublings = min(10, endpoint.failures_in_row - DEGRADED_AFTER)
        endpoint.paused_until = at + min(PAUSE_LONGEST, PAUSE_FIRST * 2**doublings)
    if failing_for >= NOTICED_AFTER and endpoint.noticed_at is None:
        endpoint.noticed_at = at
        told = {
            "failing_since": endpoint.failing_since.isoformat(),
            "disabled_at": (endpoint.failing_since + DISABLED_AFTER).isoformat(),
        }
        tell("webhook_endpoint.failing", subject=endpoint.public_id, payload=told, at=at, partner_id=endpoint.partner_id)
    endpoint.save(update_fields=HEALTH)
    if answered.http_status == GONE:
        stop(endpoint, EndpointStatus.DISABLED_GONE, actor=SENDER, at=at, code="gone")
    elif failing_for >= DISABLED_AFTER:
        stop(endpoint, EndpointStatus.DISABLED_AUTO, actor=SENDER, at=at, code=answered.code)
    elif endpoint.failures_in_row >= DEGRADED_AFTER and endpoint.status == EndpointStatus.ENABLED:
        transition(ENDPOINT, endpoint, EndpointStatus.DEGRADED, actor=SENDER, at=at, code=answered.code)
