"""Reserved money of a sale pays for that sale's own refund: the plug of holds into the socket of earnings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.states import transition_set
from payouts.earnings.gates import ReserveUse, reserve_of_sale
from payouts.earnings.models import EarningKind
from payouts.holds.models import Hold
from payouts.holds.states import HOLD, HoldState, ReleaseReason


def kept(earning_ids: Sequence[int]) -> dict[int, int]:
    """Return {earning_id: minor units still reserved of it}; the holds stay locked until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT earning_id, sum(remaining_minor)::bigint
                 FROM (SELECT earning_id, remaining_minor FROM payouts_hold
                        WHERE earning_id = ANY(%s) AND state = 'active' ORDER BY id FOR UPDATE) AS held
                GROUP BY 1""",
            [list(earning_ids)],
        )
        return dict(cursor.fetchall())


def use(uses: Sequence[ReserveUse], actor: Actor, at: datetime) -> None:
    """Write down what refunds and disputes took, the oldest hold first; an emptied hold is consumed. The refund's own posting moves the money."""
    holds = list(
        Hold.objects.select_for_update()
        .filter(earning_id__in={one.earning_id for one in uses}, state=HoldState.ACTIVE)
        .order_by("pk")
    )
    by_sale: dict[int | None, list[Hold]] = {}
    for hold in holds:
        by_sale.setdefault(hold.earning_id, []).append(hold)
    emptied: dict[ReleaseReason, list[int]] = {}
    for one in uses:
        why = ReleaseReason.CONSUMED_BY_REFUND if one.by_kind != EarningKind.CHARGEBACK else ReleaseReason.CONSUMED_BY_DISPUTE
        left = one.amount_minor
        for hold in by_sale.get(one.earning_id, []):
            part = min(left, hold.remaining_minor)
            if part:
                left -= part
                hold.remaining_minor -= part
                if not hold.remaining_minor:
                    hold.release_reason, hold.released_at = str(why), at
                    emptied.setdefault(why, []).append(hold.pk)
        if left:
            raise AssertionError(f"{left} more was taken from the reserve of earning {one.earning_id} than it held.")
    Hold.objects.bulk_update(holds, ["remaining_minor", "release_reason", "released_at"], batch_size=1_000)
    for reason, ids in emptied.items():
        transition_set(
            HOLD, "SELECT unnest(%(ids)s::bigint[]) AS id", {"ids": ids}, HoldState.CONSUMED, actor=actor, at=at, code=reason
        )


def plug_in() -> None:
    reserve_of_sale.plug(kept, use)
