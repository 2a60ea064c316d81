"""Truths 8 and 10 as far as refunds: never more back than came, by two people above the limit, and booked once."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(
    10, "refunds_and_disputes_within_captured", "Refunds that are not over and disputes together are at most what was captured."
)
def refunds_and_disputes_within_captured() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payment, p.captured_minor, p.disputed_minor, r.refunded_minor
             FROM billing_payment p
             JOIN (SELECT payment_id, sum(amount_minor)::bigint AS refunded_minor, sum(surplus_minor)::bigint AS surplus_minor
                     FROM billing_refund WHERE status NOT IN ('failed', 'canceled') AND payment_id IS NOT NULL GROUP BY 1) r ON r.payment_id = p.id
            WHERE r.refunded_minor + p.disputed_minor > p.captured_minor OR r.surplus_minor > p.surplus_minor"""
    )


@truth(10, "refunds_are_posted_once", "A refund that is on its way or through is booked, and one that is not is booked back.")
def refunds_are_posted_once() -> Rows:
    return rows_of(
        """SELECT r.public_id AS refund, r.status, q.id AS posting, v.id AS returned FROM billing_refund r
             LEFT JOIN payouts_posting q ON q.key = r.public_id AND q.template IN ('card_refunded', 'claim_refunded_to_balance')
             LEFT JOIN payouts_posting v ON v.key = r.public_id AND v.template = 'card_refund_returned'
            WHERE r.posting_id IS DISTINCT FROM q.id
               OR q.id IS NOT NULL AND r.status IN ('pending', 'requires_action', 'succeeded') AND v.id IS NOT NULL
               OR q.id IS NOT NULL AND r.status IN ('failed', 'canceled') AND v.id IS NULL
               OR q.id IS NOT NULL AND r.status IN ('requested', 'approved', 'unknown')
               OR q.id IS NULL AND r.status IN ('pending', 'requires_action', 'succeeded') AND (r.source = 'balance' OR NOT r.share_taken AND r.purpose ~ '^inv_')"""
    )


@truth(
    10,
    "shares_follow_their_refunds",
    "The seller's share of a refunded sale is taken once, and given back when the refund did not go through.",
)
def shares_follow_their_refunds() -> Rows:
    return rows_of(
        """SELECT r.public_id AS refund, r.status, r.share_minor, t.net_minor AS taken, b.net_minor AS given_back FROM billing_refund r
             LEFT JOIN payouts_earning t ON t.source = 'billing.refunds' AND t.external_id = r.public_id
             LEFT JOIN payouts_earning b ON b.source = 'billing.refunds' AND b.external_id = r.public_id || ':back'
            WHERE r.share_taken <> (t.id IS NOT NULL)
               OR t.id IS NOT NULL AND (-t.net_minor <> r.share_minor OR -t.gross_minor <> r.amount_minor)
               OR (b.id IS NOT NULL) <> (t.id IS NOT NULL AND r.status IN ('failed', 'canceled'))
               OR b.id IS NOT NULL AND b.net_minor <> r.share_minor"""
    )


@truth(8, "refunds_by_two_above_the_limit", "A refund somebody else approved has that person's approval.")
def refunds_by_two_above_the_limit() -> Rows:
    return rows_of(
        """SELECT r.public_id AS refund, r.maker, r.checker FROM billing_refund r
            WHERE r.checker <> '' AND NOT EXISTS (
                  SELECT 1 FROM backoffice_approval v WHERE v.action = 'refund' AND v.subject = r.public_id AND v.state = 'used'
                     AND v.checker = r.checker AND v.checker <> v.maker AND v.checker LIKE 'staff:%%')"""
    )
