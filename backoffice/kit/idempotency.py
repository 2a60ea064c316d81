"""One result per key: the outcome is kept in the transaction of the effect, bound to a fingerprint of the content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models

from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import durable

# What docs/api.md promises. Longer than any client retries; every effect is single by its own state or name as well, so a key that is used again
# afterwards repeats nothing that cannot be repeated.
KEPT_DAYS = 30
FORGET_AT_ONCE = 5_000


class KeyReused(Refusal):
    code = "idempotency_key_reused"
    sentence = "The key {key} was used before for something else. Use a new key for a new request."
    http_status = 422


class IdempotencyRecord(models.Model):
    """What a key once did: scope, key, fingerprint of the content, and the outcome to answer again."""

    scope = models.CharField(max_length=120)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    outcome = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "backoffice"
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="idempotency_once")]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"


def fingerprint(content: Any) -> str:
    """Return the SHA-256 of the canonical JSON of the content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


@dataclass(slots=True)
class Recollection:
    """What `recall` found: `outcome` of an earlier run, or None; then call `keep` before the transaction ends."""

    record_id: int
    outcome: Any

    def keep(self, outcome: Any) -> None:
        IdempotencyRecord.objects.filter(pk=self.record_id).update(outcome=outcome)


def recall(*, scope: str, key: str, content: Any) -> Recollection:
    """Claim a key inside the caller's transaction, or answer what it did before.

    A twin in flight waits here: INSERT … ON CONFLICT blocks on the other's uncommitted row, then the row lock serialises. Correct under
    READ COMMITTED (SERIALIZABLE would not see this conflict). Refuses: KeyReused when the content differs.
    """
    digest = fingerprint(content)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO backoffice_idempotencyrecord (scope, key, fingerprint, created_at) VALUES (%s, %s, %s, clock_timestamp()) "
            "ON CONFLICT (scope, key) DO NOTHING RETURNING id",
            [scope, key, digest],
        )
        fresh = cursor.fetchone()
        if fresh:
            return Recollection(fresh[0], None)
    record = IdempotencyRecord.objects.select_for_update().get(scope=scope, key=key)
    if record.fingerprint != digest:
        raise KeyReused(key=key)
    return Recollection(record.pk, record.outcome)


@durable
def forget_keys(*, at: datetime, kept_days: int = KEPT_DAYS) -> int:
    """Delete records older than promised, oldest first, FORGET_AT_ONCE a transaction; return how many.

    Ids rise with time, so the walk ends at the first batch that is not wholly old, without an index on the age.
    """
    forgotten = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """WITH oldest AS MATERIALIZED (SELECT id, created_at FROM backoffice_idempotencyrecord ORDER BY id LIMIT %(limit)s),
                        gone AS (DELETE FROM backoffice_idempotencyrecord r USING oldest o
                                  WHERE r.id = o.id AND o.created_at < %(before)s RETURNING 1)
                   SELECT count(*) FROM gone""",
                {"limit": FORGET_AT_ONCE, "before": at - timedelta(days=kept_days)},
            )
            count = cursor.fetchone()[0]
        forgotten += count
        if count < FORGET_AT_ONCE:
            return forgotten
