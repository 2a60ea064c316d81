"""`bench http`: a page of 100 payouts and a batch of 1,000 earnings through the whole stack, on two workers over loopback.

Yardstick of the page: a DRF ModelSerializer view of the same rows on the same server, without a key. Yardstick of the batch: the lines a second of
`import_earnings` from a file. The server is the plainest possible for both (one request at a time per worker, connection kept to the
database), so that the figures compare views and not servers.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import signal
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, connections
from django.urls import include, path
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination

from backoffice.bench import measure
from backoffice.bench.run_bench import AT, MAKER, fill
from backoffice.kit import clock
from backoffice.kit.actors import system
from backoffice.partners.keys import SCOPES
from backoffice.partners.operations import create_partner, issue_key
from payouts.earnings.importing import import_earnings
from payouts.earnings.lines import COLUMNS
from payouts.runs.models import Payout
from payouts.runs.operations import build_run
from payouts.sellers.models import Seller

FULL = {"sellers": 20_000, "requests": 60, "batches": 4}
QUICK = {"sellers": 1_000, "requests": 8, "batches": 1}
WORKERS, CLIENTS, BATCH = 2, 8, 1_000
ROBOT = system("bench")
PAGE = "/api/v1/payouts?limit=100"


def run(sellers: int = 20_000, requests: int = 60, batches: int = 4) -> list[dict[str, Any]]:
    """Return the figures: requests a second of the page, lines a second of the batches."""
    fill(sellers, 1)
    build_run(on=AT.date(), at=AT, actor=MAKER, key="bench")
    partner = create_partner(name="Bench", livemode=False, actor=ROBOT, at=clock.now())
    Seller.objects.update(partner=partner)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as the database does by itself minutes after such a change
    secret = issue_key(partner_id=partner.pk, label="bench", scopes=list(SCOPES), actor=ROBOT, at=clock.now())[1]
    with served() as port:
        return [_page(port, secret, requests), _batches(port, secret, batches)]


# --- the page


class YardstickSerializer(serializers.ModelSerializer[Payout]):
    """The same columns, as DRF has them by itself."""

    seller = serializers.SlugRelatedField("public_id", read_only=True)  # type: ignore[var-annotated]
    payee_account = serializers.SlugRelatedField("public_id", read_only=True)  # type: ignore[var-annotated]

    class Meta:
        model = Payout
        fields = [
            "public_id", "seller", "payee_account", "currency", "amount_minor", "brought_forward_minor", "carried_forward_minor", "status",
            "status_code", "rail", "instant", "reference", "built_at", "submitted_at", "expected_arrival_on", "paid_at",
            "return_window_closes_on",
        ]  # fmt: skip


class _Pages(CursorPagination):
    page_size = 100
    ordering = "-id"


class YardstickView(ListAPIView[Payout]):
    """A list as the framework's own documentation writes it, with the rows it refers to joined."""

    queryset = Payout.objects.select_related("seller", "payee_account")
    serializer_class = YardstickSerializer
    pagination_class = _Pages
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = ()


urlpatterns = [path("yardstick", YardstickView.as_view()), path("", include("backoffice.urls"))]


def _page(port: int, secret: str, count: int) -> dict[str, Any]:
    ours_request = _request("GET", PAGE, secret)
    yardstick_request = _request("GET", "/yardstick", "")
    _same_rows(port, ours_request, yardstick_request)
    latencies: list[float] = []

    def ours() -> float:
        rate, taken = measure.rate(_sender(port, ours_request), CLIENTS, count)
        latencies.extend(taken)
        return rate

    def yardstick() -> float:
        return measure.rate(_sender(port, yardstick_request), CLIENTS, count)[0]

    mine, theirs = measure.alternate(ours, yardstick)
    return measure.result("http.page_of_100_payouts", mine, theirs, latencies=latencies, clients=CLIENTS, rows=100, workers=WORKERS,
                          yardstick_is="DRF ModelSerializer, no key", limiter=_limiter())  # fmt: skip


def _same_rows(port: int, ours: bytes, yardstick: bytes) -> None:
    mine = [row["id"] for row in json.loads(send(port, ours))["data"]]
    theirs = [row["public_id"] for row in json.loads(send(port, yardstick))["results"]]
    if mine != theirs or len(mine) != 100:
        raise RuntimeError("The two views do not show the same 100 payouts.")


def _sender(port: int, request: bytes) -> Any:
    def send_all(client: int, count: int) -> list[float]:
        return [measure.timed(lambda: send(port, request)) for _ in range(count)]

    return send_all


# --- the batch


