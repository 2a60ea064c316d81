"""Take a trade-in back after it was accepted: the device turns out to be locked, stolen, or another one."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.runs.states import PayoutStatus
from payouts.tradeins import money, queries
from payouts.tradeins.locks import ReasonMissing, lock_trade_in
from payouts.tradeins.models import TradeIn
from payouts.tradeins.states import BOUGHT, TradeInStatus
from payouts.tradeins.telling import move


class TradeInNotBought(Refusal):
    code = "trade_in_not_bought"
    sentence = "The trade-in {trade_in} is {state}; only one that was accepted can be taken back."


class TradeInOnItsWay(Refusal):
    code = "trade_in_on_its_way"
    sentence = (
        "The money stands in the payout {payout}, which is {state}. Cancel that payout first, or wait until it has arrived."
    )


class OnlyAPersonWithdraws(Refusal):
    code = "only_a_person_withdraws"
    sentence = "Only a person can take back what was bought."


@composable
def withdraw_trade_in(*, trade_in_id: int, reason: str, actor: Actor, at: datetime) -> TradeIn:
    """Take back an accepted or paid trade-in: the price leaves what waits or is available; what was paid already is owed to us.

    Tells `trade_in.withdrawn`. Refuses: NotFound, OnlyAPersonWithdraws, ReasonMissing, TradeInNotBought, TradeInOnItsWay.
    """
    if not actor.is_person:
        raise OnlyAPersonWithdraws()
    row = lock_trade_in(trade_in_id)
    if not reason.strip():
        raise ReasonMissing()
    if row.status not in BOUGHT:
        raise TradeInNotBought(trade_in=row.public_id, state=row.get_status_display())
    carried = queries.carried_by([row.pk]).get(row.pk)
    if carried is not None and queries.is_open(carried):
        raise TradeInOnItsWay(payout=carried.payout, state=PayoutStatus(carried.status).label)

    owed = money.book_withdrawn(row, actor=actor, at=at, reason=reason)
    move(row, TradeInStatus.WITHDRAWN, actor=actor, at=at, code="withdrawn", reason=reason, pending_minor=0, ended_at=at)
    audit.record(actor, "trade_in.withdraw", row.public_id, at, reason, {"amount_minor": row.amount_minor, "owed_minor": owed})
    return row
