"""Truths 7, 11 and 12 as far as this wing: orders handed over once, bank lines placed or waiting with an owner."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(7, "one_effective_order_a_payout", "No payout has two orders that left us and were not refused.")
def one_effective_order_a_payout() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payout, count(*) AS orders FROM payouts_paymentorder o JOIN payouts_payout p ON p.id = o.payout_id
            WHERE o.status IN ('sent', 'completed', 'unknown') GROUP BY 1 HAVING count(*) > 1"""
    )


@truth(7, "orders_match_their_payout", "An order carries its payout's amount and currency, and goes to its payee account.")
def orders_match_their_payout() -> Rows:
    return rows_of(
        """SELECT o.public_id AS payment_order, p.public_id AS payout FROM payouts_paymentorder o JOIN payouts_payout p ON p.id = o.payout_id
            WHERE o.amount_minor <> p.amount_minor OR o.currency <> p.currency OR o.payee_account_id <> p.payee_account_id"""
    )


@truth(
    7,
    "orders_have_a_known_outcome",
    "An order that is being sent has a lease or an outcome; nothing is stuck in between for an hour.",
)
def orders_have_a_known_outcome() -> Rows:
    return rows_of(
        """SELECT public_id AS payment_order, status, lease_until FROM payouts_paymentorder
            WHERE status = 'sending' AND coalesce(lease_until, created_at) < clock_timestamp() - interval '1 hour'"""
    )


@truth(7, "absent_orders_are_proved", "Of a payout's orders closed as absent, all but one were confirmed by a second person.")
def absent_orders_are_proved() -> Rows:
    return rows_of(
        """SELECT p.public_id AS payout, count(*) AS orders FROM payouts_paymentorder o JOIN payouts_payout p ON p.id = o.payout_id
             LEFT JOIN backoffice_approval v ON v.action = 'order_absent' AND v.subject = o.public_id AND v.state = 'used'
                  AND v.checker LIKE 'staff:%%' AND v.checker <> v.maker
            WHERE o.status = 'absent' AND v.id IS NULL GROUP BY 1 HAVING count(*) > 1"""
    )


@truth(7, "refusals_of_people_are_proved", "An unknown order that people closed as refused was confirmed by a second person.")
def refusals_of_people_are_proved() -> Rows:
    return rows_of(
        """SELECT o.public_id AS payment_order, c.actor FROM backoffice_statechange c JOIN payouts_paymentorder o ON o.id = c.subject_id
            WHERE c.subject = 'payment_order' AND c.from_state = 'unknown' AND c.to_state = 'rejected' AND c.actor LIKE 'staff:%%'
              AND NOT EXISTS (SELECT 1 FROM backoffice_approval v
                               WHERE v.action = 'order_absent' AND v.subject = o.public_id AND v.state = 'used' AND v.checker <> v.maker)"""
    )


@truth(7, "sent_orders_are_posted_once", "Every order that left has exactly one payout_sent posting, and no other order has one.")
def sent_orders_are_posted_once() -> Rows:
    return rows_of(
        """SELECT o.public_id AS payment_order, o.status, count(q.id) AS postings FROM payouts_paymentorder o
             LEFT JOIN payouts_posting q ON q.template = 'payout_sent' AND q.key = o.public_id
            GROUP BY o.id
           HAVING count(q.id) <> 1 AND o.status IN ('sent', 'completed', 'returned')
               OR count(q.id) <> 0 AND o.status IN ('approved', 'sending', 'unknown', 'absent', 'canceled')"""
    )


@truth(7, "files_are_intact", "Every rail file's bytes still have the SHA-256 and the orders it was stored with.")
def files_are_intact() -> Rows:
    return rows_of(
        """SELECT f.public_id AS rail_file FROM payouts_railfile f
            WHERE encode(sha256(f.sealed), 'hex') <> f.sealed_sha256
               OR f.orders_count <> (SELECT count(*) FROM payouts_paymentorder o WHERE o.rail_file_id = f.id)
               OR f.control_sum_minor <> (SELECT coalesce(sum(o.amount_minor), 0) FROM payouts_paymentorder o WHERE o.rail_file_id = f.id)"""
    )


@truth(
    12, "bank_entries_have_an_outcome", "Every line of a bank file was applied, needs nothing, or waits unplaced or explained."
)
def bank_entries_have_an_outcome() -> Rows:
    return rows_of(
        """SELECT e.public_id AS bank_entry, e.state FROM payouts_bankfileentry e
            WHERE e.state NOT IN ('applied', 'info', 'unplaced', 'explained') OR e.state = 'applied' AND e.outcome = ''"""
    )
