"""`bench ledger`: postings of four entries, spread and hot, single and in batches, against plain SQL of the same rows."""

from __future__ import annotations

import itertools
import random
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import connection, transaction

from backoffice.bench import measure
from backoffice.kit.actors import system
from backoffice.kit.invariants import check_books
from payouts.ledger import queries
from payouts.ledger.checkpoints import roll_up
from payouts.ledger.models import Account
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import earned

SELLERS = 10_000
AT = datetime(2026, 1, 15, tzinfo=UTC)
ROBOT = system("bench")
_runs = itertools.count()

# The yardstick of one posting: the same rows and constraints written by one plain statement sent through Django.
ONE_STATEMENT = """
    WITH p AS (INSERT INTO payouts_posting (template, template_version, key, fingerprint, source_kind, source_id, actor, approver, reason,
                                            recorded_at, effective_at)
               VALUES ('sale', 1, %(key)s, '', 'earning', 1, 'system:bench', '', '', %(at)s, %(at)s) RETURNING id),
    b AS (UPDATE payouts_balance SET amount_minor = amount_minor - 10560 WHERE account_id = %(seller)s)
    INSERT INTO payouts_entry (posting_id, account_id, amount_minor, currency, position)
    SELECT p.id, v.account, v.amount, 'EUR', v.n FROM p, (VALUES (%(clearing)s::bigint, 12000::bigint, 0),
        (%(seller)s, -10560, 1), (%(revenue)s, -1200, 2), (%(tax)s, -240, 3)) AS v(account, amount, n)"""

# The yardstick of a batch: INSERT … SELECT unnest with balances and constraints.
BATCH = """
    WITH p AS (INSERT INTO payouts_posting (template, template_version, key, fingerprint, source_kind, source_id, actor, approver, reason,
                                            recorded_at, effective_at)
               SELECT 'sale', 1, k, '', 'earning', 1, 'system:bench', '', '', %(at)s, %(at)s FROM unnest(%(keys)s::text[]) AS k
               RETURNING id, key),
    s AS (SELECT p.id, u.account FROM p JOIN unnest(%(keys)s::text[], %(accounts)s::bigint[]) AS u(key, account) USING (key)),
    b AS (UPDATE payouts_balance b SET amount_minor = b.amount_minor - d.total
            FROM (SELECT account, 10560 * count(*) AS total FROM s GROUP BY 1 ORDER BY 1) d WHERE b.account_id = d.account)
    INSERT INTO payouts_entry (posting_id, account_id, amount_minor, currency, position)
    SELECT s.id, v.account, v.amount, 'EUR', v.n FROM s, LATERAL (VALUES (%(clearing)s::bigint, 12000::bigint, 0),
        (s.account, -10560, 1), (%(revenue)s, -1200, 2), (%(tax)s, -240, 3)) AS v(account, amount, n)"""


def run(seconds_hint: int = 3, hot_entries: int = 0) -> list[dict[str, Any]]:
    """Return the figures of the ledger; `hot_entries` > 0 also fills a hot account and times its balance and check_books."""
    accounts = _prepare()
    results = []
    spread: dict[int, float] = {}
    for clients in (1, 8, 16):
        count = 300 * seconds_hint // max(1, clients // 4)
        latencies: list[float] = []

        def ours(clients: int = clients, count: int = count, latencies: list[float] = latencies) -> float:
            speed, found = measure.rate(_single(accounts, hot=False), clients, count)
            latencies += found
            return speed

        def yardstick(clients: int = clients, count: int = count) -> float:
            return measure.rate(_plain(accounts), clients, count)[0]

        median, ruler = measure.alternate(ours, yardstick)
        spread[clients] = median
        results.append(measure.result("ledger.single", median, ruler, latencies=latencies, clients=clients, rows=count * clients))
    for clients in (8, 16):
        count = 300 * seconds_hint // (clients // 4)
        hot, apart = measure.alternate(
            partial(_speed, accounts, hot=True, clients=clients, count=count),
            partial(_speed, accounts, hot=False, clients=clients, count=count),
        )
        results.append(measure.result("ledger.hot_vs_spread", hot, apart, clients=clients, rows=count * clients))
    median, ruler = measure.alternate(lambda: _batches(accounts), lambda: _plain_batches(accounts))
    results.append(measure.result("ledger.batch_1000", median, ruler, rows=5_000))
    if hot_entries:
        results += _hot_balance(accounts, hot_entries)
    return results


