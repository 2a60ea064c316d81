"""Workers that call the gateway, killed at the boundaries of a call and started again; run by test_gateway_chaos.

`python -m tests.chaos.gateway_workers KILLS PATIENCE`: one process that sets Django up once, forks worker after worker, and prints how often they died
and whether the work was done within PATIENCE seconds: on a busy machine it may not be, which says nothing about the books.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter

SHARE, WORKERS = 0.1, 2


def main() -> None:
    from backoffice.runtime import ensure_services

    ensure_services(need_broker=False)
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = os.environ["TEST_OF_DATABASE"]
    django.setup()
    from backoffice.kit import failpoints

    points = [name for name in failpoints.BOUNDARIES if name.startswith("gateway_")]
    wanted, kills, clean = int(sys.argv[1]), Counter[str](), 0
    workers: dict[int, int] = {}
    until = time.monotonic() + float(sys.argv[2])
    while clean < WORKERS and time.monotonic() < until:
        while len(workers) + clean < WORKERS:
            armed = sum(kills.values()) < wanted
            pid = os.fork()
            if pid == 0:
                _work(dict.fromkeys(points, ("kill", SHARE)) if armed else {}, armed)
            workers[pid] = 1
        pid, status = os.wait()
        workers.pop(pid)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            kills["killed"] += 1
        elif sum(kills.values()) >= wanted:
            clean += os.waitstatus_to_exitcode(status) == 0
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    print(json.dumps({"killed": kills["killed"], "points": len(points), "done": clean >= WORKERS}))


def _work(armed: dict[str, tuple[str, float]], dying: bool) -> None:
    """Call until nothing is open any more; a dying worker that finds nothing to do just ends."""
    from backoffice.kit import clock, failpoints
    from billing.payments.models import Attempt
    from billing.payments.operations import work
    from billing.payments.states import OPEN_ATTEMPTS

    random.seed(os.getpid())
    failpoints._armed.update(armed)
    code = 0
    try:
        while Attempt.objects.filter(status__in=OPEN_ATTEMPTS).exists():
            if not work(at=clock.now(), limit=20):
                time.sleep(0.05)
        if dying:  # all is done before enough have died: the test says so
            time.sleep(0.2)
    except Exception as problem:  # noqa: BLE001 - the supervisor must hear of it, and not of this process's own end
        sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
        code = 3
    os._exit(code)


if __name__ == "__main__":
    main()
