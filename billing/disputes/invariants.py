"""Truths of disputes: every movement is posted once with its amounts, and a claim stands exactly as long as somebody owes it."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(6, "dispute_movements_posted_once", "Every balance transaction of a dispute is posted once, with its own net amount.")
def dispute_movements_posted_once() -> Rows:
    return rows_of(
        """SELECT m.provider_ref AS movement, m.net_minor, e.amount AS posted FROM billing_disputemovement m
             LEFT JOIN payouts_posting p ON p.id = m.posting AND p.template IN ('dispute_withdrawn', 'dispute_reinstated')
                  AND p.key = m.provider || ':' || m.provider_ref
             LEFT JOIN LATERAL (SELECT coalesce(sum(e.amount_minor) FILTER (WHERE a.code = 'psp.clearing'), 0) AS amount
                                  FROM payouts_entry e JOIN payouts_account a ON a.id = e.account_id
                                 WHERE e.posting_id = p.id AND e.currency = m.currency) e ON true
            WHERE p.id IS NULL OR e.amount <> m.net_minor"""
    )


@truth(6, "dispute_postings_have_movement", "No posting of a dispute's movement is without its balance transaction.")
def dispute_postings_have_movement() -> Rows:
    return rows_of(
        """SELECT p.id AS posting_id, p.key FROM payouts_posting p LEFT JOIN billing_disputemovement m ON m.posting = p.id
            WHERE p.template IN ('dispute_withdrawn', 'dispute_reinstated') AND m.id IS NULL"""
    )


@truth(
    2, "dispute_claims_agree", "What stands receivable of a dispute is what was taken, less what came back and what was charged."
)
def dispute_claims_agree() -> Rows:
    return rows_of(
        """SELECT coalesce(a.holder, d.holder) AS dispute, coalesce(a.currency, d.currency) AS currency,
                  coalesce(b.amount_minor, 0) AS ledger, coalesce(d.claim, 0)::bigint AS claim
             FROM (payouts_account a JOIN payouts_balance b ON b.account_id = a.id AND a.code = 'receivable.dispute')
             FULL JOIN (SELECT d.public_id AS holder, m.currency,
                               -sum(m.amount_minor) - max(CASE WHEN d.settled_currency = m.currency THEN d.settled_minor ELSE 0 END) AS claim
                          FROM billing_dispute d JOIN billing_disputemovement m ON m.dispute_id = d.id GROUP BY 1, 2) d
                    ON d.holder = a.holder AND d.currency = a.currency
            WHERE coalesce(b.amount_minor, 0) <> coalesce(d.claim, 0)"""
    )


@truth(
    10,
    "lost_disputes_are_charged",
    "A lost dispute leaves no claim: the seller was charged, or we bear it; no other dispute is charged.",
)
def lost_disputes_are_charged() -> Rows:
    return rows_of(
        """SELECT d.public_id AS dispute, d.status, d.settled_minor, coalesce(m.taken, 0)::bigint AS taken FROM billing_dispute d
             LEFT JOIN (SELECT dispute_id, -sum(amount_minor) AS taken FROM billing_disputemovement GROUP BY 1) m ON m.dispute_id = d.id
            WHERE d.status = 'lost' AND coalesce(m.taken, 0) > 0 AND d.settled_minor <> m.taken OR d.status <> 'lost' AND d.settled_minor <> 0"""
    )


@truth(
    7,
    "dispute_answers_have_an_outcome",
    "No answer to a dispute is on its way for more than a day without anybody knowing its outcome.",
)
def dispute_answers_have_an_outcome() -> Rows:
    return rows_of(
        """SELECT public_id AS submission, state, called_at FROM billing_disputesubmission
            WHERE state IN ('sending', 'unknown') AND called_at < clock_timestamp() - interval '1 day'"""
    )
