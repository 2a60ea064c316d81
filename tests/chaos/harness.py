"""Chaos with real processes: workers killed and frozen, connections cut, the database restarted, the provider unkind. Then the reckoning.

Run as `python -m tests.chaos.harness OPTIONS` it brings up a PostgreSQL of its own, builds and submits a run, and prints one line of JSON:
DOUBLE, LOST, STUCK, DRIFT and the truths broken, all against the provider's own books. Workers are forked from this process, which never
opens a Django connection itself after the seeding.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

LEASE = 1.5
# Longer than a lease, and some longer than a lease and the provider's lag: only then does another worker make the next attempt meanwhile.
FREEZE = (2.0, 6.0)
STILL_SECONDS = 90
KILL_POINTS = {
    "in_claim": 0.004, "claimed": 0.008, "before_call": 0.008, "after_call": 0.012, "before_lookup": 0.01, "after_lookup": 0.01,
    "before_record": 0.012, "in_record": 0.008, "in_record_absent": 0.02, "recorded": 0.004, "outcomes_settled": 0.004,
}  # fmt: skip
STOP_POINTS = {"claimed": 0.003, "before_call": 0.004, "after_call": 0.004, "before_record": 0.003}


def main() -> None:
    options = _options()
    folder = Path(options.folder)
    os.environ |= {
        "BACKOFFICE_DATA": str(folder / "var"),
        "LEASE_SECONDS": str(LEASE),
        "SANDBOX_VISIBILITY_LAG_SECONDS": "1.0",
        "DJANGO_SETTINGS_MODULE": "backoffice.settings",
        "LOG_LEVEL": "ERROR",
        "BACKOFFICE_FAILPOINTS": "",
    }
    from backoffice.runtime import ensure_services

    ensure_services(need_broker=True)
    _in_child("seed", options, owner=True)
    from tests.factories.provider import UnkindProvider

    with UnkindProvider.start(folder / "provider", faults=options.faults, visible_after=0.3, seed=options.seed) as provider:
        os.environ["SANDBOX_PROVIDER_URL"] = provider.url
        chaos = Chaos(options, folder)
        chaos.run()
        report = json.loads(_in_child("judge", options, capture=True))
        report |= chaos.report() | {"faults": provider.faults_made(), "seed": options.seed, "bug": options.bug}
    print(json.dumps(report))
    sys.exit(0 if not any(report[name] for name in ("DOUBLE", "LOST", "STUCK", "DRIFT", "BROKEN")) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--payouts", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--freezes", type=int, default=40)
    parser.add_argument("--massacres", type=int, default=10)
    parser.add_argument("--restarts", type=int, default=1)
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--wave", type=int, default=2)
    parser.add_argument("--faults", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=240)
    parser.add_argument("--bug", default="")
    parser.add_argument("--calm", action="store_true", help="no injuries: what the same work takes in peace")
    return parser.parse_args()


def _in_child(step: str, options: argparse.Namespace, *, owner: bool = False, capture: bool = False) -> str:
    """Run a step that uses Django's connection in a process of its own, so that forked workers inherit none."""
    environment = os.environ | ({"BACKOFFICE_DB_ROLE": "owner"} if owner else {})
    command = [sys.executable, "-m", "tests.chaos.steps", step, options.folder, str(options.payouts)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE if capture else None, text=True)
    return done.stdout or ""


