"""What sellers have available and owe, read under lock: for verbs that decide how money is taken or given."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from payouts.earnings.allocation import Purse
from payouts.earnings.bulk import array
from payouts.ledger.operations import lock_accounts


def lock_seller_rows(seller_ids: Iterable[int]) -> list[int]:
    """Lock sellers in id order and return their ids: the lock of sellers.queries.lock_sellers without a model instance a row, for thousands."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM payouts_seller WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE", [array(set(seller_ids))]
        )
        return [row[0] for row in cursor.fetchall()]


def lock_purses(seller_ids: Iterable[int]) -> dict[tuple[int, str], Purse]:
    """Return {(seller_id, currency): Purse}, locked until the transaction ends; the caller holds the sellers' locks already.

    A pair that is missing has no account yet: nothing available, nothing owed, floor 0.
    """
    wanted = sorted(set(seller_ids))
    purses: dict[tuple[int, str], Purse] = {}
    if not wanted:
        return purses
    lock_accounts(holder_ids=wanted, codes=["seller.available", "receivable.seller_debt"])
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.holder_id, a.currency, a.code, b.amount_minor * b.normal_sign, b.floor_minor
                 FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
                WHERE a.holder_id = ANY(%s) AND a.holder = '' AND a.code IN ('seller.available', 'receivable.seller_debt')""",
            [wanted],
        )
        for seller_id, currency, code, amount, floor in cursor.fetchall():
            purse = purses.setdefault((seller_id, currency), Purse(0, 0, 0))
            if code == "seller.available":
                purse.available_minor, purse.floor_minor = amount, floor
            else:
                purse.debt_minor = amount
    return purses
