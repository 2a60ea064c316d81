"""Truths 1, 2, 3 and 8: balance, materialised sums, floors, actors and templates."""

from typing import Any

from backoffice.kit.invariants import rows_of, truth
from payouts.ledger.templates import TEMPLATES

Rows = list[dict[str, Any]]


@truth(1, "postings_balance", "Every posting sums to zero per currency and has two sides at least.")
def postings_balance() -> Rows:
    return rows_of(
        """SELECT posting_id, currency, sum(amount_minor)::bigint AS off_by, count(*) AS sides
             FROM payouts_entry GROUP BY 1, 2 HAVING sum(amount_minor) <> 0 OR count(*) < 2"""
    )


@truth(1, "ledger_balances", "The whole ledger sums to zero per currency.")
def ledger_balances() -> Rows:
    return rows_of(
        "SELECT currency, sum(amount_minor)::bigint AS off_by FROM payouts_entry GROUP BY 1 HAVING sum(amount_minor) <> 0"
    )


@truth(1, "postings_have_entries", "No posting is without entries, and no entry is in another currency than its account.")
def postings_have_entries() -> Rows:
    return rows_of(
        """SELECT p.id AS posting_id, 'no entries' AS problem FROM payouts_posting p
            WHERE NOT EXISTS (SELECT 1 FROM payouts_entry e WHERE e.posting_id = p.id)
           UNION ALL
           SELECT e.posting_id, 'currency differs from its account' FROM payouts_entry e JOIN payouts_account a ON a.id = e.account_id
            WHERE a.currency <> e.currency"""
    )


@truth(2, "balances_equal_entries", "Every materialised balance equals the sum of its entries.")
def balances_equal_entries() -> Rows:
    return rows_of(
        """SELECT a.id AS account_id, a.code, a.currency, b.amount_minor AS stored, coalesce(s.total, 0)::bigint AS summed
             FROM payouts_account a
             LEFT JOIN payouts_balance b ON b.account_id = a.id
             LEFT JOIN (SELECT account_id, sum(amount_minor) AS total FROM payouts_entry GROUP BY 1) s ON s.account_id = a.id
            WHERE a.guarded AND coalesce(b.amount_minor, 0) <> coalesce(s.total, 0)"""
    )


@truth(2, "checkpoints_equal_entries", "Every checkpoint equals the sum of the entries it covers.")
def checkpoints_equal_entries() -> Rows:
    return rows_of(
        """SELECT c.account_id, c.amount_minor AS stored, coalesce(sum(e.amount_minor), 0)::bigint AS summed
             FROM payouts_checkpoint c
             LEFT JOIN payouts_entry e ON e.account_id = c.account_id AND e.id <= c.upto_entry_id
            GROUP BY 1, 2 HAVING c.amount_minor <> coalesce(sum(e.amount_minor), 0)"""
    )


@truth(3, "balances_above_floor", "No guarded account is below its floor.")
def balances_above_floor() -> Rows:
    return rows_of(
        """SELECT account_id, amount_minor * normal_sign AS balance, floor_minor FROM payouts_balance
            WHERE amount_minor * normal_sign < floor_minor"""
    )


@truth(
    3,
    "floors_as_decided",
    "Every floor is the one last decided and recorded, or the chart's; one that waits for its balance is no lower than ever decided.",
)
def floors_as_decided() -> Rows:
    return rows_of(
        """SELECT b.account_id, a.code, b.floor_minor, b.floor_wanted_minor, coalesce(d.floor_minor, c.floor_minor) AS decided
             FROM payouts_balance b JOIN payouts_account a ON a.id = b.account_id JOIN ledger_chart c ON c.code = a.code
             LEFT JOIN (SELECT DISTINCT ON (account_id) account_id, floor_minor FROM payouts_floorchange
                         ORDER BY account_id, id DESC) d ON d.account_id = b.account_id
             LEFT JOIN (SELECT account_id, min(floor_minor) AS floor_minor FROM payouts_floorchange GROUP BY 1) l
                    ON l.account_id = b.account_id
            WHERE coalesce(b.floor_wanted_minor, b.floor_minor) IS DISTINCT FROM coalesce(d.floor_minor, c.floor_minor)
               OR b.floor_minor < LEAST(l.floor_minor, c.floor_minor)
               OR b.floor_wanted_minor <= b.amount_minor * b.normal_sign"""
    )


@truth(
    8, "postings_have_actor_and_template", "Every posting has an actor and a known template; four-eyes templates have two people."
)
def postings_have_actor_and_template() -> Rows:
    return rows_of(
        """SELECT id AS posting_id, template, actor, approver FROM payouts_posting
            WHERE actor = '' OR NOT template = ANY(%(known)s)
               OR template = ANY(%(four_eyes)s) AND (approver = '' OR approver = actor OR approver NOT LIKE 'staff:%%')""",
        {"known": list(TEMPLATES), "four_eyes": [t.name for t in TEMPLATES.values() if t.four_eyes]},
    )
