"""A bank nobody here wrote: the PyPI package `mock-bank`, over HTTP on the loopback, with its own truth about what it paid.

with LoopbackBank.start(at="2026-11-23T09:00") as bank:
    bank.fund(bank.account("ACME"), 1_000_000_00)
    answer = bank.send(pain001_bytes)
    bank.advance(days=2)
    for message in bank.collect():
        read(message.data)
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

BEHAVIOURS = (
    "accept",
    "closed-account",
    "insufficient-funds",
    "bad-bank-id",
    "return-later",
    "reject-file",
    "duplicate-file",
    "silent",
    "statement-gap",
)

# The package's own seed: ACME pays, INITECH's account is closed, EURODIS's bank does not exist.
DEBTOR_ID = "ACME"
DEBTOR_NAME = "ACME Corporation"
DEBTOR_IBAN = "NL41MOCK0000000001"
DEBTOR_BIC = "MOCKNL2A"
CLOSED_IBAN = "NL84MOCK0000000003"
BAD_BANK_IBAN = "NL57MOCK0000000004"
ELSEWHERE_IBAN = "NL30MOCK0000000005"


@dataclass(frozen=True, slots=True)
class BankMessage:
    """A file the bank has put into our mailbox; `type` is 'pain.002.001.10', 'camt.054.001.08', ..."""

    id: int
    type: str
    account: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Truth:
    """What the bank itself says became of one transfer: amounts in minor units, `booked` and `returned` whether money moved."""

    end_to_end_id: str
    amount_minor: int
    creditor_iban: str
    status: str
    booked: bool
    returned: bool
    message_id: str


class LoopbackBank:
    """One running bank on 127.0.0.1 with its own process, clock and memory."""

    def __init__(self, base_url: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self.base_url = base_url
        self._process = process

    @classmethod
    def start(
        cls,
        *,
        at: str = "",
        zone: str = "Europe/Paris",
        cut_off: str = "15:00",
        holidays: tuple[str, ...] = (),
        database: str = ":memory:",
        allow_duplicates: bool = False,
        status_delay_ms: int = 0,
    ) -> LoopbackBank:
        """Start a bank; `at` is its wall-clock start "YYYY-MM-DDTHH:MM", `holidays` ISO dates on which it settles nothing.

        With `allow_duplicates` it pays a repeated MsgId again, so that only our own care prevents a double payment.
        """
        options = [
            "--timezone",
            zone,
            "--cutoff",
            cut_off,
            "--db",
            database,
            "--status-delay-ms",
            str(status_delay_ms),
            "--quiet",
            "--keep-requests",
            "100",
        ]
        options += ["--clock", at] if at else []
        options += ["--allow-duplicates"] if allow_duplicates else []
        # Between finding a free port and the bank's taking it another process may be quicker; then the next port is tried.
        for attempt in (1, 2, 3):
            bank = cls._launch(options)
            if bank._is_ready():
                break
            if attempt == 3:
                raise RuntimeError("mock-bank did not start.")
        if holidays:
            bank._call("PUT", "/_mock/holidays", json.dumps(holidays).encode())
        return bank

    @classmethod
    def _launch(cls, options: list[str]) -> LoopbackBank:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "mockbank", "--host", "127.0.0.1", "--port", str(port), *options]
        # Its own errors go to our standard error, where pytest shows them with a failing test.
        return cls(f"http://127.0.0.1:{port}", subprocess.Popen(command, stdout=subprocess.DEVNULL))

    def _is_ready(self) -> bool:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            try:
                self._call("GET", "/_mock/health")
                return True
            except OSError:
                time.sleep(0.05)
        self.stop()
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> LoopbackBank:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- the bank's doors ---

    def send(self, data: bytes) -> dict[str, Any]:
        """Hand a pain.001 over; returns the bank's own summary (status, reason, payments)."""
        return dict(self._call("POST", "/payments", data, "application/xml", also=(422,)))

    def collect(self, kind: str = "", *, leave: bool = False) -> list[BankMessage]:
        """Take the files waiting in our mailbox, oldest first; `leave` only looks."""
        query = urllib.parse.urlencode({"type": kind} if kind else {}) + ("&leave" if leave else "")
        rows = self._call("GET", f"/_mock/mailbox?{query}")
        return [BankMessage(row["id"], row["type"], row["account"], row["body"].encode()) for row in rows]

    def report(self, account: str = DEBTOR_ID) -> None:
        """Ask for an intraday report (camt.052); it waits in the mailbox."""
        self._call("POST", f"/_mock/accounts/{account}/report")

    # --- its clock, its accounts, its moods ---

    def advance(self, *, days: int | None = None, to: str | None = None) -> dict[str, Any]:
        """Move the bank's clock by calendar days or to midnight of an ISO date; what falls due happens on the way."""
        query = f"days={days}" if days is not None else f"to={to}"
        return dict(self._call("POST", f"/_mock/advance?{query}"))

    def behave(self, behaviour: str, *, account: str = DEBTOR_ID, **parameters: Any) -> None:
        """Set an account's behaviour; `return-later` takes days=, reason=, end_to_end_id=."""
        if behaviour not in BEHAVIOURS:
            raise ValueError(f"mock-bank knows {', '.join(BEHAVIOURS)}.")
        self._patch(account, {"behaviour": behaviour, "parameters": parameters})

    def fund(self, account: str, balance_minor: int) -> None:
        """Set an account's balance, in minor units."""
        self._patch(account, {"balance": balance_minor})

    def rename(self, account: str, **fields: Any) -> None:
        """Change what the bank knows of an account: iban=, name=, bic=, currency=, closed=."""
        self._patch(account, fields)

    def open_account(
        self, account: str, iban: str, *, name: str = "", behaviour: str = "accept", balance_minor: int = 0, closed: bool = False
    ) -> None:
        """Open an account at the bank; give a payee's IBAN one with `closed-account` or `bad-bank-id` to have payments to it refused."""
        body = {
            "id": account,
            "iban": iban,
            "name": name or account,
            "bic": DEBTOR_BIC,
            "behaviour": behaviour,
            "balance": balance_minor,
            "closed": int(closed),
        }
        self._call("POST", "/_mock/accounts", json.dumps(body).encode(), "application/json")

    def reset(self) -> None:
        self._call("POST", "/_mock/reset")

    def _patch(self, account: str, fields: dict[str, Any]) -> None:
        self._call("PATCH", f"/_mock/accounts/{account}", json.dumps(fields).encode(), "application/json")

    # --- its truth ---

    def account(self, account: str = DEBTOR_ID) -> dict[str, Any]:
        """Return the account's row: iban, balance (minor units), behaviour, closed."""
        return dict(self._call("GET", f"/_mock/accounts/{account}"))

    def truths(self, end_to_end_id: str | None = None) -> list[Truth]:
        """Return everything the bank ever decided, oldest first, or what it did under one EndToEndId (two rows: it was asked twice)."""
        rows = self._call("GET", "/_mock/payments")
        found = [
            Truth(
                row["end_to_end_id"],
                row["amount"],
                row["creditor_iban"],
                row["status"],
                row["booked_at"] is not None,
                row["returned_at"] is not None,
                row["msg_id"],
            )
            for row in reversed(rows)
        ]
        return [truth for truth in found if end_to_end_id in (None, truth.end_to_end_id)]

    def times_paid(self, end_to_end_id: str) -> int:
        """Return how often money left for this EndToEndId, returns not counted off."""
        return sum(1 for truth in self.truths(end_to_end_id) if truth.booked)

    def paid_minor(self, end_to_end_id: str) -> int:
        """Return what the payee holds under this EndToEndId in the end: booked less returned, in minor units."""
        return sum(truth.amount_minor for truth in self.truths(end_to_end_id) if truth.booked and not truth.returned)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        *,
        also: tuple[int, ...] = (),
    ) -> Any:
        request = urllib.request.Request(self.base_url + path, data=body, method=method)
        request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                answer_body = error.read()
            if error.code in also:
                return json.loads(answer_body)
            raise RuntimeError(
                f"mock-bank answered {error.code} to {method} {path.split('?')[0]}: {answer_body[:300].decode(errors='replace')}"
            ) from None
