"""The pretended provider behind the sandbox rail: it keeps its own truth, in its own file, and knows nothing of our tables.

It fails on request, by the payee's name, so that a partner can rehearse every outcome. A word after SANDBOX in the holder's name asks for it:

    SANDBOX REFUSE            refused: account closed            SANDBOX TIMEOUT BEFORE   no answer, nothing happened
    SANDBOX REFUSE INVALID    refused: account number wrong      SANDBOX TIMEOUT AFTER    no answer, but it was paid
    SANDBOX RETURN            paid, comes back later             SANDBOX ERROR BEFORE     server error, nothing happened
    SANDBOX SLOW              paid, the answer takes its time    SANDBOX ERROR AFTER      server error, but it was paid
    SANDBOX SILENT            no answer, not even to questions

Every other name is accepted, and settles by the time it is first asked about.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS payment (
    id INTEGER PRIMARY KEY AUTOINCREMENT, reference TEXT NOT NULL, fingerprint TEXT NOT NULL, amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL, payee TEXT NOT NULL, behaviour TEXT NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL, times_asked INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS payment_reference ON payment (reference);
CREATE TABLE IF NOT EXISTS remembered (key TEXT PRIMARY KEY, payment_id INTEGER NOT NULL, seen_at REAL NOT NULL);
"""

# Longest first: the first phrase that the name holds decides.
BEHAVIOURS = {
    "SANDBOX REFUSE INVALID": "refuse:invalid_account_number",
    "SANDBOX REFUSE": "refuse:account_closed",
    "SANDBOX RETURN": "return:account_closed",
    "SANDBOX TIMEOUT BEFORE": "timeout_before",
    "SANDBOX TIMEOUT AFTER": "timeout_after",
    "SANDBOX ERROR BEFORE": "error_before",
    "SANDBOX ERROR AFTER": "error_after",
    "SANDBOX SLOW": "slow",
    "SANDBOX SILENT": "silent",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP-like answer; status 0 is no answer at all."""

    status: int
    body: dict[str, Any]


class SandboxProvider:
    """Accepts payments once per remembered key, answers by reference, and forgets keys after `key_life_seconds` (None: never)."""

    def __init__(self, path: Path, *, key_life_seconds: float | None = None, settles: bool = True) -> None:
        self.path = path
        self.key_life_seconds = key_life_seconds
        self.settles = settles
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as db:
            db.executescript(SCHEMA)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        db.row_factory = sqlite3.Row
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            yield db
        finally:
            db.close()

    def receive(self, key: str, body: dict[str, Any]) -> Reply:
        """Take one payment order, as POST /payments would."""
        behaviour = behaviour_of(body["payee"].get("holder", ""))
        if behaviour in ("timeout_before", "silent"):
            return Reply(0, {})
        if behaviour == "error_before":
            return Reply(500, {"error": {"code": "internal_error"}})
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            reply = self._book(db, key, body, behaviour)
            db.execute("COMMIT")
        if behaviour == "timeout_after":
            return Reply(0, {})
        if behaviour == "error_after":
            return Reply(500, {"error": {"code": "internal_error"}})
        return reply

    def _book(self, db: sqlite3.Connection, key: str, body: dict[str, Any], behaviour: str) -> Reply:
        now = time.time()
        if self.key_life_seconds is not None:
            db.execute("DELETE FROM remembered WHERE seen_at < ?", [now - self.key_life_seconds])
        fingerprint = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        known = db.execute("SELECT p.* FROM remembered r JOIN payment p ON p.id = r.payment_id WHERE r.key = ?", [key]).fetchone()
        if known is not None:
            if known["fingerprint"] != fingerprint:
                return Reply(409, {"error": {"code": "idempotency_key_reused"}})
            return self._reply_for(known)
        kind, _, code = behaviour.partition(":")
        status = "refused" if kind == "refuse" else "accepted"
        cursor = db.execute(
            "INSERT INTO payment (reference, fingerprint, amount_minor, currency, payee, behaviour, status, code, created_at) VALUES (?,?,?,?,?,?,?,?,?)",
            [
                body["reference"],
                fingerprint,
                body["amount_minor"],
                body["currency"],
                _payee_mark(body["payee"]),
                kind,
                status,
                code,
                now,
            ],
        )
        db.execute("INSERT INTO remembered (key, payment_id, seen_at) VALUES (?,?,?)", [key, cursor.lastrowid, now])
        return self._reply_for(db.execute("SELECT * FROM payment WHERE id = ?", [cursor.lastrowid]).fetchone())

    @staticmethod
    def _reply_for(row: sqlite3.Row) -> Reply:
        if row["status"] == "refused":
            return Reply(422, {"id": f"sbx_{row['id']}", "error": {"code": row["code"]}})
        return Reply(201, {"id": f"sbx_{row['id']}", "status": row["status"]})

    def ask(self, reference: str) -> Reply:
        """List what was received under a reference, as GET /payments?reference= would; asking is what moves a payment on here."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            rows = db.execute("SELECT * FROM payment WHERE reference = ? ORDER BY id", [reference]).fetchall()
            for row in rows:
                self._move_on(db, row)
            rows = db.execute("SELECT * FROM payment WHERE reference = ? ORDER BY id", [reference]).fetchall()
            db.execute("COMMIT")
        return Reply(
            200,
            {
                "data": [
                    {"id": f"sbx_{row['id']}", "status": row["status"], "code": row["code"], "amount_minor": row["amount_minor"]}
                    for row in rows
                ]
            },
        )

    def _move_on(self, db: sqlite3.Connection, row: sqlite3.Row) -> None:
        status = row["status"]
        if status == "accepted" and self.settles:
            status = "settled"
        elif status == "settled" and row["behaviour"] == "return":
            status = "returned"
        db.execute("UPDATE payment SET times_asked = times_asked + 1, status = ? WHERE id = ?", [status, row["id"]])

    # --- its truth, for tests and for people who want to compare ---

    def truth(self) -> list[dict[str, Any]]:
        """Return every payment it ever booked: id, reference, amount_minor, currency, status, code."""
        with self._open() as db:
            rows = db.execute("SELECT id, reference, amount_minor, currency, status, code FROM payment ORDER BY id").fetchall()
        return [dict(row) for row in rows]


def behaviour_of(holder: str) -> str:
    """Return what a payee's name asks for, 'accept' for an ordinary one."""
    name = " ".join(holder.upper().split())
    return next((behaviour for phrase, behaviour in BEHAVIOURS.items() if phrase in name), "accept")


def _payee_mark(payee: dict[str, Any]) -> str:
    # Enough to compare two payments, not enough to pay anybody.
    return hashlib.sha256(json.dumps(payee, sort_keys=True).encode()).hexdigest()[:16]
