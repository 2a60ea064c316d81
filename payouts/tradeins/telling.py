"""What every verb of this room does last: write the columns, append the history, tell the partner."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from payouts.tradeins.models import TradeIn
from payouts.tradeins.states import TRADE_IN


def move(row: TradeIn, to: str, *, actor: Actor, at: datetime, code: str = "", reason: str = "", **columns: Any) -> None:
    """Move a locked trade-in and write what goes with it. Tells `trade_in.<state>`. Refuses: MoveNotAllowed."""
    for name, value in (columns | {"code": code[:60], "reason": reason}).items():
        setattr(row, name, value)
    before = row.status
    # the columns first: what is bought has its instant when it becomes so
    row.save(update_fields=[*columns, "code", "reason"])
    transition(TRADE_IN, row, to, actor=actor, at=at, code=code[:60], reason=reason)
    tell_trade_in(f"trade_in.{to}", row, at, before=str(before))


def tell_trade_in(event: str, row: TradeIn, at: datetime, **more: Any) -> None:
    payload = {
        "consumer": row.consumer.public_id,
        "external_id": row.external_id,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "status": str(row.status),
        "code": row.code,
    }
    tell(event, subject=row.public_id, payload=payload | more, at=at, partner_id=row.partner_id)
