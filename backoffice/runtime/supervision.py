"""Run web, worker and scheduler under one supervisor, in one terminal; all end with it, however it ends."""

import multiprocessing
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from honcho.manager import Manager
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

from backoffice.runtime import CHECKOUT
from backoffice.runtime.keeper import die_with_parent

STOP_SECONDS = 20
QUEUES = "money,files,default"


def processes(host: str, port: int) -> dict[str, list[str]]:
    """Return the command of each process."""
    python = sys.executable
    celery = [python, "-W", "ignore:::celery.platforms", "-m", "celery", "-A", "backoffice.celery"]
    return {
        "web": [
            *(python, "-m", "uvicorn", "backoffice.asgi:application", "--host", host, "--port", str(port)),
            *("--lifespan", "off", "--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "5"),
        ],
        "worker": [
            *(*celery, "--quiet", "worker", "--queues", QUEUES, "--concurrency", "2", "--loglevel", "warning"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ],
        "scheduler": [*celery, "--quiet", "beat", "--loglevel", "warning", "--pidfile="],
    }


def supervise(commands: dict[str, list[str]], *, host: str, port: int, greeting: list[str]) -> int:
    """Run `commands` until one ends or we are told to stop; return the exit code.

    Says `greeting` once the web answers. A stop that was asked for (Ctrl-C, SIGTERM) is success.
    """
    multiprocessing.set_start_method("fork", force=True)
    manager = _Manager(host, port, greeting)
    for name, command in commands.items():
        manager.add_process(name, f"exec {shlex.join(command)}", cwd=str(CHECKOUT))
    manager.loop()
    asked = manager.returncode in (130, 143)
    return 0 if asked else manager.returncode or 1


class _Child(Popen):
    """The program itself: its death signal is set between fork and exec."""

    def __init__(self, command: str, **options: Any) -> None:
        super().__init__(command, preexec_fn=die_with_parent, **options)


class _Process(Process):  # type: ignore[misc]
    """The process that reads the program's output; it must not outlive the supervisor either."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._child_ctor = _Child

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        die_with_parent(signal.SIGKILL)
        super().run(events, ignore_signals)


class _Manager(Manager):  # type: ignore[misc]
    """Honcho's manager, saying less."""

    def __init__(self, host: str, port: int, greeting: list[str]) -> None:
        super().__init__(Printer(sys.stdout))
        self._process_ctor = _Process
        self._address = ("127.0.0.1" if host in ("0.0.0.0", "::") else host, port)
        self._greeting = greeting

    def loop(self) -> None:
        import honcho.manager

        honcho.manager.KILL_WAIT = STOP_SECONDS
        super().loop()

    def _start(self) -> None:
        super()._start()
        threading.Thread(target=self._greet, daemon=True).start()

    def _greet(self) -> None:
        while not self._terminating:
            try:
                with socket.create_connection(self._address, timeout=1):
                    break
            except OSError:
                time.sleep(0.1)  # poll loop: uvicorn tells nobody that it listens
        if not self._terminating:
            for line in self._greeting:
                sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def _system_print(self, data: str) -> None:
        unexpected = "stopped" in data and not self._terminating
        if unexpected or "received" in data:
            text = data.replace(" received", ": stopping") if "received" in data else data
            self._printer.write(Message(type="line", data=text, time=self._clock.now(), name="system", colour=None))


def run_manage(*arguments: str) -> int:
    """Run a management command in a process of its own, which ends with us, and return its exit code."""
    command = [sys.executable, str(CHECKOUT / "manage.py"), *arguments]
    return subprocess.run(command, check=False, cwd=CHECKOUT, preexec_fn=die_with_parent).returncode
