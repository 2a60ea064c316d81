"""Let money go: one set of holds at a time, debt repaid first, each with the reason why it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.outbox import tell_set
from backoffice.kit.states import transition, transition_set
from backoffice.kit.transactions import composable, durable
from payouts.earnings.allocation import Purse
from payouts.earnings.bulk import Postings
from payouts.earnings.purses import lock_purses, lock_seller_rows
from payouts.holds import conditions
from payouts.holds.models import Hold, PlanKind, ReservePlan
from payouts.holds.states import HOLD, PLAN, HoldState, PlanState, ReleaseReason
from payouts.ledger.templates import Leg, seller

CHUNK = 5_000
_RELEASED = "SELECT unnest(%(ids)s::bigint[]) AS id"
_TOLD = """SELECT h.public_id, jsonb_build_object('seller', s.public_id, 'amount_minor', u.amount, 'currency', h.currency,
                  'kind', h.kind, 'release_reason', h.release_reason), s.partner_id
             FROM unnest(%(ids)s::bigint[], %(amounts)s::bigint[]) AS u(id, amount)
             JOIN payouts_hold h USING (id) JOIN payouts_seller s ON s.id = h.seller_id"""


@composable
def release_set(*, hold_ids: Sequence[int], release_reason: str, actor: Actor, at: datetime, reason: str = "") -> list[int]:
    """Release these holds as far as they are still active; return the ids of those that were.

    What is released first repays the seller's debt, the rest becomes available. Tells `hold.released` for each.
    """
    owners = Hold.objects.filter(pk__in=hold_ids).values_list("seller_id", flat=True).distinct()
    purses = lock_purses(lock_seller_rows(owners))
    holds = list(Hold.objects.select_for_update().filter(pk__in=hold_ids, state=HoldState.ACTIVE).order_by("pk"))
    if not holds:
        return []

    ids, amounts = [hold.pk for hold in holds], [hold.remaining_minor for hold in holds]
    Hold.objects.filter(pk__in=ids).update(
        remaining_minor=0, release_reason=release_reason, released_at=at, changed_by=str(actor)
    )
    moved = transition_set(
        HOLD, _RELEASED, {"ids": ids}, HoldState.RELEASED, actor=actor, at=at, reason=reason, code=release_reason
    )
    if moved != len(ids):
        raise AssertionError(f"{len(ids)} holds were locked as active and {moved} moved.")

    postings = Postings("hold")
    for hold in holds:
        if hold.remaining_minor:
            purse = purses.setdefault((hold.seller_id, hold.currency), Purse(0, 0, 0))
            postings.add("release", hold.public_id, f"{hold.pk}:{hold.remaining_minor}", hold.pk, at, _legs(hold, purse))
    postings.send(actor=actor, at=at, reason=reason)
    tell_set("hold.released", _TOLD, {"ids": ids, "amounts": amounts}, at=at)
    return ids


def _legs(hold: Hold, purse: Purse) -> list[Leg]:
    available, repaid = purse.give(hold.remaining_minor)
    return [
        seller("reserved", hold.seller_id, hold.currency, hold.remaining_minor),
        seller("available", hold.seller_id, hold.currency, -available),
        Leg("receivable.seller_debt", hold.seller_id, "", hold.currency, -repaid),
    ]


@durable
def release_due_holds(*, actor: Actor, at: datetime) -> dict[str, Any]:
    """Release what is due: holds whose time is over, holds whose condition is met; fixed plans whose day has come expire.

    In chunks of a transaction each; a second call at the same instant finds nothing. Answers the counts.
    """
    over = 0
    for ids in _due(at):
        over += len(release_set(hold_ids=ids, release_reason=ReleaseReason.BULK_HOLD_EXPIRY, actor=actor, at=at))
    met = 0
    for hold in Hold.objects.filter(state=HoldState.ACTIVE).exclude(release_condition="").order_by("pk"):
        if conditions.is_met(hold, at):
            sentence = f"condition met: {hold.release_condition}"
            met += len(
                release_set(hold_ids=[hold.pk], release_reason=ReleaseReason.CONDITION_MET, actor=actor, at=at, reason=sentence)
            )
    return {"released": over, "conditions_met": met, "plans_expired": _expire_plans(actor, at)}


def _due(at: datetime) -> Iterator[list[int]]:
    last: tuple[datetime, int] | None = None
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT release_at, id FROM payouts_hold WHERE state = 'active' AND release_at <= %(at)s
                      AND (%(due)s::timestamptz IS NULL OR (release_at, id) > (%(due)s, %(id)s))
                    ORDER BY release_at, id LIMIT %(limit)s""",
                {"at": at, "due": last and last[0], "id": last and last[1], "limit": CHUNK},
            )
            rows = cursor.fetchall()
        if not rows:
            return
        last = rows[-1]
        yield [row[1] for row in rows]


@transaction.atomic
def _expire_plans(actor: Actor, at: datetime) -> int:
    plans = ReservePlan.objects.select_for_update().filter(state=PlanState.ACTIVE, kind=PlanKind.FIXED, release_on__lte=at.date())
    count = 0
    for plan in plans.order_by("pk"):
        transition(PLAN, plan, PlanState.EXPIRED, actor=actor, at=at, reason="its day has come")
        count += 1
    return count
