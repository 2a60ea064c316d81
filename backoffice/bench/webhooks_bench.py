"""`bench webhooks`: events of Stripe's accepted a second at the door, signed, two kilobytes each, every one stored once, on two workers over loopback.

Yardstick: a bare Django view on the same server, without any middleware, that verifies the same signature and inserts the body as it came.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from backoffice.bench import measure
from backoffice.bench.http_bench import CLIENTS, WORKERS, send, served
from billing.webhooks import bodies
from billing.webhooks.door import PATH
from billing.webhooks.models import InboundEvent

FULL = {"events": 150}
QUICK = {"events": 10}
ROUNDS = 5
SECRET = "whsec_bench"  # noqa: S105 - signs what only this benchmark verifies  # pragma: allowlist secret
BODY_BYTES = 2_048
_TABLE = "CREATE TABLE bench_notice (id bigserial PRIMARY KEY, event_ref text UNIQUE, body bytea, received_at timestamptz)"


def run(events: int = 150) -> dict[str, Any]:
    """Return accepted events a second of CLIENTS clients, each sending `events` a round, and every event's time to its 200."""
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
    with connection.cursor() as cursor:
        cursor.execute(_TABLE)
    latencies: list[float] = []
    with served("backoffice.urls") as port, served(__name__, bare=True) as bare_port:
        rounds = iter(range(1_000))

        def ours() -> float:
            rate, taken = measure.rate(_sender(port, PATH, next(rounds), events), CLIENTS, events)
            latencies.extend(taken)
            return rate

        def yardstick() -> float:
            return measure.rate(_sender(bare_port, "/yardstick", next(rounds), events), CLIENTS, events)[0]

        mine, theirs = measure.alternate(ours, yardstick, ROUNDS)
    kept = InboundEvent.objects.count()
    if kept != ROUNDS * CLIENTS * events:
        raise RuntimeError(f"{ROUNDS * CLIENTS * events} events were answered with 200, and {kept} are kept.")
    return measure.result("webhooks", mine, theirs, latencies=latencies, clients=CLIENTS, rows=kept, workers=WORKERS,
                          yardstick_is="bare Django view: verify, insert", body_bytes=BODY_BYTES)  # fmt: skip


def _sender(port: int, address: str, number: int, events: int) -> Any:
    """Return the work of one client; its requests are signed before the clock runs."""
    stamp = int(time.time())
    requests = {
        client: [_request(address, f"evt_{number}_{client}_{n}", stamp) for n in range(events)] for client in range(CLIENTS)
    }

    def send_all(client: int, count: int) -> list[float]:
        return [measure.timed(lambda request=request: send(port, request)) for request in requests[client][:count]]  # type: ignore[misc]

    return send_all


def _request(address: str, event_ref: str, stamp: int) -> bytes:
    about = {"id": f"dp_{event_ref}", "object": "dispute", "amount": 5_000, "currency": "eur", "metadata": {}}
    given: dict[str, Any] = {
        "id": event_ref, "object": "event", "type": "charge.dispute.updated", "created": stamp, "livemode": settings.STRIPE_LIVEMODE,
        "api_version": "2026-10-28", "data": {"object": about},
    }  # fmt: skip
    filler = hashlib.sha512(event_ref.encode()).hexdigest() * 16
    about["metadata"] = {"filler": filler[: BODY_BYTES - len(json.dumps(given)) - 14]}
    body = json.dumps(given).encode()
    head = [
        f"POST {address} HTTP/1.0", "Host: 127.0.0.1", "Content-Type: application/json", f"Content-Length: {len(body)}",
        f"Stripe-Signature: {bodies.sign(body, SECRET, stamp)}",
    ]  # fmt: skip
    return "\r\n".join([*head, "", ""]).encode() + body


@csrf_exempt
def yardstick_view(request: HttpRequest) -> HttpResponse:
    """Verify and insert, and nothing else."""
    stamp, _, signature = request.META.get("HTTP_STRIPE_SIGNATURE", "").removeprefix("t=").partition(",v1=")
    body = request.body
    good = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(good, signature) or abs(time.time() - int(stamp)) > bodies.TOLERANCE_SECONDS:
        return HttpResponse(status=400)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bench_notice (event_ref, body, received_at) VALUES (%s, %s, now()) ON CONFLICT (event_ref) DO NOTHING",
            [json.loads(body)["id"], body],
        )
    return HttpResponse()


urlpatterns = [path("yardstick", yardstick_view)]