class Chaos:
    """The supervisor: keeps the workers running, and sees to it that they do not run well."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.stop_file = folder / "stop"
        self.random = random.Random(options.seed)
        self.workers: dict[int, int] = {}
        self.frozen: dict[int, float] = {}
        self.counts: Counter[str] = Counter()
        self.started = time.monotonic()
        self.dead: list[int] = []

    def run(self) -> None:
        import django

        os.environ["BACKOFFICE_FAILPOINTS"] = ",".join(
            [f"{name}=kill:{share}" for name, share in KILL_POINTS.items() if name not in STOP_POINTS]
            + [f"{name}=both:{share}" for name, share in STOP_POINTS.items()]
        )
        django.setup()
        from backoffice.kit import failpoints
        from tests.chaos import worker  # noqa: F401 - imported before forking, so that a fork is cheap

        if self.options.calm:
            _disarm()
        else:
            _arm(failpoints)
        self._watch()
        self._drain()

    def _watch(self) -> None:
        """Until enough was killed, frozen and cut, and nothing is open any more."""
        next_kill = next_freeze = next_massacre = next_look = time.monotonic() + 0.5
        deadline = self.started + self.options.patience
        done, restless = 0.0, not self.options.calm
        while time.monotonic() < deadline:
            self._reap_and_spawn()
            now = time.monotonic()
            # Injuries keep pace with the work, so that a slow machine is not killed to a standstill and a fast one is not let off.
            if restless and now > next_kill and self._due("killed", self.options.kills, done):
                next_kill = now + self.random.uniform(0.02, 0.2)
                self._kill_one()
            if restless and now > next_freeze and self._due("frozen", self.options.freezes, done):
                next_freeze = now + self.random.uniform(0.1, 0.6)
                self._freeze_one()
            if restless and now > next_massacre and self._due("massacres", self.options.massacres, done):
                next_massacre = now + self.random.uniform(1, 3)
                self._cut_connections()
            if now > next_look:
                next_look = now + 0.5
                left = self._open_orders()
                done = 1 - left / self.options.payouts if left is not None else done
                if left == 0:
                    break
            self._thaw(now)
            time.sleep(0.01)

    def _due(self, what: str, wanted: int, done: float) -> bool:
        return self.counts[what] < wanted * 1.2 * (done + 0.1)

    def _drain(self) -> None:
        """Let the workers finish in peace, with people deciding what only people may, then stop them."""
        _disarm()
        for pid in list(self.workers):  # the armed ones go, sound ones come
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
        # stuck is what no longer moves, not what a busy machine has not come to yet
        moved, fewest = time.monotonic(), self.options.payouts + 1
        while (left := self._open_orders(with_sent=True)) != 0 and time.monotonic() < moved + STILL_SECONDS:
            if left is not None and left < fewest:
                moved, fewest = time.monotonic(), left
            self._reap_and_spawn()
            _in_child("decide", self.options)
            time.sleep(1)
        self.stop_file.touch()
        deadline = time.monotonic() + 30
        while self.workers and time.monotonic() < deadline:
            self._reap_and_spawn(spawn=False)
            time.sleep(0.05)

    # --- injuries ---

    def _reap_and_spawn(self, *, spawn: bool = True) -> None:
        while self.workers:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                break
            if os.WIFSTOPPED(status):
                if pid not in self.frozen:
                    self.frozen[pid] = time.monotonic() + self.random.uniform(*FREEZE)
                    self.counts["frozen"] += 1
                continue
            if os.WIFSIGNALED(status):
                self.counts["killed"] += 1
            elif os.WEXITSTATUS(status):
                self.counts["died"] += 1
            self.workers.pop(pid, None)
            self.frozen.pop(pid, None)
        while spawn and len(self.workers) < self.options.workers:
            self._spawn()

    def _spawn(self) -> None:
        number = next(n for n in range(self.options.workers + 1) if n not in self.workers.values())
        pid = os.fork()
        if pid == 0:
            from tests.chaos import worker

            worker.run(self.stop_file, wave=self.options.wave, bug=self.options.bug, number=number)
            os._exit(0)
        self.workers[pid] = number
        self.counts["started"] += 1

    def _kill_one(self) -> None:
        awake = [pid for pid in self.workers if pid not in self.frozen]
        if awake:
            os.kill(self.random.choice(awake), signal.SIGKILL)

    def _freeze_one(self) -> None:
        awake = [pid for pid in self.workers if pid not in self.frozen]
        if len(awake) > 2:
            os.kill(self.random.choice(awake), signal.SIGSTOP)

    def _thaw(self, now: float) -> None:
        for pid, until in list(self.frozen.items()):
            if now > until:
                del self.frozen[pid]
                os.kill(pid, signal.SIGCONT)

    def _cut_connections(self) -> None:
        if self.counts["restarts"] < self.options.restarts and self.counts["massacres"] >= 3:
            from backoffice.runtime import restart_embedded_postgres

            restart_embedded_postgres()
            self.counts["restarts"] += 1
            _flush_broker()
            return
        sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        if self._ask(sql) is not None:
            self.counts["massacres"] += 1

    # --- looking on ---

    def _open_orders(self, *, with_sent: bool = False) -> int | None:
        states = ["approved", "sending", "unknown", *(["sent"] if with_sent else [])]
        return self._ask(
            "SELECT count(*) FROM payouts_paymentorder WHERE status = ANY(%s) AND (code <> 'needs_a_person' OR %s)",
            [states, with_sent],
        )

    def _ask(self, sql: str, parameters: list[Any] | None = None) -> int | None:
        import psycopg

        try:
            with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True, connect_timeout=5) as own:
                row = own.execute(sql, parameters).fetchone()
                return int(row[0]) if row else None
        except psycopg.Error:
            return None

    def report(self) -> dict[str, Any]:
        return {**self.counts, "seconds": round(time.monotonic() - self.started, 1), "workers": self.options.workers}


def _arm(failpoints: Any) -> None:
    """At the points where both may happen, half of the hits freeze and half kill; the kit's own spec knows one kind a point."""
    for name, share in STOP_POINTS.items():
        failpoints._armed.pop(name, None)
        failpoints.hook(name, lambda share=share: _maybe(share))


def _maybe(share: float) -> None:
    draw = random.random()
    if draw < share:
        os.kill(os.getpid(), signal.SIGSTOP)
    elif draw < 3 * share:
        os.kill(os.getpid(), signal.SIGKILL)


def _disarm() -> None:
    from backoffice.kit import failpoints

    failpoints._armed.clear()
    for name in STOP_POINTS:
        failpoints.hook(name, None)


def _flush_broker() -> None:
    import redis

    try:
        redis.Redis.from_url(os.environ["BROKER_URL"]).flushall()
    except redis.RedisError as problem:
        print(f"broker not flushed: {problem}", file=sys.stderr)


if __name__ == "__main__":
    main()