def _prepare() -> dict[str, Any]:
    for start in range(0, SELLERS, 1000):
        post(drafts=[_sale(f"open-{n}", n) for n in range(start + 1, start + 1001)], actor=ROBOT, at=AT)
    by_code = {a.code: a.pk for a in Account.objects.exclude(code="seller.pending")}
    sellers = dict(Account.objects.filter(code="seller.pending").values_list("holder_id", "id"))
    return {
        "sellers": sellers,
        "clearing": by_code["psp.clearing"],
        "revenue": by_code["revenue.commission"],
        "tax": by_code["tax.payable"],
    }


def _sale(key: str, seller_id: int, provider: str = "psp") -> Draft:
    legs = earned(
        seller_id=seller_id,
        currency="EUR",
        gross_minor=12_000,
        fee_minor=1_440,
        tax_minor=240,
        pending_minor=10_560,
        provider=provider,
    )
    return Draft("sale", key, legs, "earning", 1)


def _speed(accounts: dict[str, Any], *, hot: bool, clients: int, count: int) -> float:
    return measure.rate(_single(accounts, hot=hot), clients, count)[0]


def _single(accounts: dict[str, Any], hot: bool) -> Any:
    run_no = next(_runs)

    def work(client: int, count: int) -> list[float]:
        chooser = random.Random(run_no * 1000 + client)
        found = []
        for number in range(count):
            # "spread" spreads the platform side too, over 997 providers; "hot" lets every posting touch the same platform accounts
            provider = "psp" if hot else f"psp{chooser.randrange(997)}"
            draft = _sale(f"s{run_no}-{client}-{number}", chooser.randrange(SELLERS) + 1, provider)
            started = time.perf_counter()
            post(drafts=[draft], actor=ROBOT, at=AT)
            found.append((time.perf_counter() - started) * 1000)
        return found

    return work


def _plain(accounts: dict[str, Any]) -> Any:
    run_no = next(_runs)

    def work(client: int, count: int) -> list[float]:
        chooser = random.Random(run_no * 1000 + client)
        for number in range(count):
            seller = accounts["sellers"][chooser.randrange(SELLERS) + 1]
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(ONE_STATEMENT, _ruler(accounts) | {"key": f"y{run_no}-{client}-{number}", "seller": seller})
        return []

    return work


def _ruler(accounts: dict[str, Any]) -> dict[str, Any]:
    return {"at": AT, "clearing": accounts["clearing"], "revenue": accounts["revenue"], "tax": accounts["tax"]}


def _batches(accounts: dict[str, Any]) -> float:
    run_no = next(_runs)
    started = time.perf_counter()
    for batch in range(5):
        post(drafts=[_sale(f"b{run_no}-{batch}-{n}", random.randrange(SELLERS) + 1) for n in range(1000)], actor=ROBOT, at=AT)
    return 5_000 / (time.perf_counter() - started)


def _plain_batches(accounts: dict[str, Any]) -> float:
    run_no = next(_runs)
    pool = list(accounts["sellers"].values())
    started = time.perf_counter()
    for batch in range(5):
        keys = [f"z{run_no}-{batch}-{n}" for n in range(1000)]
        chosen = [random.choice(pool) for _ in keys]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(BATCH, _ruler(accounts) | {"keys": keys, "accounts": chosen})
    return 5_000 / (time.perf_counter() - started)


def _hot_balance(accounts: dict[str, Any], entries: int) -> list[dict[str, Any]]:
    """Fill hot accounts set-based, then time balances and check_books over the whole."""
    with connection.cursor() as cursor:
        for start in range(0, entries // 4, 100_000):
            cursor.execute(
                BATCH,
                _ruler(accounts)
                | {
                    "keys": [f"h{start + n}" for n in range(min(100_000, entries // 4 - start))],
                    "accounts": [accounts["sellers"][n % SELLERS + 1] for n in range(min(100_000, entries // 4 - start))],
                },
            )
        cursor.execute("ANALYZE payouts_entry, payouts_posting, payouts_balance")
    roll_up(at=AT)
    roll_up(at=AT)
    hot = [measure.timed(lambda: queries.balance(accounts["clearing"])) for _ in range(200)]
    bucket = [measure.timed(partial(queries.balance, accounts["sellers"][n + 1])) for n in range(200)]
    verdicts: list[Any] = []
    books = measure.timed(lambda: verdicts.extend(check_books({1, 2, 3, 8}))) / 1000
    return [
        measure.result("ledger.balance_hot_p95_ms", measure.percentile(hot, 0.95), 5.0, latencies=hot, rows=entries),
        measure.result("ledger.balance_bucket_p95_ms", measure.percentile(bucket, 0.95), 1.0, latencies=bucket, rows=entries),
        measure.result("ledger.check_books_s", books, 60.0, rows=entries, clean=all(v.ok for v in verdicts)),
    ]


QUICK = {"seconds_hint": 1}
FULL = {"seconds_hint": 5, "hot_entries": 10_000_000}
