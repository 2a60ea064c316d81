"""What every benchmark shares: a scratch database, clients in processes, alternating rounds, medians, percentiles, peak memory."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

ROUNDS = 5


@contextmanager
def scratch_database() -> Iterator[None]:
    """Run inside a fresh migrated database that is dropped afterwards; the installation's own data is never touched."""
    own_name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connections.close_all()
        connection.creation.destroy_test_db(own_name, verbosity=0)


def rate(work: Callable[[int, int], list[float]], clients: int, per_client: int) -> tuple[float, list[float]]:
    """Run `work(client, count)` in `clients` processes at once; return operations per second and all latencies in milliseconds."""
    connections.close_all()
    if clients == 1:
        started = time.perf_counter()
        latencies = work(0, per_client)
        return per_client / (time.perf_counter() - started), latencies
    context = multiprocessing.get_context("fork")
    ready, go = context.Barrier(clients + 1), context.Event()
    queue: Any = context.SimpleQueue()
    processes = [
        context.Process(target=_client, args=(work, number, per_client, ready, go, queue), daemon=True)
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    ready.wait()
    started = time.perf_counter()
    go.set()
    latencies = [latency for _ in processes for latency in queue.get()]
    seconds = time.perf_counter() - started
    for process in processes:
        process.join()
    return clients * per_client / seconds, latencies


def _client(work: Callable[[int, int], list[float]], number: int, count: int, ready: Any, go: Any, queue: Any) -> None:
    connection.ensure_connection()
    ready.wait()
    go.wait()
    queue.put(work(number, count))
    connections.close_all()


def timed(action: Callable[[], Any]) -> float:
    """Return how long an action took, in milliseconds."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def alternate(ours: Callable[[], float], yardstick: Callable[[], float], rounds: int = ROUNDS) -> tuple[float, float]:
    """Run both in turn and return the medians of their rates."""
    pairs = [(ours(), yardstick()) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3) if ordered else 0.0


def result(
    name: str, ours: float, yardstick: float, *, latencies: Sequence[float] = (), clients: int = 1, rows: int = 0, **more: Any
) -> dict[str, Any]:
    """Return the JSON object of numbers.md."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')"
        )
        version, fsync, commit = cursor.fetchone()
    return {
        "name": name,
        "ours": round(ours, 3),
        "yardstick": round(yardstick, 3),
        "ratio": round(ours / yardstick, 3) if yardstick else None,
        "p50_ms": percentile(latencies, 0.50),
        "p95_ms": percentile(latencies, 0.95),
        "p99_ms": percentile(latencies, 0.99),
        "clients": clients,
        "rows": rows,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "server_version": version,
        "settings": {"fsync": fsync, "synchronous_commit": commit},
        **more,
    }
