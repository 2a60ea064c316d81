"""One result per key: the outcome is kept in the transaction of the effect, bound to a fingerprint of the content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db import connection, models

from backoffice.kit.errors import Refusal


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
