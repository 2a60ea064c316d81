"""A partner's server on loopback: it keeps what it was sent and answers what a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from backoffice.kit.outbox import Event, relay, tell
from backoffice.partners.models import Partner
from backoffice.partners.outgoing.delivering import claim_due, record
from backoffice.partners.outgoing.fanning import open_deliveries
from backoffice.partners.outgoing.models import WebhookDelivery, WebhookEndpoint
from backoffice.partners.outgoing.operations import create_endpoint
from backoffice.partners.outgoing.sending import Answered
from tests.factories.partners import ACTOR, make_partner


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers `status` with `answer_headers` to everything; `stall` is called first, where a test wants one that takes its time."""

    port: int = 0
    status: int = 204
    answer: bytes = b""
    answer_headers: dict[str, str] = field(default_factory=dict)
    stall: Callable[[Any], None] | None = None
    got: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"


@contextmanager
def receiver_on_loopback() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.got.append(Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            if told.stall:
                told.stall(self)
                return
            self.send_response(told.status)
            for name, value in told.answer_headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def make_endpoint(
    url: str = "https://partner.example/hooks", *, at: datetime, partner: Partner | None = None, **over: Any
) -> WebhookEndpoint:
    facts = {"event_types": [], "description": "", "actor": ACTOR} | over
    return create_endpoint(partner_id=(partner or make_partner()).pk, url=url, at=at, **facts)


def happen(partner: Partner, *, at: datetime, event_type: str = "payout.paid", subject: str = "pay_x", **payload: Any) -> Event:
    """Let something happen to a partner, and the relay carry it on."""
    tell(event_type, subject=subject, payload=payload, at=at, partner_id=partner.pk)
    relay(at=at)
    return Event.objects.filter(partner_id=partner.pk, type=event_type).latest("pk")


def delivered(endpoint: WebhookEndpoint, *, at: datetime) -> WebhookDelivery:
    """Have one event arrive at an endpoint, without a network."""
    tell("seller.created", subject="sel_x", payload={}, at=at, partner_id=endpoint.partner_id)
    open_deliveries(Event.objects.latest("pk"), [endpoint], at=at)
    (one,) = claim_due(at=at, limit=1)
    record(one.delivery_id, one.claim, Answered(204, "delivered", 31), at=at)
    return WebhookDelivery.objects.get(pk=one.delivery_id)
