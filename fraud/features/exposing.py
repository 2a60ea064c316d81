"""What a seller could cost us now, in one currency: read from balances and open disputes, in two statements."""

from __future__ import annotations

from typing import Any

from django.db import connection

# Over for good; everything else may still cost the seller its amount.
_OVER = ["won", "lost", "prevented", "warning_closed"]
_BALANCES = """
SELECT a.code, sum(b.amount_minor * b.normal_sign)::bigint
  FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
 WHERE a.holder_id = %(seller)s AND a.currency = %(currency)s AND a.code = ANY(%(codes)s) GROUP BY 1"""
_DISPUTED = """
SELECT coalesce(sum(amount_minor), 0)::bigint FROM billing_dispute
 WHERE seller_id = %(seller)s AND currency = %(currency)s AND status <> ALL(%(over)s) AND status <> 'early_warning'"""
_CODES = [f"seller.{bucket}" for bucket in ("pending", "available", "in_payout", "reserved", "advance")] + [
    "receivable.seller_debt"
]


def exposure(seller_id: int, currency: str) -> dict[str, Any]:
    """Return the features of source `exposure`, in minor units of one currency; amounts of others do not count."""
    facts: dict[str, Any] = {"seller": seller_id, "currency": currency, "codes": _CODES, "over": _OVER}
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES, facts)
        found: dict[str, int] = dict(cursor.fetchall())
        cursor.execute(_DISPUTED, facts)
        (disputed,) = cursor.fetchone()
    available = found.get("seller.available", 0)
    unsettled = found.get("seller.pending", 0) + max(available, 0) + found.get("seller.in_payout", 0)
    debt = max(-available, 0) + found.get("receivable.seller_debt", 0)
    advances, reserved = found.get("seller.advance", 0), found.get("seller.reserved", 0)
    return {
        "exposure.unsettled_minor": unsettled,
        "exposure.disputed_minor": int(disputed),
        "exposure.debt_minor": debt,
        "exposure.advances_minor": advances,
        "exposure.reserved_minor": reserved,
        "exposure.total_minor": unsettled + int(disputed) + debt + advances - reserved,
    }
