"""How much one trade-in may cost, and up to how much one person (or a partner's program) may accept for a consumer."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Sum

from backoffice.kit.errors import Refusal
from backoffice.kit.money import Money
from payouts.tradeins.models import TradeIn
from payouts.tradeins.states import TradeInStatus

# What a consumer was promised on one person's word within this time counts together: a limit is not evaded in parts.
_COUNTED = timedelta(days=30)


class TradeInTooDear(Refusal):
    code = "trade_in_too_dear"
    sentence = "A trade-in costs at most {most}; {asked} is more. The limit stands in TRADE_IN_MOST_MINOR."


def check_price(amount: Money) -> None:
    """Refuse a price no device is bought for; a currency without a limit buys none. Refuses: TradeInTooDear."""
    most = Money(int(settings.TRADE_IN_MOST_MINOR.get(amount.currency, 0)), amount.currency)
    if amount.amount_minor > most.amount_minor:
        raise TradeInTooDear(most=most, asked=amount)


def takes_two(row: TradeIn, amount_minor: int, at: datetime) -> bool:
    """Tell whether accepting this price needs a second person; a currency without a limit always does."""
    alone = TradeIn.objects.filter(
        consumer_id=row.consumer_id, currency=row.currency, checker="", accepted_at__gt=at - _COUNTED,
        status__in=[TradeInStatus.ACCEPTED, TradeInStatus.PAID],
    )  # fmt: skip
    earlier = alone.exclude(pk=row.pk).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return int(earlier) + amount_minor > int(settings.TRADE_IN_ALONE_MINOR.get(row.currency, 0))
