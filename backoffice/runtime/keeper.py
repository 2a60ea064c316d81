"""Keep one server alive for as long as anybody uses it.

Started as a script with the standard library only. Every user of the server holds a shared lock on the users file; the
keeper waits for the exclusive one. The kernel gives locks back when a process dies, by whatever death, so the count of
users can never be wrong. If the keeper itself dies, the server receives the stop signal as its parent-death signal.
"""

import argparse
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
RESTARTS_ALLOWED = 8  # after a kill -9 PostgreSQL refuses to start until its last child has let go of the shared memory
LASTING_SECONDS = 10.0
STOP_SECONDS = 60.0


def die_with_parent(signum: int = signal.SIGKILL) -> None:
    """Ask the kernel to send `signum` to this process when its parent dies (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)


class Keeper:
    """The server process, its restarts and its end."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.stop_signal = signal.Signals[options.stop_signal]
        self.stopping = False
        self.restart_wanted = False
        self.child: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Start the server as the wanted user, in its own session, so that Ctrl-C at a terminal does not reach it."""
        account: dict[str, object] = {}
        if self.options.uid is not None:
            account = {"user": self.options.uid, "group": self.options.gid, "extra_groups": []}
        with Path(self.options.log).open("ab") as log:
            self.child = subprocess.Popen(
                self.options.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(self.stop_signal),
                **account,  # type: ignore[call-overload]
            )

    def stop(self) -> None:
        """Send the stop signal, and the last one when it is not heard."""
        self.stopping = True
        child = self.child
        if child is None or child.poll() is not None:
            return
        child.send_signal(self.stop_signal)
        killer = threading.Timer(STOP_SECONDS, child.kill)
        killer.daemon = True
        killer.start()

    def restart(self, *_signal: object) -> None:
        """Stop the server once; the loop below starts it again."""
        self.restart_wanted = True
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(self.stop_signal)

    def stop_when_unused(self, users: int) -> None:
        """Wait until no process holds the users file, and keep it, so that newcomers wait until the server is gone."""
        fcntl.flock(users, fcntl.LOCK_EX)
        self.stop()

    def run(self) -> int:
        """Stay until the server has ended for good."""
        failures = 0
        while True:
            started = time.monotonic()
            self.spawn()
            code = self.child.wait() if self.child is not None else 1
            if self.stopping:
                return 0
            lasted = time.monotonic() - started > LASTING_SECONDS
            failures = 0 if lasted or self.restart_wanted else failures + 1
            self.restart_wanted = False
            if failures > RESTARTS_ALLOWED or (failures > 0 and code in self.options.final):
                return code or 1
            if failures:
                time.sleep(min(0.25 * failures, 2.0))  # poll loop: the port or the shared memory may still be taken


def main() -> int:
    """Read the command line, take the keeper's lock, say so on the pipe, and keep the server."""
    parser = argparse.ArgumentParser()
    for name in ("users", "alive", "state", "log", "stop-signal"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ready-fd", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--final", type=int, action="append", default=[], help="exit codes that no restart can help")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()

    if os.fork():  # whoever started us collects this one and is nobody's parent
        os._exit(0)
    alive = os.open(options.alive, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX)
    os.ftruncate(alive, 0)
    os.write(alive, str(os.getpid()).encode())
    users = os.open(options.users, os.O_RDWR | os.O_CREAT, 0o600)
    keeper = Keeper(options)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: keeper.stop())
    signal.signal(signal.SIGUSR1, keeper.restart)
    os.write(options.ready_fd, b"kept\n")
    os.close(options.ready_fd)
    threading.Thread(target=keeper.stop_when_unused, args=(users,), daemon=True).start()

    code = keeper.run()
    Path(options.state).unlink(missing_ok=True)
    fcntl.flock(alive, fcntl.LOCK_UN)  # before the users file: who gets that one must find no keeper
    return code


if __name__ == "__main__":
    sys.exit(main())
