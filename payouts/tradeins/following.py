"""Bring trade-ins in line with the ledger and the payouts: what waited becomes available, what a payout paid is paid, what came back is owed again."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.transactions import composable, durable
from payouts.runs.models import Payout
from payouts.runs.states import PayoutStatus
from payouts.sellers.queries import lock_sellers
from payouts.tradeins import money, queries
from payouts.tradeins.inspecting import settle_set_off
from payouts.tradeins.models import TradeIn
from payouts.tradeins.states import TradeInStatus
from payouts.tradeins.telling import move, tell_trade_in

_CHUNK = 200


@durable
def follow_trade_ins(*, actor: Actor, at: datetime) -> dict[str, int]:
    """Do what is due of all trade-ins, some at a time; answers how many matured, were paid, and came back. A second call finds nothing.

    Tells `trade_in.paid`, and `trade_in.accepted` (code: the bank's reason) for one whose payment came back.
    """
    counts = {"matured": 0, "paid": 0, "came_back": 0}
    while ids := queries.due(at, _CHUNK):
        counts["matured"] += _mature(ids, actor, at)
    while ids := queries.sent_back_by_banks(_CHUNK):
        counts["came_back"] += _owe_again(ids, actor, at)
    last = 0
    while ids := queries.accepted_after(last, _CHUNK):
        counts["paid"] += _pay(ids, actor, at)
        last = ids[-1]
    return counts


def _lock(ids: list[int], **still: object) -> list[TradeIn]:
    """Lock the consumers, then their trade-ins, in id order; those a rival moved meanwhile are left out."""
    owners = TradeIn.objects.filter(pk__in=ids).values_list("consumer_id", flat=True)
    consumers = {one.pk: one for one in lock_sellers(owners)}
    rows = list(TradeIn.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=ids, **still).order_by("pk"))
    for row in rows:
        row.consumer = consumers[row.consumer_id]
    return rows


@composable
def _mature(ids: list[int], actor: Actor, at: datetime) -> int:
    rows = _lock(ids, pending_minor__gt=0)
    for row in rows:
        payable = money.book_matured(row, actor=actor, at=at)
        row.pending_minor = 0
        row.save(update_fields=["pending_minor"])
        tell_trade_in("trade_in.available", row, at)
        settle_set_off(row, payable, actor=actor, at=at)
    return len(rows)


@composable
def _pay(ids: list[int], actor: Actor, at: datetime) -> int:
    paid = {pk: one for pk, one in queries.carried_by(ids).items() if one.status == PayoutStatus.PAID}
    rows = _lock(list(paid), status=TradeInStatus.ACCEPTED) if paid else []
    for row in rows:
        payout = Payout.objects.get(pk=paid[row.pk].payout_id)
        if payout.status == PayoutStatus.PAID:
            move(row, TradeInStatus.PAID, actor=actor, at=at, payout=payout, paid_at=payout.paid_at)
    return len(rows)


@composable
def _owe_again(ids: list[int], actor: Actor, at: datetime) -> int:
    rows = _lock(ids, status=TradeInStatus.PAID)
    for row in rows:
        back = Payout.objects.get(trade_ins=row)
        move(
            row,
            TradeInStatus.ACCEPTED,
            actor=actor,
            at=at,
            code=back.status_code,
            reason=back.status_reason,
            payout=None,
            paid_at=None,
        )
    return len(rows)
