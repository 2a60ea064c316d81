"""Record what a rail answered, under the fence: a worker whose claim was taken over writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TypeGuard

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from backoffice.kit.actors import Actor, rail
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from payouts.dispatch import last_gate
from payouts.dispatch.claims import Claimed
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.orders import create_orders
from payouts.dispatch.outcomes import Outcome, Told, apply_outcomes, lock_orders, record_sent
from payouts.dispatch.states import ORDER, OrderStatus
from payouts.dispatch.stopping import stop_payouts
from payouts.rails import registry
from payouts.rails.port import Absent, Accepted, LookUp, Present, Refused, Unknown
from payouts.runs.models import PayoutRun

logger = logging.getLogger(__name__)

declare("in_record", "in_record_absent")

# An attempt that provably never arrived is made again once by itself; from the third on a person decides.
AUTOMATIC_ATTEMPTS = 2
# Unknown outcomes are asked about after a quarter of a lease, then ever more rarely, up to this many leases.
PAUSE_MAX_LEASES = 8.0
NEEDS_A_PERSON = "needs_a_person"
OPEN = (OrderStatus.SENDING, OrderStatus.UNKNOWN)


def record_results(
    results: Sequence[tuple[Claimed, Accepted | Refused | Unknown | Present | Absent]], *, actor: Actor | None, at: datetime
) -> None:
    """Record a wave: what was accepted in one transaction, everything else one by one."""
    accepted = [(one, found) for one, found in results if _is_accepted(found)]
    others = [(one, found) for one, found in results if not _is_accepted(found)]
    if accepted:
        try:
            _record_accepted(accepted, actor, at)
        except IntegrityError:
            logger.exception("a wave of %s could not be recorded together; recording one by one", len(accepted))
            others = [*accepted, *others]
    for one, found in others:
        try:
            _record_one(one, found, actor or rail(one.rail), at)
        except IntegrityError as error:
            _record_strange(one, f"It could not be recorded: {str(error).splitlines()[0][:200]}", actor or rail(one.rail), at)


def _is_accepted(found: object) -> TypeGuard[Accepted | Present]:
    return isinstance(found, Accepted) or (isinstance(found, Present) and found.status in ("accepted", "settled", "returned"))


def _record_accepted(pairs: Sequence[tuple[Claimed, Accepted | Present]], actor: Actor | None, at: datetime) -> None:
    refs = {one.order_id: found.provider_ref for one, found in pairs}
    with transaction.atomic():
        rows = _mine([one for one, _ in pairs])
        wrong = {one.order_id for one, found in pairs if isinstance(found, Present) and _amount_differs(one, found)}
        rows = [row for row in rows if row.pk not in wrong]
        _write_refs([(row.pk, refs[row.pk]) for row in rows])
        record_sent(rows, actor=actor or rail("dispatch"), at=at)
    for one, _ in pairs:
        if one.order_id in wrong:
            _record_strange(one, "The rail has it with another amount.", actor or rail(one.rail), at)


def _amount_differs(one: Claimed, found: Present) -> bool:
    return found.amount_minor is not None and found.amount_minor != one.instruction.amount_minor


def _write_refs(refs: Sequence[tuple[int, str]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE payouts_paymentorder o SET provider_ref = r.ref
                 FROM unnest(%s::bigint[], %s::text[]) AS r(id, ref) WHERE o.id = r.id""",
            [[order_id for order_id, _ in refs], [ref for _, ref in refs]],
        )


def _mine(claimed: Sequence[Claimed]) -> list[PaymentOrder]:
    """Lock the orders and return those that are still this worker's: the fence."""
    rows = lock_orders([one.order_id for one in claimed], with_sellers=False)
    return _fenced(rows, claimed)


def _fenced(rows: Sequence[PaymentOrder], claimed: Sequence[Claimed]) -> list[PaymentOrder]:
    claims = {one.order_id: one.claim for one in claimed}
    held = dict(PaymentOrder.objects.filter(pk__in=claims).values_list("pk", "claim"))
    mine = [row for row in rows if row.status in OPEN and held[row.pk] == claims[row.pk]]
    if len(mine) < len(claims):
        logger.info("%s late answers dropped: somebody else owns the orders by now", len(claims) - len(mine))
    return mine


def _record_one(one: Claimed, found: Accepted | Refused | LookUp, actor: Actor, at: datetime) -> None:
    match found:
        case Accepted() | Present(status="accepted" | "settled" | "returned"):
            _record_accepted([(one, found)], actor, at)
        case Refused(code=code, raw_code=raw, reason=reason) | Present(status="refused", code=code, raw_code=raw, reason=reason):
            _record_refused(one, code, raw, reason, actor, at)
        case Absent():
            _record_absent(one, actor, at)
        case Present(reason=reason):
            _record_unknown(one, reason or "The rail's status is not in the mapping table.", actor, at)
        case Unknown(reason=reason):
            _record_unknown(one, reason, actor, at)


def _record_refused(one: Claimed, code: str, raw: str, reason: str, actor: Actor, at: datetime) -> None:
    with transaction.atomic():
        rows = _fenced(lock_orders([one.order_id], with_sellers=True), [one])
        if rows:
            apply_outcomes([Outcome(one.order_id, Told.REJECTED, at.date(), "", code, raw, reason)], actor=actor, at=at)


