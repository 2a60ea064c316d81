"""The audit trail: recorded with the act, chained afterwards, verified by anybody.

Recording takes no lock, so that acts never wait for each other; a row is sealed into the chain moments later, in batches, under one lock.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.transactions import composable
from backoffice.staff.models import AuditEntry

logger = logging.getLogger(__name__)

SEAL_BATCH = 1_000


@composable
def record(
    actor: Actor, action: str, subject: str, at: datetime, reason: str = "", facts: dict[str, Any] | None = None
) -> AuditEntry:
    """Write who did what to which subject, in the act's own transaction. `facts` carries codes and ids, no personal or bank data."""
    return AuditEntry.objects.create(actor=str(actor), action=action, subject=subject, at=at, reason=reason, facts=facts or {})


def seal(limit: int = 10_000) -> int:
    """Chain up to `limit` unsealed entries, in commits of SEAL_BATCH; return how many.

    Any number of callers may run: one advisory lock orders them. The head goes to the log, a second place a forger would have to reach.
    """
    sealed = 0
    while sealed < limit:
        with connection.cursor() as cursor:
            cursor.execute("SELECT sealed, head_no, head_hash FROM audit_seal(%s)", [min(SEAL_BATCH, limit - sealed)])
            count, head_no, head_hash = cursor.fetchone()
        sealed += count
        if count < SEAL_BATCH:
            break
    if sealed:
        logger.info("audit chain sealed up to %s: %s", head_no, head_hash)
    return sealed


def verify() -> list[dict[str, Any]]:
    """Return the first entry at which the chain breaks, or nothing: altered, missing, or in another order."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT chain_no, public_id, problem FROM (
                   SELECT e.chain_no, e.public_id,
                          CASE WHEN e.chain_no <> coalesce(lag(e.chain_no) OVER chain, 0) + 1 THEN 'an entry before it is missing'
                               WHEN e.chain_hash <> audit_digest(coalesce(lag(e.chain_hash) OVER chain, ''), e.public_id, e.actor,
                                                                 e.action, e.subject, e.reason, e.facts, e.at)
                               THEN 'it or its predecessor was altered' END AS problem
                     FROM backoffice_auditentry e WHERE e.chain_no IS NOT NULL WINDOW chain AS (ORDER BY e.chain_no)) AS checked
                WHERE problem IS NOT NULL ORDER BY chain_no LIMIT 1"""
        )
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
