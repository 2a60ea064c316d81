"""`bench dispatch`: a run of 100,000 payouts is submitted; the bytes of its pain.001; and how many a second two workers send to a slow provider.

The provider answers every call after 20 ms and pays nobody. No file is stored or handed over: the bytes are made from the run's payment orders
and forgotten.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from django.db import connection
from django.test import override_settings

from backoffice.bench import import_bench, measure
from backoffice.kit import clock
from backoffice.kit.actors import staff
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.operations import submit_run, work
from payouts.dispatch.orders import instructions_for
from payouts.earnings.importing import import_earnings
from payouts.earnings.lines import COLUMNS
from payouts.holds.operations import mature_earnings
from payouts.rails import registry
from payouts.runs.models import PayoutRun
from payouts.runs.operations import approve_run, build_run

FULL: dict[str, Any] = {}
QUICK: dict[str, Any] = {"orders": 2_000, "calls": 400}
WORKERS, ANSWER_SECONDS = 2, 0.02
GOAL_BYTES_SECONDS, GOAL_CALLS = 60, 100
CHECKER = staff(999)


def run(orders: int = 100_000, calls: int = 4_000) -> list[dict[str, Any]]:
    """Return the seconds of submitting and of the file's bytes, smaller is better, and the payouts a second of two workers."""
    with _provider() as url, override_settings(RAIL_BY_CURRENCY={"EUR": "sandbox"}, SANDBOX_PROVIDER_URL=url):
        registry.forget()
        payout_run = _approved_run(orders)
        submitted = measure.timed(lambda: submit_run(run_id=payout_run.pk, actor=import_bench.ROBOT, at=clock.now())) / 1000
        seconds, size = _bytes()
        rate = _send(calls)
    registry.forget()
    rss = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return [
        measure.result("dispatch.submit_s", submitted, 0, rows=orders),
        measure.result("dispatch.pain001_s", seconds, GOAL_BYTES_SECONDS, rows=orders, file_mb=size // 2**20, rss_mb=rss),
        measure.result("dispatch.payouts_a_second", rate, GOAL_CALLS, rows=calls, workers=WORKERS, answer_seconds=ANSWER_SECONDS),
    ]


def _approved_run(orders: int) -> PayoutRun:
    import_bench.open_sellers(orders)
    robot, now = import_bench.ROBOT, clock.now()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "earnings.csv"
        with path.open("w") as file:
            file.write(",".join(COLUMNS) + "\n")
            when = import_bench.AT.isoformat()
            file.writelines(f"d{n},bench-{n},sale,o{n},{when},,EUR,120.00,12.00\n" for n in range(orders))
        import_earnings(path=path, source="bench", actor=robot, at=now)
    mature_earnings(actor=robot, at=now)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    built = build_run(on=now.date(), at=now, actor=robot, key="bench")
    total = ", ".join(f"{amount // 100}.{amount % 100:02d} {currency}" for currency, amount in built.totals.items())
    approve_run(run_id=built.pk, content_hash=built.content_hash, actor=CHECKER, at=now, confirmed_total=total)
    return built


def _bytes() -> tuple[float, int]:
    """Return how long the bytes of all orders take, read and written, and how many they are."""
    started = time.perf_counter()
    waiting = list(PaymentOrder.objects.select_related("payee_account", "payout__seller").order_by("pk"))
    drafts, bad = registry.file_rail("sepa").build_files(
        instructions_for(waiting), batch_id="bench", first_number=1, at=clock.now()
    )
    seconds = time.perf_counter() - started
    if bad or sum(len(draft.order_ids) for draft in drafts) != len(waiting):
        raise RuntimeError(f"{len(bad)} of {len(waiting)} orders did not fit into a file.")
    return seconds, sum(len(draft.data) for draft in drafts)


def _send(calls: int) -> float:
    at = clock.now()

    def one(client: int, count: int) -> list[float]:
        sent = work(at=at, limit=count)
        if sent != count:
            raise RuntimeError(f"Of {count} orders {sent} were taken up.")
        return []

    rate, _ = measure.rate(one, WORKERS, calls // WORKERS)
    left = PaymentOrder.objects.filter(status="sent").count()
    if left != calls // WORKERS * WORKERS:
        raise RuntimeError(f"Of {calls} orders {left} were sent.")
    return rate


# --- the provider


class _Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(ANSWER_SECONDS)
        body = json.dumps({"id": uuid.uuid4().hex}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Log nothing: a line per call would be part of the figure."""


def _serve(started: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    started.put(server.server_address[1])
    server.serve_forever()


@contextmanager
def _provider() -> Iterator[str]:
    """Serve the provider from a process of its own, and yield its address."""
    connection.close()
    context = multiprocessing.get_context("fork")
    started: Any = context.SimpleQueue()
    process = context.Process(target=_serve, args=(started,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{started.get()}"
    finally:
        process.terminate()
        process.join(10)
