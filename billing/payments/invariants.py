"""Truths 7, 9 and 10 as far as payments: nothing is called twice, and what was captured is booked once."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(
    7, "one_effective_gateway_attempt", "No subject has two calls of a kind that a gateway carried out or may have carried out."
)
def one_effective_gateway_attempt() -> Rows:
    return rows_of(
        """SELECT kind, target, count(*) AS attempts FROM billing_attempt
            WHERE kind IN ('charge', 'refund') AND (status IN ('calling', 'unknown') OR outcome IN ('done', 'pending', 'needs_action'))
            GROUP BY 1, 2 HAVING count(*) > 1"""
    )


@truth(
    7,
    "gateway_attempts_have_a_known_outcome",
    "A call that is being made has a lease, or an outcome; none is in between for an hour.",
)
def gateway_attempts_have_a_known_outcome() -> Rows:
    return rows_of(
        """SELECT key, lease_until FROM billing_attempt
            WHERE status = 'calling' AND coalesce(lease_until, created_at) < clock_timestamp() - interval '1 hour'"""
    )


@truth(
    7,
    "payments_agree_with_their_attempts",
    "A payment nobody knows about has an attempt nobody knows about; one to be sent has one to send.",
)
def payments_agree_with_their_attempts() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payment, p.status, a.status AS attempt FROM billing_payment p
             LEFT JOIN LATERAL (SELECT status FROM billing_attempt WHERE kind = 'charge' AND target = p.public_id
                                 ORDER BY number DESC LIMIT 1) a ON true
            WHERE p.status IN ('created', 'unknown')
              AND (a.status IS NULL OR p.status = 'unknown' AND a.status <> 'unknown' OR p.status = 'created' AND a.status NOT IN ('ready', 'calling'))"""
    )


@truth(
    10,
    "captures_are_posted_once",
    "A paid payment for a claim of ours has one posting of what was captured; no other payment has one.",
)
def captures_are_posted_once() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payment, p.status, p.captured_minor, sum(e.amount_minor)::bigint AS posted
             FROM billing_payment p
             LEFT JOIN payouts_posting q ON q.template = 'card_captured' AND q.key = p.public_id
             LEFT JOIN payouts_entry e ON e.posting_id = q.id
                  AND e.account_id IN (SELECT id FROM payouts_account WHERE code = 'psp.clearing')
            GROUP BY p.id, q.id
           HAVING q.id IS NOT NULL AND (p.status <> 'succeeded' OR coalesce(sum(e.amount_minor), 0) <> p.captured_minor)
               OR q.id IS NULL AND p.status = 'succeeded' AND p.purpose ~ '^inv_[0-9a-hjkmnp-tv-z]{26}$'"""
    )


@truth(10, "only_paid_payments_captured", "What was captured stands on paid payments alone.")
def only_paid_payments_captured() -> Rows:
    return rows_of("SELECT public_id AS payment, status FROM billing_payment WHERE captured_minor <> 0 AND status <> 'succeeded'")
