"""Attempts: on record before anything leaves, claimed with a lease and a fence, closed by evidence alone. Knows no payment and no refund.

What is called and what follows from the answer is a Handler's: one for each kind, registered by the room whose subject it is.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.db import connection, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.idempotency import fingerprint
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from billing.gateways import registry
from billing.gateways.port import Answer
from billing.payments.models import Attempt
from billing.payments.states import ATTEMPT, OPEN_ATTEMPTS, AttemptStatus

declare("gateway_in_claim", "gateway_claimed")

# The part of a lease in which a call may still be started; what is left covers the call itself and its record.
CALL_WITHIN = 0.8
CANDIDATES = 20


class AttemptOpen(Refusal):
    code = "attempt_open"
    sentence = "An attempt of this is under way or its outcome is unknown ({key}); nothing is sent again before that is settled."


class Handler(Protocol):
    """What one kind of attempt does. `lock` and the methods after it run in a transaction; `send` and `look_up` never do."""

    def lock(self, target_id: int, *, skip: bool = False) -> Any: ...
    def why_not(self, target: Any, attempt: Attempt, actor: Actor, at: datetime) -> str: ...
    def send(self, attempt: Attempt) -> Answer: ...
    def look_up(self, attempt: Attempt) -> Answer: ...
    def record(self, target: Any, attempt: Attempt, answer: Answer, actor: Actor, at: datetime) -> None: ...
    def unknown(self, target: Any, attempt: Attempt, actor: Actor, at: datetime) -> None: ...
    def absent(self, target: Any, attempt: Attempt, actor: Actor, at: datetime) -> None: ...


HANDLERS: dict[str, Handler] = {}


def register(kind: str, handler: Handler) -> None:
    """Say what attempts of a kind do; called when the wing is plugged together."""
    HANDLERS[kind] = handler


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that is ours until `deadline` (monotonic seconds). `asked_before`: a call may have left us, so ask first.

    `may_repeat`: the provider still remembers the key, so the same request under the same key is harmless. `surely_over`: the last call's lease and
    the provider's lag are over, so that what it does not know now never arrived.
    """

    attempt: Attempt
    claim: uuid.UUID
    asked_before: bool
    may_repeat: bool
    surely_over: bool
    deadline: float


@composable
def open_attempt(
    *, kind: str, target: str, target_id: int, gateway: str, request: dict[str, Any], actor: Actor, at: datetime
) -> Attempt:
    """Put a call on record, under a key made of the kind, the subject's id and a number; the worker makes it. Refuses: AttemptOpen.

    The caller has locked the subject.
    """
    earlier = Attempt.objects.filter(kind=kind, target=target).order_by("-number").first()
    if earlier is not None and earlier.status in OPEN_ATTEMPTS:
        raise AttemptOpen(key=earlier.key)
    number = earlier.number + 1 if earlier else 1
    made = Attempt.objects.create(
        kind=kind,
        target=target,
        target_id=target_id,
        number=number,
        key=f"{kind}:{target}:{number}",
        gateway=gateway,
        request=request,
        request_hash=fingerprint(request),
        created_at=at,
    )
    born(ATTEMPT, made, actor=actor, at=at)
    make_due(made.pk)
    return made


def open_attempt_of(kind: str, target: str) -> Attempt | None:
    """Return the attempt of a kind that is open for a subject, or None."""
    return Attempt.objects.filter(kind=kind, target=target, status__in=OPEN_ATTEMPTS).first()


@composable
def withdraw(*, attempt: Attempt, actor: Actor, at: datetime, reason: str) -> bool:
    """Cancel an attempt that certainly never left; False when it may have. The caller has locked the subject."""
    row = Attempt.objects.select_for_update().get(pk=attempt.pk)
    if row.called or row.status != AttemptStatus.READY:
        return False
    transition(ATTEMPT, row, AttemptStatus.CANCELED, actor=actor, at=at, reason=reason)
    Attempt.objects.filter(pk=row.pk).update(next_try_at=None, reason=reason)
    return True


def claim_one(*, actor: Actor, at: datetime, only: int | None = None, kinds: Sequence[str] = ()) -> Claimed | None:
    """Claim one due attempt and commit, or answer None when nothing is due. Between here and the record nothing holds a lock."""
    for attempt_id, kind, target_id in _candidates(only, kinds):
        with transaction.atomic():
            claimed = _claim(attempt_id, kind, target_id, actor, at)
        if claimed is not None:
            failpoint("gateway_claimed")
            return claimed
    return None


def _candidates(only: int | None, kinds: Sequence[str]) -> list[tuple[int, str, int]]:
    """Return what is due, what was left behind first: behind a long queue nobody would learn what became of a crashed call."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, kind, target_id FROM billing_attempt
                WHERE status IN ('ready', 'calling', 'unknown') AND next_try_at <= clock_timestamp() AND kind = ANY(%(kinds)s)
                  AND (%(only)s::bigint IS NULL OR id = %(only)s)
                ORDER BY called DESC, next_try_at, id LIMIT %(limit)s""",
            {"only": only, "limit": CANDIDATES, "kinds": list(kinds or HANDLERS)},
        )
        return cursor.fetchall()


_MARK = """
    UPDATE billing_attempt
       SET claim = gen_random_uuid(), fence = fence + 1, tries = tries + 1, called = true,
           lease_until = clock_timestamp() + %(lease)s * interval '1 second',
           next_try_at = clock_timestamp() + %(lease)s * interval '1 second',
           first_called_at = coalesce(first_called_at, clock_timestamp()),
           last_called_at = CASE WHEN %(calls)s THEN clock_timestamp() ELSE last_called_at END
     WHERE id = %(id)s RETURNING claim
"""