def _batches(port: int, secret: str, count: int) -> dict[str, Any]:
    """Send `count` batches from each client; a client has sellers of its own, as two partners have, or two shards of one."""
    names = list(Seller.objects.filter(currency="EUR").order_by("pk").values_list("external_id", flat=True)[: CLIENTS * BATCH])
    share = len(names) // CLIENTS
    shares = [names[client * share : (client + 1) * share] for client in range(CLIENTS)]
    latencies: list[float] = []

    def ours() -> float:
        requests = [[_batch_request(secret, share) for _ in range(count)] for share in shares]

        def send_own(client: int, count: int) -> list[float]:
            return [measure.timed(partial(_accepted, port, request)) for request in requests[client]]

        rate, taken = measure.rate(send_own, CLIENTS, count)
        latencies.extend(taken)
        return rate * BATCH

    def yardstick() -> float:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "lines.csv"
            with file.open("w", newline="") as handle:
                writer = csv.DictWriter(handle, COLUMNS)
                writer.writeheader()
                writer.writerows(line for share in shares for _ in range(count) for line in _lines(share))
            started = time.perf_counter()
            import_earnings(path=file, source="bench-file", actor=ROBOT, at=clock.now())
            return CLIENTS * count * BATCH / (time.perf_counter() - started)

    mine, theirs = measure.alternate(ours, yardstick)
    return measure.result("http.earnings_batch_of_1000", mine, theirs, latencies=latencies, clients=CLIENTS, rows=BATCH, workers=WORKERS,
                          yardstick_is="import_earnings from CSV, lines a second", limiter=_limiter())  # fmt: skip


def _lines(names: list[str]) -> Iterator[dict[str, str]]:
    day = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    for number in range(BATCH):
        ref = uuid.uuid4().hex
        yield {
            "external_id": ref, "seller": names[number % len(names)], "kind": "sale", "order_ref": ref, "occurred_at": day, "delivered_at": "",
            "currency": "EUR", "gross": "120.00", "fee": "12.00",
        }  # fmt: skip


def _batch_request(secret: str, names: list[str]) -> bytes:
    earnings = [
        {name: line[name] for name in ("external_id", "seller", "kind", "order_ref", "occurred_at")}
        | {"gross": {"amount_minor": 12000, "currency": "EUR"}, "fee": {"amount_minor": 1200, "currency": "EUR"}}
        for line in _lines(names)
    ]
    return _request("POST", "/api/v1/earnings", secret, json.dumps({"earnings": earnings}).encode())


def _accepted(port: int, request: bytes) -> None:
    answer = json.loads(send(port, request))
    if answer.get("accepted") != BATCH:
        raise RuntimeError(f"The batch was not accepted: {str(answer)[:300]}")


# --- server and client


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Log nothing: a line per request would be part of the figure."""

    def address_string(self) -> str:
        return "loopback"


@contextmanager
def served(urlconf: str = __name__, *, bare: bool = False) -> Iterator[int]:
    """Serve a module's addresses from WORKERS processes on one listening socket, `bare` without any middleware; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    connections.close_all()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_work, args=(listener, urlconf, bare), daemon=True) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        for worker in workers:
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)
            worker.join(10)
        listener.close()


def _work(listener: socket.socket, urlconf: str, bare: bool) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    settings.ROOT_URLCONF = urlconf
    if bare:
        settings.MIDDLEWARE = []
    settings.API_READS_PER_MINUTE = settings.API_WRITES_PER_MINUTE = 100_000_000
    for one in connections.all():
        one.settings_dict["CONN_MAX_AGE"] = None
    server = WSGIServer(("127.0.0.1", 0), _Quiet, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = "127.0.0.1", listener.getsockname()[1]
    server.setup_environ()
    server.set_app(get_wsgi_application())
    server.serve_forever()


def _request(method: str, address: str, secret: str, body: bytes = b"") -> bytes:
    head = [f"{method} {address} HTTP/1.0", "Host: 127.0.0.1", "Accept: application/json"]
    if secret:
        head.append(f"Authorization: Bearer {secret}")
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}", f"Idempotency-Key: {uuid.uuid4()}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def send(port: int, request: bytes) -> bytes:
    """Send one request and return the body; anything but 200 is an error of the benchmark."""
    with socket.create_connection(("127.0.0.1", port)) as conversation:
        conversation.sendall(request)
        parts = []
        while part := conversation.recv(262_144):
            parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0] + b" ":
        raise RuntimeError(f"The server answered {head[:60]!r} {body[:300]!r}")
    return body


def _limiter() -> str:
    return settings.BROKER_URL.partition(":")[0]
