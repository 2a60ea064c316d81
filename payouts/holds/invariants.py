"""Truth 5, second half: reserved money is exactly what live holds and reserves still keep."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth


@truth(5, "reserved_equals_holds", "seller.reserved is the sum of what live holds and reserves still keep.")
def reserved_equals_holds() -> list[dict[str, Any]]:
    return rows_of(
        """SELECT coalesce(a.holder_id, h.seller_id) AS seller_id, coalesce(a.currency, h.currency) AS currency,
                  coalesce(-b.amount_minor, 0) AS ledger, coalesce(h.kept, 0)::bigint AS holds
             FROM (payouts_account a JOIN payouts_balance b ON b.account_id = a.id AND a.code = 'seller.reserved')
             FULL JOIN (SELECT seller_id, currency, sum(remaining_minor) AS kept FROM payouts_hold
                         WHERE remaining_minor <> 0 GROUP BY 1, 2) h ON h.seller_id = a.holder_id AND h.currency = a.currency
            WHERE coalesce(-b.amount_minor, 0) <> coalesce(h.kept, 0)"""
    )