def _record_unknown(one: Claimed, reason: str, actor: Actor, at: datetime, code: str = "") -> None:
    with transaction.atomic():
        for row in _mine([one]):
            _to_unknown(row, reason, code, actor, at)
            _ask_again(row.pk)


def _to_unknown(row: PaymentOrder, reason: str, code: str, actor: Actor, at: datetime) -> None:
    if row.status == OrderStatus.SENDING:
        transition(ORDER, row, OrderStatus.UNKNOWN, actor=actor, at=at, code=code, reason=reason)
    PaymentOrder.objects.filter(pk=row.pk).update(code=code, reason=reason, claim=None, lease_until=None)


def _record_strange(one: Claimed, reason: str, actor: Actor, at: datetime) -> None:
    """What contradicts our own books waits for a person and is not asked about any more."""
    with transaction.atomic():
        for row in _mine([one]):
            _to_unknown(row, reason, NEEDS_A_PERSON, actor, at)
            PaymentOrder.objects.filter(pk=row.pk).update(next_try_at=None)
            tell("payment_order.needs_a_person", subject=row.public_id, payload={"reason": reason}, at=at)


def _ask_again(order_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE payouts_paymentorder
                  SET next_try_at = clock_timestamp()
                      + %(lease)s * least(%(max)s, 0.25 * power(2, least(tries, 10)) * (0.75 + random() / 2)) * interval '1 second'
                WHERE id = %(order)s""",
            {"lease": settings.LEASE_SECONDS, "max": PAUSE_MAX_LEASES, "order": order_id},
        )


def _record_absent(one: Claimed, actor: Actor, at: datetime) -> None:
    """Absence is proof only when the last call's lease is over and the rail's visibility lag has passed as well; then the next attempt."""
    lag = registry.call_rail(one.rail).capabilities.visibility_lag_seconds
    with transaction.atomic():
        for row in _fenced(lock_orders([one.order_id], with_sellers=True), [one]):
            if not _surely_absent(row.pk, lag):
                _to_unknown(row, "The rail does not know it; too early to be sure.", "", actor, at)
                _ask_after_lag(row.pk, lag)
            elif PaymentOrder.objects.get(pk=row.pk).attempt >= AUTOMATIC_ATTEMPTS:
                reason = "It never arrived, for the second time; a person decides about a third attempt."
                _to_unknown(row, reason, NEEDS_A_PERSON, actor, at)
                PaymentOrder.objects.filter(pk=row.pk).update(next_try_at=None)
                tell("payment_order.needs_a_person", subject=row.public_id, payload={"reason": reason}, at=at)
            else:
                try_again(row, actor=actor, at=at, reason="The rail has never seen it; its time is over.")
                failpoint("in_record_absent")


def try_again(row: PaymentOrder, *, actor: Actor, at: datetime, reason: str) -> list[int]:
    """Close a locked attempt as absent and make the next one, with a new key; sellers are locked. What may not leave any more is stopped."""
    transition(ORDER, row, OrderStatus.ABSENT, actor=actor, at=at, reason=reason)
    PaymentOrder.objects.filter(pk=row.pk).update(claim=None, lease_until=None, next_try_at=None, reason=reason)
    stops = last_gate.stops_for([row.payout_id], at=at)
    try:
        last_gate.check_approval(PayoutRun.objects.get(payouts=row.payout_id), at=at)
    except last_gate.ApprovalNotGood as refusal:
        stops[row.payout_id] = last_gate.Stop(last_gate.HOLD, refusal.code, str(refusal))
    if stops:
        stop_payouts(stops, actor=actor, at=at)
        return []
    return create_orders([row.payout_id], actor=actor, at=at)


def _surely_absent(order_id: int, lag_seconds: float) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT last_called_at + %s * interval '1 second' < clock_timestamp() FROM payouts_paymentorder WHERE id = %s""",
            [settings.LEASE_SECONDS + lag_seconds, order_id],
        )
        return bool(cursor.fetchone()[0])


def _ask_after_lag(order_id: int, lag_seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE payouts_paymentorder SET next_try_at = greatest(last_called_at + %(wait)s * interval '1 second', clock_timestamp())
                WHERE id = %(order)s""",
            {"wait": settings.LEASE_SECONDS + lag_seconds, "order": order_id},
        )


def record_not_called(claimed: Sequence[Claimed], *, actor: Actor, at: datetime) -> None:
    """Give orders back that were never sent: no call left, so the next worker may send them."""
    for one in claimed:
        with transaction.atomic():
            for row in _mine([one]):
                if row.status == OrderStatus.SENDING and not one.ask_only:
                    transition(ORDER, row, OrderStatus.APPROVED, actor=actor, at=at, reason="No time was left to call.")
                    with connection.cursor() as cursor:
                        cursor.execute(
                            """UPDATE payouts_paymentorder SET called = false, claim = NULL, lease_until = NULL,
                                      next_try_at = now() WHERE id = %s""",
                            [row.pk],
                        )
