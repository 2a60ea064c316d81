"""Truths 4 and 5: payouts, their lines, and where their money stands."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth
from payouts.runs.states import IN_PAYOUT_STATES, PayoutStatus

Rows = list[dict[str, Any]]
_IN_PAYOUT = [str(state) for state in IN_PAYOUT_STATES]
_GONE = [str(PayoutStatus.IN_TRANSIT), str(PayoutStatus.PAID)]


@truth(4, "payout_lines_add_up", "The lines of every payout add up to its amount.")
def payout_lines_add_up() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payout, p.amount_minor, l.total - p.carried_forward_minor + p.brought_forward_minor AS lines
             FROM payouts_payout p
             CROSS JOIN LATERAL (SELECT coalesce(-sum(e.amount_minor), 0)::bigint AS total FROM payouts_entry e
                WHERE e.account_id = p.available_account_id AND e.id > p.lines_after_entry_id AND e.id <= p.lines_upto_entry_id) l
            WHERE l.total + p.brought_forward_minor - p.carried_forward_minor <> p.amount_minor"""
    )


@truth(
    4,
    "payout_money_stands_where_state_says",
    "An open payout's money is in in_payout; a sent or paid one's has left; any other's is back.",
)
def payout_money_stands_where_state_says() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payout, p.status, p.amount_minor, coalesce(m.in_payout, 0)::bigint AS in_payout,
                  coalesce(m.taken, 0)::bigint AS taken_from_available
             FROM payouts_payout p
             LEFT JOIN (SELECT q.source_id,
                               -sum(e.amount_minor) FILTER (WHERE a.code = 'seller.in_payout') AS in_payout,
                               sum(e.amount_minor) FILTER (WHERE a.code IN ('seller.available', 'receivable.seller_debt')) AS taken
                          FROM payouts_posting q JOIN payouts_entry e ON e.posting_id = q.id JOIN payouts_account a ON a.id = e.account_id
                         WHERE q.source_kind = 'payout' GROUP BY 1) m ON m.source_id = p.id
            WHERE coalesce(m.in_payout, 0) <> CASE WHEN p.status = ANY(%(inside)s) THEN p.amount_minor ELSE 0 END
               OR coalesce(m.taken, 0) <> CASE WHEN p.status = ANY(%(inside)s) OR p.status = ANY(%(gone)s) THEN p.amount_minor ELSE 0 END""",
        {"inside": _IN_PAYOUT, "gone": _GONE},
    )


@truth(
    4, "payouts_settled_when_paid", "A paid payout has exactly one settled order; a payout in transit has exactly one live one."
)
def payouts_settled_when_paid() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payout, p.status, count(o.id) AS orders FROM payouts_payout p
             LEFT JOIN payouts_paymentorder o ON o.payout_id = p.id
                  AND o.status = CASE p.status WHEN 'paid' THEN 'completed' ELSE 'sent' END
            WHERE p.status IN ('paid', 'in_transit') GROUP BY p.id HAVING count(o.id) <> 1"""
    )


@truth(4, "run_totals", "A run's count and totals are those of its payouts.")
def run_totals() -> Rows:
    return rows_of(
        """SELECT r.public_id AS run, r.payouts_count, r.totals, x.n AS found, x.totals AS found_totals FROM payouts_payoutrun r
             LEFT JOIN (SELECT run_id, sum(n)::bigint AS n, jsonb_object_agg(currency, total) AS totals
                          FROM (SELECT run_id, currency, count(*) AS n, sum(amount_minor)::bigint AS total
                                  FROM payouts_payout WHERE run_id IS NOT NULL GROUP BY 1, 2) g GROUP BY 1) x ON x.run_id = r.id
            WHERE r.payouts_count <> coalesce(x.n, 0) OR r.totals <> coalesce(x.totals, '{}'::jsonb)"""
    )


@truth(5, "in_payout_equals_open_payouts", "seller.in_payout is the sum of the seller's open payouts in that currency.")
def in_payout_equals_open_payouts() -> Rows:
    return rows_of(
        """SELECT coalesce(a.holder_id, p.seller_id) AS seller_id, coalesce(a.currency, p.currency) AS currency,
                  coalesce(-b.amount_minor, 0) AS ledger, coalesce(p.open, 0)::bigint AS open_payouts
             FROM (payouts_account a JOIN payouts_balance b ON b.account_id = a.id AND a.code = 'seller.in_payout')
             FULL JOIN (SELECT seller_id, currency, sum(amount_minor) AS open FROM payouts_payout
                         WHERE status = ANY(%(inside)s) GROUP BY 1, 2) p ON p.seller_id = a.holder_id AND p.currency = a.currency
            WHERE coalesce(-b.amount_minor, 0) <> coalesce(p.open, 0)""",
        {"inside": _IN_PAYOUT},
    )


@truth(8, "payouts_have_four_eyes", "No payout went past approval without another person's approval of its run.")
def payouts_have_four_eyes() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payout, p.status, p.maker, p.checker FROM payouts_payout p
            WHERE p.status IN ('approved', 'held', 'pending', 'in_transit', 'paid', 'failed', 'returned')
              AND (p.checker = '' OR p.checker = p.maker OR p.checker NOT LIKE 'staff:%')"""
    )
