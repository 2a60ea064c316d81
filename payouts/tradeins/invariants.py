"""Truth 6 for trade-ins: the price of each stands in the books once, and is taken back at most once."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(
    6,
    "trade_ins_posted_once",
    "Every trade-in that was accepted is posted exactly once with its price, and taken back at most once.",
)
def trade_ins_posted_once() -> Rows:
    # what was bought, or was and went back, has one posting each way; what never was has none
    return rows_of(
        """SELECT t.public_id AS trade_in, t.status, t.amount_minor, coalesce(b.bought, 0) AS bought, coalesce(b.back, 0) AS taken_back,
                  coalesce(b.bought_minor, 0) AS bought_minor, coalesce(b.back_minor, 0) AS taken_back_minor
             FROM payouts_tradein t
             LEFT JOIN (SELECT p.source_id, count(*) FILTER (WHERE p.template = 'trade_in') AS bought,
                               count(*) FILTER (WHERE p.template = 'trade_in_withdrawn') AS back,
                               sum(e.amount_minor) FILTER (WHERE p.template = 'trade_in')::bigint AS bought_minor,
                               -sum(e.amount_minor) FILTER (WHERE p.template = 'trade_in_withdrawn')::bigint AS back_minor
                          FROM payouts_account a JOIN payouts_entry e ON e.account_id = a.id JOIN payouts_posting p ON p.id = e.posting_id
                         WHERE a.code = 'purchase.trade_in' GROUP BY 1) b ON b.source_id = t.id
            WHERE coalesce(b.bought, 0) <> (t.status IN ('accepted', 'paid', 'withdrawn'))::int
               OR coalesce(b.back, 0) <> (t.status = 'withdrawn')::int
               OR coalesce(b.bought_minor, 0) <> CASE WHEN t.status IN ('accepted', 'paid', 'withdrawn') THEN t.amount_minor ELSE 0 END
               OR coalesce(b.back_minor, 0) <> CASE WHEN t.status = 'withdrawn' THEN t.amount_minor ELSE 0 END"""
    )


@truth(6, "trade_in_postings_have_trade_in", "No posting of a trade-in is without it, or on somebody else's account.")
def trade_in_postings_have_trade_in() -> Rows:
    return rows_of(
        """SELECT p.id AS posting_id FROM payouts_posting p LEFT JOIN payouts_tradein t ON t.id = p.source_id
            WHERE p.template IN ('trade_in', 'trade_in_matured', 'trade_in_withdrawn')
              AND (p.source_kind <> 'trade_in' OR t.id IS NULL OR EXISTS (
                   SELECT 1 FROM payouts_entry e JOIN payouts_account a ON a.id = e.account_id
                    WHERE e.posting_id = p.id AND a.code <> 'purchase.trade_in' AND a.holder_id <> t.consumer_id))"""
    )