def _claim(attempt_id: int, kind: str, target_id: int, actor: Actor, at: datetime) -> Claimed | None:
    """Lock subject and attempt, ask the last gate, and mark the attempt as ours; None when a rival has it or it may not leave."""
    started = time.monotonic()
    handler = HANDLERS[kind]
    target = handler.lock(target_id, skip=True)
    if target is None:
        return None
    row = _lock_due(attempt_id)
    if row is None or not registry.is_set_up(row.gateway):
        return None
    why_not = "" if row.called else (_altered(row) or handler.why_not(target, row, actor, at))
    if why_not:
        transition(ATTEMPT, row, AttemptStatus.CANCELED, actor=actor, at=at, reason=why_not)
        Attempt.objects.filter(pk=row.pk).update(next_try_at=None, reason=why_not)
        return None

    asked_before, may_repeat, surely_over = _ages(row)
    with connection.cursor() as cursor:
        cursor.execute(_MARK, {"id": row.pk, "lease": settings.LEASE_SECONDS, "calls": may_repeat})
        claim = cursor.fetchone()[0]
    if row.status == AttemptStatus.READY:
        transition(ATTEMPT, row, AttemptStatus.CALLING, actor=actor, at=at)
    failpoint("gateway_in_claim")
    return Claimed(row, claim, asked_before, may_repeat, surely_over, started + CALL_WITHIN * settings.LEASE_SECONDS)


def _lock_due(attempt_id: int) -> Attempt | None:
    rows = Attempt.objects.raw(
        """SELECT * FROM billing_attempt WHERE id = %s AND status IN ('ready', 'calling', 'unknown')
              AND next_try_at <= clock_timestamp() FOR UPDATE SKIP LOCKED""",
        [attempt_id],
    )
    return next(iter(rows), None)


def _altered(row: Attempt) -> str:
    return "" if fingerprint(row.request) == row.request_hash else "The attempt is not what was put on record."


def _ages(row: Attempt) -> tuple[bool, bool, bool]:
    """Return (a call may have left, the provider still knows the key, the last call is over for certain), by the database clock."""
    if not row.called:
        return False, True, False
    gateway = registry.gateway_named(row.gateway)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT first_called_at + %s * interval '1 second' > clock_timestamp(),
                      last_called_at + %s * interval '1 second' < clock_timestamp() FROM billing_attempt WHERE id = %s""",
            [gateway.key_life_seconds, settings.LEASE_SECONDS + gateway.visibility_lag_seconds, row.pk],
        )
        may_repeat, over = cursor.fetchone()
    return True, may_repeat, over


def lock_claimed(claimed: Claimed) -> Attempt | None:
    """Lock a claimed attempt, or answer None when it is no longer this worker's: the fence. The caller has locked the subject."""
    row = Attempt.objects.select_for_update().get(pk=claimed.attempt.pk)
    return row if row.claim == claimed.claim and row.status in OPEN_ATTEMPTS else None


def close_answered(row: Attempt, answer: Answer, *, actor: Actor, at: datetime) -> None:
    """Close a locked attempt with what was answered."""
    transition(ATTEMPT, row, AttemptStatus.ANSWERED, actor=actor, at=at, code=answer.code[:60], reason=answer.detail)
    Attempt.objects.filter(pk=row.pk).update(
        outcome=answer.outcome, code=answer.code[:100], reason=answer.detail, provider_ref=answer.provider_ref, claim=None,
        lease_until=None, next_try_at=None, answered_at=at,
    )  # fmt: skip


def close_absent(row: Attempt, *, actor: Actor, at: datetime, reason: str) -> None:
    """Close a locked attempt of which it is proved that it never arrived."""
    transition(ATTEMPT, row, AttemptStatus.ABSENT, actor=actor, at=at, reason=reason)
    Attempt.objects.filter(pk=row.pk).update(claim=None, lease_until=None, next_try_at=None, reason=reason, answered_at=at)


def leave_unknown(row: Attempt, *, actor: Actor, at: datetime, reason: str, code: str = "") -> bool:
    """Note that nobody knows what became of a locked attempt, and ask again after a growing pause; True the first time."""
    first = row.status == AttemptStatus.CALLING
    if first:
        transition(ATTEMPT, row, AttemptStatus.UNKNOWN, actor=actor, at=at, reason=reason, code=code)
    Attempt.objects.filter(pk=row.pk).update(reason=reason, code=code, claim=None, lease_until=None)
    with connection.cursor() as cursor:
        # 5 minutes at most at first, a day at most in the end (Kill Bill's janitor asks at 5 min, 1 h, then daily)
        cursor.execute(
            """UPDATE billing_attempt SET next_try_at = clock_timestamp()
                 + least(%(lease)s * 0.25 * power(2, least(tries, 16)) * (0.75 + random() / 2), 86400) * interval '1 second' WHERE id = %(id)s""",
            {"lease": settings.LEASE_SECONDS, "id": row.pk},
        )
    return first


def give_back(claimed: Claimed, *, actor: Actor, at: datetime) -> None:
    """Give an attempt back that was certainly not sent now; the next worker may send it."""
    with transaction.atomic():
        row = lock_claimed(claimed)
        if row is None:
            return
        if not claimed.asked_before and row.status == AttemptStatus.CALLING:
            transition(ATTEMPT, row, AttemptStatus.READY, actor=actor, at=at, reason="No time was left to call.")
            Attempt.objects.filter(pk=row.pk).update(called=False, claim=None, lease_until=None, first_called_at=None)
        make_due(row.pk)


def make_due(attempt_id: int) -> None:
    """Let a worker take an attempt now, by the database clock."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_attempt SET next_try_at = clock_timestamp() WHERE id = %s", [attempt_id])
