"""`bench run`: plan, build and approve a run over 100,000 sellers and 10,000,000 entries, against one plain statement and a loop.

The sellers stand in three currencies, so that one database answers for 1,000, 10,000 and all the rest: GBP, USD, EUR.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum

from backoffice.bench import measure
from backoffice.kit.actors import staff, system
from payouts.compliance.opening import open_files
from payouts.ledger.models import Account, Entry
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import seller as bucket
from payouts.runs.models import Payout
from payouts.runs.operations import approve_run, build_run, plan_run

FULL = {"sellers": 100_000, "entries": 10_000_000}
QUICK = {"sellers": 2_000, "entries": 100_000}
AT = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
MAKER, CHECKER = system("bench"), staff(1)
ENTRIES_A_SALE = 5
LOOPED = 1_000


def run(sellers: int = 100_000, entries: int = 10_000_000, rounds: int = 3) -> list[dict[str, Any]]:
    """Return the figures of plan, build and approve in seconds, smaller is better, with their growth from a hundredth of the sellers on."""
    fill(sellers, entries // sellers // ENTRIES_A_SALE)
    before_mb = _rss_mb()
    sizes = _sizes(sellers)
    plans = {currency: _median(partial(plan_run, on=AT.date(), at=AT, currency=currency), rounds) for currency in sizes}
    builds, rulers = {}, {}
    for currency in sizes:
        pairs = [(_undone(partial(_build, currency)), _undone(partial(_yardstick, currency))) for _ in range(rounds)]
        builds[currency], rulers[currency] = (statistics.median(column) for column in zip(*pairs, strict=True))
    loop = _undone(lambda: _loop("EUR", min(LOOPED, sizes["EUR"]))) / min(LOOPED, sizes["EUR"]) * sizes["EUR"]

    started = time.perf_counter()
    payout_run = _build("EUR")
    committed = time.perf_counter() - started
    started = time.perf_counter()
    total = ", ".join(f"{amount // 100}.{amount % 100:02d} {currency}" for currency, amount in payout_run.totals.items())
    approve_run(run_id=payout_run.pk, content_hash=payout_run.content_hash, actor=CHECKER, at=AT, confirmed_total=total)
    approved = time.perf_counter() - started

    grown = {"plan": _growth(plans, sizes), "build": _growth(builds, sizes)}
    shared: dict[str, Any] = {
        "sellers": sizes["EUR"],
        "entries": Entry.objects.count(),
        "growth_1_to_100": grown,
        "rss_before_mb": before_mb,
    }
    return [
        measure.result("run.plan", plans["EUR"], 0, rows=sizes["EUR"], seconds_by_currency=_rounded(plans), **shared),
        measure.result("run.build", builds["EUR"], rulers["EUR"], rows=sizes["EUR"], seconds_by_currency=_rounded(builds),
                       with_commit_seconds=round(committed, 3), loop_seconds=round(loop, 1), times_the_loop=round(loop / builds["EUR"], 1),
                       **shared),
        measure.result("run.approve", approved, 0, rows=sizes["EUR"], **shared),
    ]  # fmt: skip


def _build(currency: str) -> Any:
    return build_run(on=AT.date(), at=AT, actor=MAKER, key=f"bench:{time.perf_counter_ns()}", currency=currency)


def _sizes(sellers: int) -> dict[str, int]:
    small, middle = sellers // 100, sellers // 10
    return {"GBP": small, "USD": middle, "EUR": sellers - small - middle}


def _undone(action: Callable[[], Any]) -> float:
    """Return the seconds an action takes with every deferred check, and undo it: each round meets the same database."""
    with transaction.atomic():
        started = time.perf_counter()
        action()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        seconds = time.perf_counter() - started
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute(
            "VACUUM payouts_balance, payouts_posting, payouts_entry, payouts_payout, payouts_seller, backoffice_statechange"
        )
    return seconds


def _median(action: Callable[[], Any], rounds: int) -> float:
    return statistics.median(measure.timed(action) / 1000 for _ in range(rounds))


def _growth(seconds: dict[str, float], sizes: dict[str, int]) -> float:
    """Return how the cost per seller grew from the smallest size to the largest: 1 is linear, below 1 is better."""
    return round(seconds["EUR"] / sizes["EUR"] / (seconds["GBP"] / sizes["GBP"]), 2)


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def _rss_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _yardstick(currency: str) -> None:
    """Write the same payouts, postings and entries from the materialised balances in one plain statement: no plan, no proof, no history."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.plain_payout")
        cursor.execute("CREATE TEMP TABLE plain_payout (LIKE payouts_payout INCLUDING ALL) ON COMMIT DROP")
        cursor.execute(
            """WITH due AS MATERIALIZED (
                   SELECT a.holder_id AS seller_id, a.id AS available_id, i.id AS in_payout_id, -b.amount_minor AS amount, p.id AS payee_id,
                          'plain' || a.id AS public_id
                     FROM payouts_account a JOIN payouts_balance b ON b.account_id = a.id
                     JOIN payouts_account i ON i.code = 'seller.in_payout' AND i.holder_id = a.holder_id AND i.currency = a.currency
                     JOIN payouts_payeeaccount p ON p.seller_id = a.holder_id AND p.currency = a.currency AND p.status = 'active'
                    WHERE a.code = 'seller.available' AND a.currency = %(currency)s AND b.amount_minor < 0),
               p AS (INSERT INTO payouts_posting (template, template_version, key, fingerprint, source_kind, source_id, actor, approver, reason,
                                                  recorded_at, effective_at)
                     SELECT 'payout_built', 1, public_id, '', 'payout', 0, 'system:bench', '', '', %(at)s, %(at)s FROM due RETURNING id, key),
               e AS (INSERT INTO payouts_entry (posting_id, account_id, amount_minor, currency, position)
                     SELECT p.id, v.account, v.amount, %(currency)s, v.n FROM p JOIN due d ON d.public_id = p.key,
                            LATERAL (VALUES (d.available_id, d.amount, 0), (d.in_payout_id, -d.amount, 1)) AS v(account, amount, n)
                     RETURNING id, account_id, position),
               b AS (UPDATE payouts_balance b SET amount_minor = b.amount_minor + v.change
                       FROM due d, LATERAL (VALUES (d.available_id, d.amount), (d.in_payout_id, -d.amount)) AS v(account, change)
                      WHERE b.account_id = v.account)
               INSERT INTO plain_payout (public_id, seller_id, payee_account_id, currency, amount_minor, rail, instant, status, status_code,
                      status_reason, available_account_id, lines_after_entry_id, lines_upto_entry_id, built_entry_id, brought_forward_minor,
                      carried_forward_minor, maker, checker, reference, built_at, changed_at)
               SELECT d.public_id, d.seller_id, d.payee_id, %(currency)s, d.amount, 'sepa', false, 'needs_approval', '', '', d.available_id, 0, 1,
                      e.id, 0, 0, 'system:bench', '', d.public_id, %(at)s, %(at)s
                 FROM due d JOIN e ON e.account_id = d.available_id AND e.position = 0""",
            {"currency": currency, "at": AT},
        )


