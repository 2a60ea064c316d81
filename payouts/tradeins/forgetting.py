"""When the law lets a consumer go, so do the serial numbers: they tell whose telephone it was. Prices and dates stay: they are books."""

from __future__ import annotations

from backoffice.kit.outbox import Event
from payouts.tradeins.models import TradeIn


def forget_serials(event: Event) -> None:
    """Consume `seller.data_erased`: forget the serial numbers of what the consumer sold to us."""
    TradeIn.objects.filter(consumer__public_id=event.subject).exclude(serial_index="").update(serial="", serial_index="")
