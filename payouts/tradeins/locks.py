"""The order of locks: the consumer, its balances, the trade-in."""

from __future__ import annotations

from backoffice.kit.errors import InputError, NotFound
from payouts.sellers.queries import lock_seller
from payouts.tradeins.models import TradeIn


class ReasonMissing(InputError):
    code = "reason_missing"
    sentence = "Give a reason: it is kept in the history, and the consumer may ask for it."


def lock_trade_in(trade_in_id: int) -> TradeIn:
    """Lock the consumer, then one of its trade-ins, until the transaction ends. Refuses: NotFound."""
    consumer_id = TradeIn.objects.filter(pk=trade_in_id).values_list("consumer_id", flat=True).first()
    if consumer_id is None:
        raise NotFound(what="trade-in", ref=trade_in_id)
    consumer = lock_seller(consumer_id)
    row = TradeIn.objects.select_for_update(no_key=True, of=("self",)).get(pk=trade_in_id)
    row.consumer = consumer
    return row