def _loop(currency: str, count: int) -> None:
    """Pay one seller after another, each in a transaction of its own, as one would without a set-based build."""
    accounts = Account.objects.filter(code="seller.available", currency=currency, balance__amount_minor__lt=0).order_by("pk")[
        :count
    ]
    for account in accounts:
        with transaction.atomic():
            seller_id = account.holder_id
            amount = -Entry.objects.filter(account=account).aggregate(total=Sum("amount_minor"))["total"]
            payouts = Payout.objects.filter(
                seller_id=seller_id, currency=currency, status__in=["needs_approval", "approved", "in_transit"]
            )
            if amount > 0 and not payouts.exists():
                legs = [bucket("available", seller_id, currency, amount), bucket("in_payout", seller_id, currency, -amount)]
                post(drafts=[Draft("payout_built", f"loop:{seller_id}", legs, "payout", seller_id)], actor=MAKER, at=AT)


def fill(sellers: int, sales: int) -> None:
    """Fill an empty database with sellers who have `sales` matured sales each, by plain SQL: a bench times what comes after."""
    small, middle = sellers // 100, sellers // 10
    facts: dict[str, Any] = {"n": sellers, "small": small, "middle": middle, "at": AT, "began": AT - timedelta(days=200)}
    with connection.cursor() as cursor:
        for table in ("payouts_posting", "payouts_entry", "payouts_earning"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(_SELLERS, facts)
        cursor.execute(_PAYEES, facts)
        cursor.execute("SELECT id FROM payouts_seller")
        open_files(seller_ids=[row[0] for row in cursor.fetchall()], verified=True, actor=MAKER, at=facts["began"])
        cursor.execute(_ACCOUNTS, facts)
        for number in range(sales):
            cursor.execute(_EARNINGS, facts | {"number": number, "day": AT - timedelta(days=120 - number)})
            cursor.execute(_POSTINGS, facts | {"number": number, "day": AT - timedelta(days=120 - number)})
        cursor.execute(_BALANCES, facts)
        for table in ("payouts_posting", "payouts_entry", "payouts_earning"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("VACUUM ANALYZE")


_SELLERS = """
    INSERT INTO payouts_seller (public_id, external_id, legal_name, entity_type, email, country, town, currency, tier_id, schedule, schedule_day,
                                status, status_reason, created_at)
    SELECT kit_typeid('sel'), 'bench-' || n, 'Seller ' || n, 'company', '', 'FR', '',
           CASE WHEN n <= %(small)s THEN 'GBP' WHEN n <= %(small)s + %(middle)s THEN 'USD' ELSE 'EUR' END,
           (SELECT min(id) FROM payouts_tier), (ARRAY['daily', 'weekly', 'monthly'])[1 + n %% 3], 1, 'active', '', %(began)s
      FROM generate_series(1, %(n)s) AS n"""
_PAYEES = """
    INSERT INTO payouts_payeeaccount (public_id, seller_id, currency, version, kind, account_holder, number, routing_number, number_index, last4,
                                      bic, bank_name, country, status, status_code, name_check, created_by, created_at, cool_off_until)
    SELECT kit_typeid('pac'), id, currency, 1, 'iban', 'sealed', 'sealed', '', md5(external_id), right('000' || id, 4), '', '', 'FR', 'active', '',
           'match', 'system:bench', created_at, created_at FROM payouts_seller"""
_ACCOUNTS = """
    INSERT INTO payouts_account (code, holder_id, holder, currency, normal_sign, guarded, created_at)
    (SELECT code, s.id, '', s.currency, -1, true, s.created_at FROM payouts_seller s
      CROSS JOIN unnest(ARRAY['seller.pending', 'seller.available', 'seller.in_payout']) WITH ORDINALITY AS u(code, place)
      ORDER BY s.id, place)
    UNION ALL
    SELECT code, 0, holder, currency, sign, false, now() FROM (VALUES ('psp.clearing', 'psp', 1), ('revenue.commission', 'platform', -1))
           AS v(code, holder, sign) CROSS JOIN unnest(ARRAY['EUR', 'USD', 'GBP']) AS currency"""
_EARNINGS = """
    INSERT INTO payouts_earning (public_id, source, external_id, seller_id, kind, order_ref, occurred_at, currency, gross_minor, fee_minor,
                                 net_minor, fingerprint, available_at, matured_at, pending_minor, uncovered_minor, line_no, recorded_at)
    SELECT 'ern_' || id || '_' || %(number)s, 'bench', id || '-' || %(number)s, id, 'sale', 'order-' || %(number)s, %(day)s, currency, 12000,
           1200, 10800, '', %(day)s, %(day)s, 0, 0, 0, %(day)s FROM payouts_seller"""
_POSTINGS = """
    WITH p AS (
        INSERT INTO payouts_posting (template, template_version, key, fingerprint, source_kind, source_id, actor, approver, reason, recorded_at,
                                     effective_at)
        SELECT t, 1, s.id || '-' || %(number)s, '', 'earning', s.id, 'system:bench', '', '', %(day)s, %(day)s
          FROM payouts_seller s CROSS JOIN unnest(ARRAY['sale', 'mature']) AS t
        RETURNING id, template, source_id)
    INSERT INTO payouts_entry (posting_id, account_id, amount_minor, currency, position)
    SELECT p.id, CASE v.code WHEN 'pending' THEN own.id WHEN 'available' THEN own.id + 1 ELSE hot.id END, v.amount, s.currency, v.n
      FROM p JOIN payouts_seller s ON s.id = p.source_id
      JOIN (VALUES ('sale', 0, 'psp.clearing', 12000), ('sale', 1, 'pending', -10800), ('sale', 2, 'revenue.commission', -1200),
                   ('mature', 0, 'pending', 10800), ('mature', 1, 'available', -10800)) AS v(template, n, code, amount) USING (template)
      JOIN payouts_account own ON own.code = 'seller.pending' AND own.holder_id = s.id AND own.currency = s.currency
      LEFT JOIN payouts_account hot ON hot.code = v.code AND hot.holder_id = 0 AND hot.currency = s.currency"""
_BALANCES = """
    INSERT INTO payouts_balance (account_id, amount_minor, normal_sign, floor_minor)
    SELECT a.id, coalesce(sum(e.amount_minor), 0), -1, 0 FROM payouts_account a LEFT JOIN payouts_entry e ON e.account_id = a.id
     WHERE a.guarded GROUP BY a.id"""
