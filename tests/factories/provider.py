"""A provider less kind than any real one, in a process of its own: it drops, fails, dawdles, forgets keys, shows payments late, and keeps books.

with UnkindProvider.start(folder, faults=0.15) as provider:
    ...SANDBOX_PROVIDER_URL=provider.url...
    provider.truth()
"""

from __future__ import annotations

import json
import random
import socketserver
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from payouts.rails.sandbox_provider import Reply, SandboxProvider

# What may go wrong with a payment order, by share of all faults; the slow ones take effect after the client has given up.
FAULTS = {
    "drop_before": 3, "drop_after": 4, "error_before": 2, "error_after": 2, "slow": 2, "garbage": 1, "too_many": 1,
}  # fmt: skip


class LateShowing(SandboxProvider):
    """Shows a payment to questions only `visible_after_seconds` after it was booked."""

    visible_after_seconds = 0.0

    def ask(self, reference: str) -> Reply:
        with self._open() as db:
            horizon = time.time() - self.visible_after_seconds
            young = db.execute("SELECT 1 FROM payment WHERE reference = ? AND created_at > ?", [reference, horizon]).fetchone()
        return Reply(200, {"data": []}) if young else super().ask(reference)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: LateShowing
    faults = 0.0
    slow_seconds = 0.7
    answer_seconds = 0.0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        fault = random.choices([*FAULTS], [*FAULTS.values()])[0] if random.random() < self.faults else ""
        if fault:
            with (self.provider.path.parent / "faults.log").open("a") as log:
                log.write(f"{fault}\n")
        if fault in ("drop_before", "error_before", "too_many"):
            return self._fail(fault)
        if fault == "slow":
            time.sleep(self.slow_seconds)
        time.sleep(self.answer_seconds)
        reply = self.provider.receive(key, body)
        if fault in ("drop_after", "error_after", "garbage"):
            return self._fail(fault)
        return self._answer(reply.status or 504, reply.body)

    def do_GET(self) -> None:
        if random.random() < self.faults / 3:
            return self._fail(random.choice(["drop_before", "error_before"]))
        reference = parse_qs(urlsplit(self.path).query).get("reference", [""])[0]
        reply = self.provider.ask(reference)
        return self._answer(reply.status, reply.body)

    def _fail(self, fault: str) -> None:
        self.close_connection = True
        if fault.startswith("error"):
            return self._answer(500, {"error": {"code": "internal_error"}})
        if fault == "too_many":
            return self._answer(429, {"error": {"code": "too_many_requests"}})
        if fault == "garbage":
            return self._write(201, b'{"id": "sbx_1", "sta')
        return None

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self._write(status, json.dumps(body).encode())

    def _write(self, status: int, raw: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
        except OSError:
            self.close_connection = True  # the client was killed or gave up

    def log_message(self, *_: Any) -> None:
        """Say nothing: 10,000 lines help nobody."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Clients are killed in the middle of a request here; that is the point."""


class UnkindProvider:
    """A running provider and its own truth."""

    def __init__(self, folder: Path, url: str, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.url, self._process = folder, url, process

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        faults: float = 0.0,
        key_life: float = 1.2,
        visible_after: float = 0.0,
        seed: int = 1,
        answer: float = 0.0,
    ) -> UnkindProvider:
        folder.mkdir(parents=True, exist_ok=True)
        options = [str(folder), str(faults), str(key_life), str(visible_after), str(seed), str(answer)]
        process = subprocess.Popen([sys.executable, "-m", "tests.factories.provider", *options], stdout=subprocess.PIPE)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        return cls(folder, f"http://127.0.0.1:{port}", process)

    def truth(self) -> list[dict[str, Any]]:
        return SandboxProvider(self.folder / "truth.sqlite3").truth()

    def faults_made(self) -> dict[str, int]:
        path = self.folder / "faults.log"
        names = path.read_text().split() if path.exists() else []
        return {name: names.count(name) for name in sorted(set(names))}

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> UnkindProvider:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def main() -> None:
    folder, faults, key_life, visible_after, seed, answer = sys.argv[1:]
    random.seed(int(seed))
    Handler.provider = LateShowing(Path(folder) / "truth.sqlite3", key_life_seconds=float(key_life))
    Handler.provider.visible_after_seconds = float(visible_after)
    Handler.faults, Handler.answer_seconds = float(faults), float(answer)
    socketserver.TCPServer.allow_reuse_address = True
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever(poll_interval=0.5)


if __name__ == "__main__":
    main()
