"""Claim every waiting event of one object: a lease, a name for it, and nobody else on the same object meanwhile.

Two workers that looked at one object at the same time could apply the older look last. So an object is claimed under its advisory lock, and
not while another lease on it runs; whoever lost their lease finds the claim changed and applies nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from backoffice.kit.actors import system
from backoffice.kit.states import transition_set
from backoffice.kit.transactions import composable
from billing.webhooks.models import InboundEvent
from billing.webhooks.states import NOTICE, NoticeState

WORKER = system("webhooks")
# Longer than any one call to a provider may take.
LEASE = timedelta(minutes=2)
CANDIDATES = 20

_CANDIDATES = """
    SELECT provider, kind, object_ref FROM billing_inboundevent
     WHERE state IN ('received', 'retry') AND next_try_at <= %(at)s AND NOT provider = ANY(%(paused)s)
     ORDER BY next_try_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
_OPEN = """
    SELECT id, state, lease_until FROM billing_inboundevent
     WHERE provider = %(provider)s AND kind = %(kind)s AND object_ref = %(object)s AND state IN ('received', 'processing', 'retry')
     ORDER BY id FOR UPDATE
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One object whose waiting events are ours; `events` their row ids, oldest first."""

    claim: uuid.UUID
    provider: str
    kind: str
    object_ref: str
    events: tuple[int, ...]


def lock_object(provider: str, kind: str, object_ref: str, *, wait: bool) -> bool:
    """Take the object's advisory lock until the transaction ends; return whether it is ours."""
    verb = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {verb}(hashtextextended(%s, 55))", [f"{provider}:{kind}:{object_ref}"])
        return wait or bool(cursor.fetchone()[0])


@composable
def claim_object(*, at: datetime, paused: frozenset[str] = frozenset()) -> Claimed | None:
    """Claim the next object with a due event, with all its waiting events, or None; `paused` names providers to leave alone."""
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES, {"at": at, "paused": list(paused), "limit": CANDIDATES})
        candidates = list(dict.fromkeys(cursor.fetchall()))
    for provider, kind, object_ref in candidates:
        if lock_object(provider, kind, object_ref, wait=False):
            events = _waiting(provider, kind, object_ref, at)
            if events:
                return _take(Claimed(uuid.uuid4(), provider, kind, object_ref, tuple(events)), at)
    return None


def _waiting(provider: str, kind: str, object_ref: str, at: datetime) -> list[int]:
    """Return the object's waiting events, locked; none while somebody's lease on it runs."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, {"provider": provider, "kind": kind, "object": object_ref})
        rows = cursor.fetchall()
    if any(state == NoticeState.PROCESSING for _, state, _ in rows):
        return []
    return [row_id for row_id, _, _ in rows]


def _take(claimed: Claimed, at: datetime) -> Claimed:
    ids = {"ids": list(claimed.events)}
    also = {"claim": claimed.claim, "lease_until": at + LEASE}
    transition_set(NOTICE, "SELECT unnest(%(ids)s::bigint[]) AS id", ids, NoticeState.PROCESSING, actor=WORKER, at=at, also=also)
    return claimed


def still_ours(claimed: Claimed) -> list[InboundEvent]:
    """Return the claimed events, locked, unless another has taken them over."""
    rows = InboundEvent.objects.select_for_update().defer("raw")
    return list(rows.filter(pk__in=claimed.events, claim=claimed.claim, state=NoticeState.PROCESSING).order_by("id"))


@composable
def sweep(*, at: datetime) -> int:
    """Give back events whose lease ran out: their worker crashed or hangs. Return how many."""
    return transition_set(
        NOTICE,
        "SELECT id FROM billing_inboundevent WHERE state = 'processing' AND lease_until <= %(at)s ORDER BY id FOR UPDATE SKIP LOCKED",
        {"at": at},
        NoticeState.RETRY,
        actor=WORKER,
        at=at,
        code="lease_ran_out",
        also={"claim": None, "next_try_at": at},
    )
