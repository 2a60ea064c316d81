"""Say how the process is: /healthz (alive), /readyz (can work), /metrics (queues with counts and ages, for Prometheus)."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseFailed
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from kombu import Connection

from backoffice.desk.models import BooksCheck
from backoffice.kit import clock
from backoffice.kit.ticks import JobRun

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
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, the answer is "not ready"
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
    ("inbound_events_waiting", "events of the card provider not yet processed",
     "SELECT count(*), min(received_at) FROM billing_inboundevent WHERE state IN ('received', 'processing', 'retry')"),
    ("inbound_events_dead", "events of the card provider given up on",
     "SELECT count(*), min(ended_at) FROM billing_inboundevent WHERE state = 'dead'"),
    ("inbound_events_refused", "bodies refused at the door today",
     'SELECT coalesce(sum(count), 0)::bigint, min(last_at) FROM billing_refusednotice WHERE "on" = current_date'),
    ("dispute_answers_unknown", "answers to disputes whose outcome is unknown",
     "SELECT count(*), min(called_at) FROM billing_disputesubmission WHERE state = 'unknown'"),
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
        lines = [*_exposition(rows, 1), *_books(clock.now()), *_jobs(clock.now())]
    except DatabaseFailed as error:
        logger.warning("metrics without the database: %s", type(error).__name__)
        lines = _exposition([], 0)
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; version=0.0.4; charset=utf-8", headers=NO_STORE)


def _queue(query: str) -> tuple[int, float]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT n, coalesce(extract(epoch FROM clock_timestamp() - since), 0)::float8 FROM ({query}) AS q (n, since)"  # noqa: S608 - a query of ours
        )
        count, age = cursor.fetchone()
    return count, max(0.0, age)


def _gauge(name: str, says: str, rows: Iterable[tuple[str, Any]]) -> list[str]:
    """Return one gauge; each row is its label (or '') and its value."""
    shown = [f"{name}{{{label}}} {value}" if label else f"{name} {value}" for label, value in rows]
    return [f"# HELP {name} {says}", f"# TYPE {name} gauge", *shown]


def _exposition(rows: list[tuple[str, int, float]], up: int) -> list[str]:
    what = "; ".join(f"{name}: {says}" for name, says, _ in QUEUES)
    return [
        *_gauge("backoffice_database_up", "Whether the database answered this request.", [("", up)]),
        *_gauge("backoffice_queue_depth", f"How many wait. {what}.", [(f'queue="{name}"', count) for name, count, _ in rows]),
        *_gauge(
            "backoffice_queue_age_seconds",
            "How long the oldest has waited.",
            [(f'queue="{name}"', f"{age:.3f}") for name, _, age in rows],
        ),
    ]


def _books(at: datetime) -> list[str]:
    """Tell what the latest check of the books said; checking them here would cost a minute a scrape."""
    latest = BooksCheck.objects.order_by("-pk").first()
    if latest is None:
        return []
    age = (at - latest.checked_at).total_seconds()
    truths = [(f'number="{one["number"]}",truth="{one["name"]}"', int(one["ok"])) for one in latest.verdicts]
    return [
        *_gauge("backoffice_books_clean", "Whether every truth held at the latest check.", [("", int(latest.is_clean))]),
        *_gauge("backoffice_books_check_age_seconds", "How long ago the books were checked.", [("", f"{age:.0f}")]),
        *_gauge("backoffice_truth_ok", "Each truth at the latest check.", truths),
    ]


def _jobs(at: datetime) -> list[str]:
    """Tell of each scheduled job how long ago it last ended well."""
    ended = JobRun.objects.filter(ok=True).values_list("job").annotate(last=Max("finished_at")).order_by("job")
    rows = [(f'job="{job}"', f"{(at - last).total_seconds():.0f}") for job, last in ended if last]
    return _gauge("backoffice_job_success_age_seconds", "How long ago each scheduled job last ended well.", rows)
