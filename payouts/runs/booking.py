"""Book the money of many payouts at once: the ledger's own writer, fed from SQL, so that a run of 100,000 never passes through Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, OperationalError, connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from payouts.ledger.operations import refusal_of
from payouts.ledger.templates import TEMPLATES

# Codes of the legs a source may fill, in the order of their entries.
_CODES = ["seller.available", "seller.in_payout", "receivable.seller_debt"]
_LOCK_TIMEOUT = "60s"
# From so many on, reading sellers and accounts whole is twice as fast as asking an index for each.
_MANY = 10_000


class SellersAreBusy(Refusal):
    code = "sellers_are_busy"
    sentence = "Other work holds the accounts of some of these sellers (an import, another run). Nothing was done; try again in a minute."


def lock_accounts_of(select_sellers: str, params: dict[str, Any], *, codes: list[str], currency: str | None = None) -> None:
    """Lock sellers in id order, then their balances of these codes in account order; `select_sellers` answers seller ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH locked AS MATERIALIZED (
                    SELECT s.id FROM payouts_seller s WHERE s.id IN ({select_sellers}) ORDER BY s.id FOR NO KEY UPDATE OF s)
                SELECT count(*) FROM locked""",  # noqa: S608 - the select comes from code
            params,
        )
        if not codes:
            return
        cursor.execute(
            f"""WITH locked AS MATERIALIZED (
                    SELECT b.account_id FROM payouts_balance b JOIN payouts_account a ON a.id = b.account_id
                     WHERE a.code = ANY(%(_codes)s) AND a.holder = '' AND a.holder_id IN ({select_sellers})
                       AND (%(_currency)s::text IS NULL OR a.currency = %(_currency)s)
                     ORDER BY b.account_id FOR UPDATE OF b)
                SELECT count(*) FROM locked""",  # noqa: S608 - the select comes from code
            params | {"_codes": codes, "_currency": currency},
        )


def post_payouts(
    *, template: str, select: str, params: dict[str, Any], actor: Actor, at: datetime, reason: str = "", into: str = ""
) -> int:
    """Book one posting of a template per row of `select`; return how many.

    `select` answers (payout_id, key, seller_id, currency, available, in_payout, debt): signed minor units, debit positive, that sum to zero; a
    zero is no leg. The postings are those `ledger.post` would make. `into` names a table that takes (payout_id, posting_id).
    """
    statement = f"""
        WITH drafts AS MATERIALIZED (
            SELECT (row_number() OVER (ORDER BY s.payout_id))::int AS n, s.* FROM ({select}) AS s),
        legs AS MATERIALIZED (
            SELECT d.n, v.place, row_number() OVER (ORDER BY d.n, v.place) AS entry, v.code, d.seller_id, d.currency, v.amount
              FROM drafts d CROSS JOIN LATERAL (VALUES (1, %(_c1)s, d.available), (2, %(_c2)s, d.in_payout), (3, %(_c3)s, d.debt))
                   AS v(place, code, amount)
             WHERE v.amount <> 0),
        p AS (SELECT array_agg(key ORDER BY n) AS keys, array_agg(payout_id ORDER BY n) AS ids, count(*)::int AS size,
                     (SELECT array_agg(f.entry::int ORDER BY f.n) FROM (SELECT n, min(entry) AS entry FROM legs GROUP BY n) f) AS firsts
                FROM drafts),
        e AS (
            SELECT array_agg(n ORDER BY entry) AS posting, array_agg(code ORDER BY entry) AS code,
                   array_agg(seller_id ORDER BY entry) AS holder_id, array_agg(currency ORDER BY entry) AS currency,
                   array_agg(amount::bigint ORDER BY entry) AS amount, count(*)::int AS size
              FROM legs),
        posted AS MATERIALIZED (
            SELECT u.payout_id, u.posting_id
              FROM p CROSS JOIN e CROSS JOIN LATERAL ledger_post(
                   array_fill(%(_template)s::text, ARRAY[p.size]), array_fill(%(_version)s::smallint, ARRAY[p.size]), p.keys, array_fill(''::text, ARRAY[p.size]),
                   array_fill('payout'::text, ARRAY[p.size]), p.ids, array_fill(%(_at)s::timestamptz, ARRAY[p.size]),
                   array_fill(NULL::bigint, ARRAY[p.size]), p.firsts, %(_actor)s, '', %(_reason)s, %(_at)s,
                   e.code::text[], e.holder_id, array_fill(''::text, ARRAY[e.size]), e.currency::text[],
                   e.posting, ARRAY(SELECT generate_series(1, e.size)), e.amount) AS w
                   CROSS JOIN LATERAL unnest(p.ids, w.posting_ids) AS u(payout_id, posting_id)
             WHERE p.size > 0)
        {f"INSERT INTO {into} (payout_id, posting_id) SELECT payout_id, posting_id FROM posted" if into else "SELECT payout_id FROM posted"}
    """  # noqa: S608 - select and table come from code
    first, second, third = _CODES
    facts = {"_c1": first, "_c2": second, "_c3": third, "_template": template, "_version": TEMPLATES[template].version}
    with connection.cursor() as cursor:
        cursor.execute(statement, params | facts | {"_actor": str(actor), "_reason": reason, "_at": at})
        return cursor.rowcount


@contextmanager
def patient() -> Iterator[None]:
    """Wait longer than a screen would for rows of many sellers, and say in a sentence when that was not enough."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            # compiling a statement of this size costs more than running it; sorts and transition tables of a run stay in memory
            cursor.execute("SET LOCAL jit = off; SET LOCAL work_mem = '128MB'")
        yield
    except OperationalError as error:
        # lock_not_available, deadlock_detected: the rival was served, we were not
        if getattr(error.__cause__, "sqlstate", "") in {"55P03", "40P01"}:
            raise SellersAreBusy() from error
        raise
    except IntegrityError as error:
        # a payout opened for one of them between our look and our write
        raise (SellersAreBusy() if "one_open_payout" in str(error) else refusal_of(error)) from error


@contextmanager
def reading_whole(count: int) -> Iterator[None]:
    """Join many rows with sellers and accounts by reading those whole; of a run just built, or being built, the planner knows no numbers."""
    if count < _MANY:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")
        yield
        cursor.execute("SET LOCAL enable_nestloop TO DEFAULT")
