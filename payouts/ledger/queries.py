"""Questions to the ledger: balances now and as of an instant, buckets of a seller, the trial balance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from payouts.ledger.chart import CHART, SELLER_BUCKETS


def balance(account_id: int) -> int:
    """Return an account's balance in minor units on its normal side: materialised for guarded accounts, checkpoint plus tail for hot ones."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.normal_sign * coalesce(b.amount_minor,
                      coalesce(c.amount_minor, 0) + coalesce((SELECT sum(e.amount_minor) FROM payouts_entry e
                         WHERE e.account_id = a.id AND e.id > coalesce(c.upto_entry_id, 0)), 0))::bigint
                 FROM payouts_account a
                 LEFT JOIN payouts_balance b ON b.account_id = a.id
                 LEFT JOIN payouts_checkpoint c ON c.account_id = a.id
                WHERE a.id = %s""",
            [account_id],
        )
        row = cursor.fetchone()
        return row[0] if row else 0


def balance_as_of(account_id: int, at: datetime) -> int:
    """Return the balance on the normal side from everything recorded up to and including an instant."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.normal_sign * coalesce(sum(e.amount_minor), 0)::bigint
                 FROM payouts_account a LEFT JOIN (payouts_entry e JOIN payouts_posting p ON p.id = e.posting_id AND p.recorded_at <= %s)
                      ON e.account_id = a.id
                WHERE a.id = %s GROUP BY a.normal_sign""",
            [at, account_id],
        )
        row = cursor.fetchone()
        return row[0] if row else 0


def seller_buckets(seller_ids: Sequence[int]) -> dict[tuple[int, str], dict[str, int]]:
    """Return {(seller_id, currency): {pending, available, reserved, in_payout, advance, debt, total}} in minor units.

    `available` may be negative: that is the seller's debt within the limit; `debt` is what is owed beyond it. total = pending + available +
    reserved + in_payout − advance − debt, by construction.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.holder_id, a.currency, a.code, b.amount_minor * b.normal_sign
                 FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
                WHERE a.holder_id = ANY(%s) AND (a.code LIKE 'seller.%%' OR a.code = 'receivable.seller_debt')""",
            [list(seller_ids)],
        )
        rows = cursor.fetchall()
    found: dict[tuple[int, str], dict[str, int]] = {}
    for seller_id, currency, code, amount in rows:
        buckets = found.setdefault((seller_id, currency), dict.fromkeys([*SELLER_BUCKETS, "debt"], 0))
        buckets["debt" if code == "receivable.seller_debt" else code.removeprefix("seller.")] = amount
    for buckets in found.values():
        owed = ("pending", "available", "reserved", "in_payout")
        buckets["total"] = sum(buckets[name] for name in owed) - buckets["advance"] - buckets["debt"]
    return found


def seller_floors(seller_id: int) -> dict[str, tuple[int, int]]:
    """Return {currency: (floor now, floor as decided)} of a seller's available money, in minor units; they differ while a debt shrinks."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.currency, b.floor_minor, coalesce(b.floor_wanted_minor, b.floor_minor)
                 FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
                WHERE a.holder_id = %s AND a.holder = '' AND a.code = 'seller.available'""",
            [seller_id],
        )
        return {currency: (floor, decided) for currency, floor, decided in cursor.fetchall()}


def trial_balance(at: datetime | None = None) -> list[dict[str, Any]]:
    """Return one row per code and currency: debit and credit totals and the balance on the normal side; the signed sum is zero per currency."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.code, a.currency, sum(CASE WHEN e.amount_minor > 0 THEN e.amount_minor ELSE 0 END)::bigint,
                      sum(CASE WHEN e.amount_minor < 0 THEN -e.amount_minor ELSE 0 END)::bigint, sum(e.amount_minor)::bigint
                 FROM payouts_entry e JOIN payouts_account a ON a.id = e.account_id
                WHERE %(at)s::timestamptz IS NULL
                   OR EXISTS (SELECT 1 FROM payouts_posting p WHERE p.id = e.posting_id AND p.recorded_at <= %(at)s)
                GROUP BY 1, 2 ORDER BY 2, 1""",
            {"at": at},
        )
        rows = cursor.fetchall()
    return [
        {
            "code": code,
            "label": CHART[code].label,
            "currency": currency,
            "debit_minor": debit,
            "credit_minor": credit,
            "balance_minor": signed * CHART[code].normal_sign,
            "signed_minor": signed,
        }
        for code, currency, debit, credit, signed in rows
    ]
