"""Start an embedded server or attach to the running one, and hold it until this process ends.

Four files per server in `run/`: `.start` serialises starters, `.users` is held shared by every user, `.alive` is held by
the keeper, `.json` tells newcomers how to connect. Only locks decide; a file left behind by a kill means nothing.
"""

import atexit
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from backoffice.runtime.problems import ServiceProblem

KEEPER = Path(__file__).with_name("keeper.py")
READY_SECONDS = 120.0
POLL_SECONDS = 0.03
STOP_SECONDS = 10.0
_held: dict[str, int] = {}


@dataclass(frozen=True)
class Launch:
    """How to run a server: its command, the account it runs as (None: ours), how to stop it."""

    command: list[str]
    stop_signal: str = "SIGTERM"
    uid: int | None = None
    gid: int | None = None
    final_codes: list[int] = field(default_factory=list)


class Service(Protocol):
    """One embedded server."""

    name: str
    folder: Path

    def prepare(self) -> Launch:
        """Make what the server needs before its start, and say how to run it."""

    def answers(self) -> bool:
        """Tell whether the server can work now."""

    def furnish(self) -> dict[str, str]:
        """Make the roles and databases that must exist; return the environment that reaches the server."""


def hold(service: Service) -> dict[str, str]:
    """Return the environment that reaches `service`, started if need be and kept up until this process ends."""
    run = _run_folder(service)
    with _locked(run / f"{service.name}.start"):
        users = os.open(run / f"{service.name}.users", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            facts = _attach_or_start(service, run)
        except BaseException:
            os.close(users)
            raise
        _held[service.name] = users
        atexit.register(_release, users, run / f"{service.name}.alive", os.getpid())
        return facts


def is_held(name: str) -> bool:
    """Tell whether this process holds the embedded server called `name`."""
    return name in _held


def restart(service: Service) -> None:
    """Ask the keeper of `service` to restart it."""
    alive = _run_folder(service) / f"{service.name}.alive"
    if not _keeper_lives(alive):
        raise ServiceProblem(f"The embedded {service.name} is not running.")
    os.kill(int(alive.read_text()), signal.SIGUSR1)


def log_file(service: Service) -> Path:
    """Return where the server writes what it has to say."""
    return service.folder / "log" / f"{service.name}.log"


def _release(users: int, alive: Path, owner: int) -> None:
    """Let go, and if we were the last, wait until the server is gone: who sees us end may rely on it."""
    if os.getpid() != owner:  # a forked child shares the lock with us and must not give it back
        return
    fcntl.flock(users, fcntl.LOCK_UN)
    if not _is_free(users, fcntl.LOCK_EX) and _is_free(users, fcntl.LOCK_SH):
        return  # others are at work
    deadline = time.monotonic() + STOP_SECONDS
    while _keeper_lives(alive) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)  # poll loop: a newcomer may keep the server, then nobody tells us


def _is_free(descriptor: int, kind: int) -> bool:
    """Tell whether the lock could be had just now; it is given back at once."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _attach_or_start(service: Service, run: Path) -> dict[str, str]:
    state = run / f"{service.name}.json"
    alive = run / f"{service.name}.alive"
    if not _keeper_lives(alive):
        state.unlink(missing_ok=True)
        _start_keeper(service, run, service.prepare())
    _wait_until_ready(service, alive)
    if not state.exists():
        facts = service.furnish()
        draft = state.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(facts))
        draft.rename(state)
    return dict(json.loads(state.read_text()))


def _start_keeper(service: Service, run: Path, launch: Launch) -> None:
    log = log_file(service)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > 20_000_000:
        log.replace(log.with_suffix(".log.1"))
    reading, writing = os.pipe()
    command = [sys.executable, "-I", str(KEEPER), "--ready-fd", str(writing), "--log", str(log)]
    for kind in ("users", "alive"):
        command += [f"--{kind}", str(run / f"{service.name}.{kind}")]
    command += ["--state", str(run / f"{service.name}.json"), "--stop-signal", launch.stop_signal]
    if launch.uid is not None:
        command += ["--uid", str(launch.uid), "--gid", str(launch.gid)]
    for code in launch.final_codes:
        command += ["--final", str(code)]
    with log.open("ab") as output, os.fdopen(reading, "rb") as ready:
        subprocess.run(
            [*command, "--", *launch.command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[writing],
            env=_plain_environment(),
            cwd="/",
            start_new_session=True,
        )
        os.close(writing)
        if ready.readline() != b"kept\n":
            raise _failed(service)


def _wait_until_ready(service: Service, alive: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not service.answers():
        if not _keeper_lives(alive) or time.monotonic() > deadline:
            raise _failed(service)
        time.sleep(POLL_SECONDS)  # poll loop: the server says nowhere that it is ready


def _failed(service: Service) -> ServiceProblem:
    log = log_file(service)
    said = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
    return ServiceProblem(
        f"The embedded {service.name} server did not start{': ' + said[0][:300] if said else ''}.",
        f"Read {log}, or set {'DATABASE_URL' if service.name == 'postgres' else 'BROKER_URL'} to a server of your own.",
    )


def _plain_environment() -> dict[str, str]:
    """Return an environment without the caller's PG*, LD_* and locale settings, which would steer the server."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C", "TZ": "UTC"}


def _keeper_lives(alive: Path) -> bool:
    descriptor = os.open(alive, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _run_folder(service: Service) -> Path:
    run = service.folder / "run"
    try:
        run.mkdir(parents=True, exist_ok=True)
        if not os.access(run, os.W_OK):
            raise PermissionError(run)
    except OSError as problem:
        raise ServiceProblem(
            f"The data folder {service.folder} cannot be written ({problem.strerror or 'it belongs to another user'}).",
            "Set BACKOFFICE_DATA to a folder of yours, or run as the user who created it.",
        ) from problem
    return run


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as problem:
        raise ServiceProblem(
            f"{path} belongs to another user.",
            "Set BACKOFFICE_DATA to a folder of yours, or run as the user who created it.",
        ) from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
