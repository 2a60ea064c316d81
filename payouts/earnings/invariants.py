"""Truth 6: earnings and postings, one to one; pending money by sale agrees with the pending bucket."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]
EARNING_TEMPLATES = "('sale', 'refund', 'chargeback', 'chargeback_reversal', 'earning_adjustment')"


@truth(6, "earnings_posted_once", "Every accepted earning is posted exactly once, with its own amounts.")
def earnings_posted_once() -> Rows:
    return rows_of(
        f"""SELECT e.public_id AS earning, count(p.id) AS postings FROM payouts_earning e
             LEFT JOIN payouts_posting p ON p.source_kind = 'earning' AND p.source_id = e.id AND p.template IN {EARNING_TEMPLATES}
            WHERE e.gross_minor <> 0 OR e.fee_minor <> 0
            GROUP BY e.id HAVING count(p.id) <> 1"""  # noqa: S608 - a constant
    )


@truth(6, "postings_have_earning", "No earning posting is without its earning.")
def postings_have_earning() -> Rows:
    return rows_of(
        f"""SELECT p.id AS posting_id FROM payouts_posting p LEFT JOIN payouts_earning e ON e.id = p.source_id
            WHERE p.template IN {EARNING_TEMPLATES} AND (p.source_kind <> 'earning' OR e.id IS NULL)"""  # noqa: S608 - own text
    )


@truth(6, "pending_by_sale", "What stands pending by sale and by trade-in is what the ledger holds pending by seller.")
def pending_by_sale() -> Rows:
    return rows_of(
        """SELECT coalesce(a.holder_id, s.seller_id) AS seller_id, coalesce(a.currency, s.currency) AS currency,
                  coalesce(-b.amount_minor, 0) AS ledger, coalesce(s.pending, 0)::bigint AS by_sale
             FROM (payouts_account a JOIN payouts_balance b ON b.account_id = a.id AND a.code = 'seller.pending')
             FULL JOIN (SELECT seller_id, currency, sum(pending_minor) AS pending
                          FROM (SELECT seller_id, currency, pending_minor FROM payouts_earning WHERE pending_minor <> 0
                                 UNION ALL
                                SELECT consumer_id, currency, pending_minor FROM payouts_tradein WHERE pending_minor <> 0) AS waiting
                         GROUP BY 1, 2) s ON s.seller_id = a.holder_id AND s.currency = a.currency
            WHERE coalesce(-b.amount_minor, 0) <> coalesce(s.pending, 0)"""
    )


@truth(6, "rejected_lines_have_reason", "Every rejected line is kept with its code and its reason.")
def rejected_lines_have_reason() -> Rows:
    return rows_of("SELECT public_id, line_no FROM payouts_rejectedline WHERE code = '' OR reason = ''")


@truth(6, "imports_account_for_every_line", "Every line read was accepted, a duplicate, or rejected and kept.")
def imports_account_for_every_line() -> Rows:
    return rows_of(
        """SELECT i.public_id AS import, i.lines_done, i.accepted, i.duplicate, i.rejected
             FROM payouts_earningimport i
            WHERE i.lines_done <> i.accepted + i.duplicate + i.rejected
               OR i.rejected > (SELECT count(*) FROM payouts_rejectedline r WHERE r.batch_id = i.id)"""
    )
