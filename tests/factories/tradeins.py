"""Consumers and the devices they sell us, made through the same verbs as everything else."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

from backoffice.kit.actors import staff, system
from payouts.sellers.models import Seller
from payouts.tradeins.models import TradeIn
from payouts.tradeins.operations import accept_trade_in, agree_trade_in
from tests.factories.runs import AT
from tests.factories.sellers import make_payee, make_seller

CLERK, LEAD = staff(910_001), staff(910_002)
FOLLOWER = system("test-follower")
_numbers = itertools.count(1)


def make_consumer(*, payee: bool = True, **over: Any) -> Seller:
    """Return a consumer verified elsewhere, with an account unless said otherwise."""
    number = next(_numbers)
    wanted: dict[str, Any] = {"entity_type": "consumer", "legal_name": f"Camille Petit {number}", "tier": "consumer"}
    consumer = make_seller(**wanted | over)
    if payee:
        make_payee(consumer)
    return consumer


def make_trade_in(consumer: Seller | None = None, amount_minor: int = 20_000, *, at: datetime = AT, **over: Any) -> TradeIn:
    """Return a trade-in that was agreed on."""
    number = next(_numbers)
    wanted: dict[str, Any] = {
        "consumer_id": (consumer or make_consumer()).pk, "external_id": f"buyback-{number}", "device": "iPhone 13 128 GB",
        "order_ref": f"BB-{number}", "amount_minor": amount_minor, "currency": "EUR", "actor": CLERK, "key": f"trade-in:{number}", "at": at,
    }  # fmt: skip
    return agree_trade_in(**wanted | over)


def make_accepted(consumer: Seller | None = None, amount_minor: int = 20_000, *, at: datetime = AT, **over: Any) -> TradeIn:
    """Return a trade-in whose price is owed."""
    row = make_trade_in(consumer, amount_minor, at=at, **over)
    return accept_trade_in(trade_in_id=row.pk, actor=CLERK, at=at)
