"""Truth 11: what others say about our money is matched, or an open break with an owner and an age."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth

Rows = list[dict[str, Any]]


@truth(
    11,
    "their_lines_are_matched_or_broken",
    "Every line of a provider or bank that was judged is matched, void, expected, or an open break.",
)
def their_lines_are_matched_or_broken() -> Rows:
    return rows_of(
        """SELECT l.id AS line_id, l.source, l.holder, l.state FROM billing_stagedline l LEFT JOIN billing_matchgroup g ON g.id = l.group_id
            WHERE l.side = 'theirs' AND l.state IN ('staged', 'needs_review') AND g.state IS DISTINCT FROM 'expected'
              AND l.id <= (SELECT coalesce(max(lines_upto), 0) FROM billing_reconciliationrun WHERE finished_at IS NOT NULL)
              AND NOT EXISTS (SELECT 1 FROM billing_break b WHERE b.state IN ('open', 'requested') AND b.line_id = l.id)
              AND NOT EXISTS (SELECT 1 FROM billing_break b WHERE b.state IN ('open', 'requested') AND b.group_id = l.group_id)
            LIMIT 1000"""
    )


@truth(
    11, "bank_lines_are_staged", "Every booked line of our own accounts in a bank's file is staged, once a pass has looked at it."
)
def bank_lines_are_staged() -> Rows:
    return rows_of(
        """SELECT e.id AS bank_entry_id, e.line_ref FROM payouts_bankfileentry e JOIN payouts_bankfile f ON f.id = e.bank_file_id
             LEFT JOIN payouts_paymentorder o ON o.id = e.payment_order_id
            WHERE e.kind = 'booking' AND (f.format LIKE 'camt.053%' OR f.format LIKE 'mt940%' OR f.format IN ('bai2', 'csv'))
              AND e.outcome NOT IN ('in an earlier file', 'not_our_account') AND coalesce(e.amount_minor, o.amount_minor) <> 0
              AND e.id <= (SELECT coalesce(max(bank_entries_upto), 0) FROM billing_reconciliationrun WHERE finished_at IS NOT NULL)
              AND NOT EXISTS (SELECT 1 FROM billing_stagedline l WHERE l.bank_entry_id = e.id) LIMIT 1000"""
    )


@truth(11, "matches_add_up", "In every match theirs less ours is the sum of its difference lines, account by account.")
def matches_add_up() -> Rows:
    return rows_of(
        """SELECT s.group_id, s.leg, sum(s.amount)::bigint AS off_by FROM (
                SELECT l.group_id, l.leg, CASE l.side WHEN 'theirs' THEN l.amount_minor ELSE -l.amount_minor END AS amount
                  FROM billing_stagedline l WHERE l.group_id IS NOT NULL
                UNION ALL SELECT d.group_id, d.leg, -d.amount_minor FROM billing_differenceline d) s
             JOIN billing_matchgroup g ON g.id = s.group_id AND g.state = 'posted'
            GROUP BY 1, 2 HAVING sum(s.amount) <> 0 LIMIT 1000"""
    )


@truth(11, "matched_lines_have_matches", "Every matched line stands in a match, and every match holds only matched lines.")
def matched_lines_have_matches() -> Rows:
    return rows_of(
        """SELECT l.id AS line_id, l.state, g.state AS group_state FROM billing_stagedline l
             LEFT JOIN billing_matchgroup g ON g.id = l.group_id
            WHERE (l.state = 'matched') IS DISTINCT FROM coalesce(g.state = 'posted', false) LIMIT 1000"""
    )


@truth(
    11,
    "corrections_have_two_people",
    "Every break that was corrected was requested by one person and approved by another, on its content.",
)
def corrections_have_two_people() -> Rows:
    return rows_of(
        """SELECT b.public_id AS break, b.corrected_by, b.approved_by FROM billing_break b
            WHERE b.state = 'corrected' AND NOT EXISTS (
                SELECT 1 FROM backoffice_approval a WHERE a.action = 'break_correction' AND a.subject = b.public_id AND a.state = 'used'
                   AND a.maker = b.corrected_by AND a.checker = b.approved_by AND a.maker <> a.checker AND a.checker LIKE 'staff:%') LIMIT 1000"""
    )
