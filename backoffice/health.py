"""Say how the process is: /healthz (alive), /readyz (can work), /metrics (queues with counts and ages, for Prometheus)."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseFailed
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from kombu import Connection

logger = logging.getLogger(__name__)

NO_STORE = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
BROKER_SECONDS = 1.0
# Once a process has seen every migration applied it will not find them gone.
_migrated: set[bool] = set()


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Alive: the process answers. Looks at nothing else, so that a database outage restarts no web server."""
    return JsonResponse({"status": "alive"}, headers=NO_STORE)


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Can work: database, migrations and broker; 503 names what cannot."""
    results = {
        name: _try(name, check) for name, check in (("database", _database), ("migrations", _migrations), ("broker", _broker))
    }
    ready = all(result == "ok" for result in results.values())
    return JsonResponse(
        {"status": "ready" if ready else "not ready", "checks": results}, status=200 if ready else 503, headers=NO_STORE
    )


def _try(name: str, check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        logger.warning("not ready: %s: %s", name, type(error).__name__)
        return "does not answer"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    if not _migrated:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if waiting:
            return f"{len(waiting)} not applied"
        _migrated.add(True)
    return "ok"


def _broker() -> str:
    with Connection(
        settings.BROKER_URL, connect_timeout=BROKER_SECONDS, transport_options={"socket_connect_timeout": BROKER_SECONDS}
    ) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)
    return "ok"


# One queue each: name, what it is, and a query for how many wait and since when. Every one reads a partial index; none counts a whole table.
QUEUES: list[tuple[str, str, str]] = [
    ("runs_to_approve", "payout runs waiting for a second person",
     "SELECT count(*), min(built_at) FROM payouts_payoutrun WHERE status = 'needs_approval'"),
    ("orders_ready", "payment orders ready to send",
     "SELECT count(*), min(created_at) FROM payouts_paymentorder WHERE status = 'approved'"),
    ("orders_sending", "payment orders being sent",
     "SELECT count(*), min(first_called_at) FROM payouts_paymentorder WHERE status = 'sending'"),
    ("orders_unknown", "payment orders whose outcome is unknown",
     "SELECT count(*), min(first_called_at) FROM payouts_paymentorder WHERE status = 'unknown'"),
    ("bank_lines_unplaced", "lines of bank files that could not be placed",
     "SELECT count(*), min(created_at) FROM payouts_bankfileentry WHERE state = 'unplaced'"),
    ("lines_rejected", "import lines waiting for a person",
     "SELECT count(*), min(created_at) FROM payouts_rejectedline WHERE state = 'open'"),
    ("earnings_due", "earnings whose waiting time is over",
     "SELECT count(*), min(available_at) FROM payouts_earning WHERE pending_minor > 0 AND available_at <= clock_timestamp()"),
    ("events_undelivered", "events not yet delivered to their consumers",
     "SELECT count(*), min(occurred_at) FROM backoffice_event WHERE delivered_at IS NULL AND dead_at IS NULL"),
    ("events_dead", "events given up on",
     "SELECT count(*), min(dead_at) FROM backoffice_event WHERE dead_at IS NOT NULL AND delivered_at IS NULL"),
    ("audit_unsealed", "audit entries not yet in the chain",
     "SELECT count(*), min(at) FROM backoffice_auditentry WHERE chain_no IS NULL"),
]  # fmt: skip


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Expose queue depths and ages, without names or amounts; METRICS_TOKEN, when set, must come as a bearer token."""
    token = settings.METRICS_TOKEN
    if token and not hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode()):
        return HttpResponse(
            "A token is needed.\n", status=401, content_type="text/plain", headers=NO_STORE | {"WWW-Authenticate": "Bearer"}
        )
    try:
        rows = [(name, *_queue(query)) for name, _, query in QUEUES]
        up = 1
    except DatabaseFailed as error:
        logger.warning("metrics without the database: %s", type(error).__name__)
        rows, up = [], 0
    return HttpResponse(_exposition(rows, up), content_type="text/plain; version=0.0.4; charset=utf-8", headers=NO_STORE)


def _queue(query: str) -> tuple[int, float]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT n, coalesce(extract(epoch FROM clock_timestamp() - since), 0)::float8 FROM ({query}) AS q (n, since)"
        )
        count, age = cursor.fetchone()
    return count, max(0.0, age)


def _exposition(rows: list[tuple[Any, ...]], up: int) -> str:
    lines = ["# HELP backoffice_database_up Whether the database answered this request.", "# TYPE backoffice_database_up gauge"]
    lines.append(f"backoffice_database_up {up}")
    what = "; ".join(f"{name}: {says}" for name, says, _ in QUEUES)
    lines += [f"# HELP backoffice_queue_depth How many wait. {what}.", "# TYPE backoffice_queue_depth gauge"]
    lines += [f'backoffice_queue_depth{{queue="{name}"}} {count}' for name, count, _ in rows]
    lines += ["# HELP backoffice_queue_age_seconds How long the oldest has waited.", "# TYPE backoffice_queue_age_seconds gauge"]
    lines += [f'backoffice_queue_age_seconds{{queue="{name}"}} {age:.3f}' for name, _, age in rows]
    return "\n".join(lines) + "\n"
