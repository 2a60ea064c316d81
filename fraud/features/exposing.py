"""What a seller could cost us now, in one currency: read from balances and open disputes, in one statement."""

from __future__ import annotations

from typing import Any

from backoffice.kit.statements import one_row

# Over for good; everything else may still cost the seller its amount.
_OVER = ["won", "lost", "prevented", "warning_closed"]
_STANDING = """
SELECT coalesce(sum(b.amount_minor * b.normal_sign) FILTER (WHERE a.code = 'seller.pending'), 0)::bigint,
       coalesce(sum(b.amount_minor * b.normal_sign) FILTER (WHERE a.code = 'seller.available'), 0)::bigint,
       coalesce(sum(b.amount_minor * b.normal_sign) FILTER (WHERE a.code = 'seller.in_payout'), 0)::bigint,
       coalesce(sum(b.amount_minor * b.normal_sign) FILTER (WHERE a.code = 'seller.reserved'), 0)::bigint,
       coalesce(sum(b.amount_minor * b.normal_sign) FILTER (WHERE a.code = 'seller.advance'), 0)::bigint,
       coalesce(sum(b.amount_minor * b.normal_sign) FILTER (WHERE a.code = 'receivable.seller_debt'), 0)::bigint,
       (SELECT coalesce(sum(d.amount_minor), 0)::bigint FROM billing_dispute d
         WHERE d.seller_id = %(seller)s AND d.currency = %(currency)s AND d.status <> ALL(%(over)s::text[]) AND d.status <> 'early_warning')
  FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
 WHERE a.holder_id = %(seller)s AND a.currency = %(currency)s"""


def exposure(seller_id: int, currency: str) -> dict[str, Any]:
    """Return the features of source `exposure`, in minor units of one currency; amounts of others do not count."""
    facts: dict[str, Any] = {"seller": seller_id, "currency": currency, "over": _OVER}
    pending, available, in_payout, reserved, advances, owed, disputed = one_row(_STANDING, facts) or (0,) * 7
    unsettled = pending + max(available, 0) + in_payout
    debt = max(-available, 0) + owed
    return {
        "exposure.unsettled_minor": unsettled,
        "exposure.disputed_minor": disputed,
        "exposure.debt_minor": debt,
        "exposure.advances_minor": advances,
        "exposure.reserved_minor": reserved,
        "exposure.total_minor": unsettled + disputed + debt + advances - reserved,
    }
