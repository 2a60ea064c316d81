"""Stage the facts of both sides, each once: provider transactions, buyers' payments, lines of bank statements, entries of our ledger.

Nothing is copied that is kept elsewhere: a bank line points at its entry in the bank's file, a ledger line at its posting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection

from backoffice.kit.actors import Actor, system
from backoffice.kit.transactions import composable
from billing.reconciliation.models import Feed, FeedKind
from billing.reconciliation.states import ACCOUNT_OF_LEG, Leg

ROBOT = system("reconciliation")
BATCH = 50_000
# Postings that are no statement of ours: a placeholder for what the bank moved, and the difference lines' own.
NOT_STAGED = ("bank_unexplained", "match_difference", "break_corrected", "write_off")

_COLUMNS = (
    "side, leg, source, holder, source_ref, kind, reference, batch_reference, provider_ref, trace_ref, payout_ref, amount_minor, fee_minor, "
    "currency, on_day, posting_id, bank_entry_id"
)


class Fact(NamedTuple):
    """What somebody else says happened to money of ours; `amount_minor` signed from our side."""

    source_ref: str
    kind: str
    amount_minor: int
    currency: str
    on: date
    reference: str = ""
    provider_ref: str = ""
    trace_ref: str = ""
    payout_ref: str = ""
    fee_minor: int = 0


def _insert(select: str, params: dict[str, Any], *, actor: Actor, at: datetime) -> int:
    """Stage what a SELECT of _COLUMNS answers and nobody staged before, with its first history; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH found ({_COLUMNS}) AS ({select}),
                fresh AS (
                    INSERT INTO billing_stagedline (side, leg, source, holder, source_ref, kind, reference, batch_reference, provider_ref,
                        trace_ref, payout_ref, amount_minor, fee_minor, currency, "on", posting_id, bank_entry_id, state, staged_at)
                    SELECT {_COLUMNS}, 'staged', %(_at)s FROM found
                    ON CONFLICT (source, holder, source_ref) DO NOTHING RETURNING id)
                INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
                SELECT 'staged_line', id, '', 'staged', %(_actor)s, '', '', %(_at)s FROM fresh""",  # noqa: S608 - of constants
            params | {"_actor": str(actor), "_at": at},
        )
        return cursor.rowcount


def feed_of(name: str, kind: FeedKind, at: datetime, templates: Sequence[str] = ()) -> Feed:
    """Return the feed of that name, made at its first fact."""
    return Feed.objects.get_or_create(name=name, defaults={"kind": kind, "templates": list(templates), "created_at": at})[0]


@composable
def stage_facts(*, source: str, holder: str, facts: Sequence[Fact], actor: Actor, at: datetime) -> int:
    """Stage facts about money at a provider; return how many were new. A payout named later is written onto the line that lacks it."""
    columns: tuple[list[Any], ...] = tuple(list(column) for column in zip(*facts, strict=True)) if facts else ()
    if not columns:
        return 0
    names = [name[:200] for name in columns[0]]
    staged = _insert(
        """SELECT 'theirs', 'clearing', %(source)s, %(holder)s, u.ref, u.kind, u.reference, '', u.provider_ref, u.trace_ref, u.payout_ref,
                  u.amount, u.fee, u.currency, u.day, NULL::bigint, NULL::bigint
             FROM unnest(%(refs)s::text[], %(kinds)s::text[], %(amounts)s::bigint[], %(currencies)s::text[], %(days)s::date[],
                         %(references)s::text[], %(provider_refs)s::text[], %(trace_refs)s::text[], %(payout_refs)s::text[], %(fees)s::bigint[])
                  AS u(ref, kind, amount, currency, day, reference, provider_ref, trace_ref, payout_ref, fee)
            WHERE u.amount <> 0 OR u.fee <> 0""",
        {
            "source": source,
            "holder": holder,
            "refs": names,
            "kinds": [kind[:40] for kind in columns[1]],
            "amounts": columns[2],
            "currencies": columns[3],
            "days": columns[4],
            "references": [text[:120] for text in columns[5]],
            "provider_refs": [text[:120] for text in columns[6]],
            "trace_refs": [text[:120] for text in columns[7]],
            "payout_refs": [text[:120] for text in columns[8]],
            "fees": columns[9],
        },
        actor=actor,
        at=at,
    )
    _link(source, holder, names, [text[:120] for text in columns[8]])
    return staged


def _link(source: str, holder: str, names: list[str], payouts: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE billing_stagedline l SET payout_ref = u.payout FROM unnest(%s::text[], %s::text[]) AS u(ref, payout)
                WHERE l.source = %s AND l.holder = %s AND l.source_ref = u.ref AND l.payout_ref = '' AND u.payout <> ''""",
            [names, payouts, source, holder],
        )


def contradictions(source: str, holder: str, facts: Iterable[Fact]) -> list[tuple[int, int]]:
    """Return (line id, what it says now less what it said) of facts told before with another amount; the first telling stands."""
    given = [(fact.source_ref[:200], fact.amount_minor, fact.fee_minor) for fact in facts]
    if not given:
        return []
    refs, amounts, fees = (list(column) for column in zip(*given, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT l.id, u.amount - l.amount_minor FROM billing_stagedline l
                 JOIN unnest(%s::text[], %s::bigint[], %s::bigint[]) AS u(ref, amount, fee) ON u.ref = l.source_ref
                WHERE l.source = %s AND l.holder = %s AND (l.amount_minor, l.fee_minor) IS DISTINCT FROM (u.amount, u.fee) ORDER BY 1""",
            [refs, amounts, fees, source, holder],
        )
        return cursor.fetchall()


_BANK = """
    SELECT 'theirs', 'cash', 'bank',
           CASE WHEN length(e.account_iban) <= 8 THEN e.account_iban
                ELSE left(e.account_iban, 4) || '****' || right(e.account_iban, 4) END,
           e.line_ref, 'booking', coalesce(o.end_to_end_id, e.end_to_end_id), '',
           coalesce(substring(e.text from '\\m[a-z]{2,4}_[A-Za-z0-9_]{6,}'), ''), e.servicer_ref, '',
           CASE e.direction WHEN 'CRDT' THEN 1 ELSE -1 END * coalesce(e.amount_minor, o.amount_minor), 0,
           coalesce(nullif(e.currency, ''), o.currency), coalesce(e.booked_on, e.created_at::date), NULL::bigint, e.id
      FROM payouts_bankfileentry e JOIN payouts_bankfile f ON f.id = e.bank_file_id
      LEFT JOIN payouts_paymentorder o ON o.id = e.payment_order_id
     WHERE e.id > %(after)s AND e.id <= %(upto)s AND e.kind = 'booking'
       AND (f.format LIKE 'camt.053%%' OR f.format LIKE 'mt940%%' OR f.format IN ('bai2', 'csv'))
       AND e.outcome NOT IN ('in an earlier file', 'not_our_account') AND coalesce(e.amount_minor, o.amount_minor) <> 0"""


def stage_bank(*, after: int, at: datetime, commit: Callable[[], None]) -> tuple[int, int]:
    """Stage booked lines of our own accounts from entries of bank files behind `after`; return (how many, the last entry id looked at).

    Bank files are applied one after the other, so ids appear in order. `commit` is called after each batch.
    """
    staged = 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM payouts_bankfileentry")
        last = cursor.fetchone()[0]
    while after < last:
        upto = min(after + BATCH, last)
        staged += _insert(_BANK, {"after": after, "upto": upto}, actor=ROBOT, at=at)
        after = upto
        commit()
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO billing_feed (name, kind, templates, ledger_upto, ledger_candidate, candidate_xid, created_at, last_problem)
               SELECT DISTINCT holder, 'bank', '[]'::jsonb, 0, 0, '', %s::timestamptz, '' FROM billing_stagedline l
                WHERE source = 'bank' AND NOT EXISTS (SELECT 1 FROM billing_feed f WHERE f.name = l.holder)
               ON CONFLICT (name) DO NOTHING""",
            [at],
        )
    return staged, last


# What a posting is about, in our own words: an order's name, a payment's, an earning's order, or the id its key carries.
_LEDGER = """
    SELECT 'ours', CASE a.code WHEN 'psp.clearing' THEN 'clearing' WHEN 'psp.in_transit' THEN 'transit' ELSE 'cash' END, 'ledger', a.holder,
           e.id::text, p.template,
           CASE WHEN p.source_kind = 'provider_payout' THEN ''
                ELSE left(coalesce(g.order_ref, o.end_to_end_id, substring(p.key from '[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{26}'), p.key), 120) END,
           coalesce(f.message_id, ''), '', '', coalesce(v.provider_ref, ''), e.amount_minor, 0, e.currency, p.effective_at::date, p.id,
           NULL::bigint
      FROM payouts_entry e JOIN payouts_account a ON a.id = e.account_id JOIN payouts_posting p ON p.id = e.posting_id
      LEFT JOIN payouts_posting r ON r.id = p.reverses_id
      LEFT JOIN payouts_earning g ON p.source_kind = 'earning' AND g.id = p.source_id
      LEFT JOIN payouts_paymentorder o ON p.template IN ('payout_settled', 'payout_bounced') AND o.public_id = p.key
      LEFT JOIN payouts_railfile f ON f.id = o.rail_file_id
      LEFT JOIN billing_providerpayout v ON p.source_kind = 'provider_payout' AND v.id = p.source_id
     WHERE p.template <> ALL(%(not_staged)s::text[]) AND (r.id IS NULL OR r.template <> ALL(%(not_staged)s::text[]))"""


def stage_ledger(*, at: datetime, commit: Callable[[], None]) -> int:
    """Stage the entries that the feeds speak of; return how many. `commit` is called after each batch.

    Entries are looked at again until every transaction that could still fill in a lower id is over: see ledger/checkpoints.py.
    """
    staged = 0
    for feed in Feed.objects.order_by("name"):
        candidate, xid, closed = _horizon(feed)
        accounts = _accounts(feed)
        after = feed.ledger_upto
        while accounts and (upto := _batch_end(accounts, after)):
            staged += _insert(
                _LEDGER
                + " AND e.account_id = ANY(%(accounts)s) AND e.id > %(after)s AND e.id <= %(upto)s"
                + (" AND p.template = ANY(%(templates)s::text[])" if feed.templates else ""),
                {
                    "not_staged": list(NOT_STAGED),
                    "accounts": accounts,
                    "after": after,
                    "upto": upto,
                    "templates": feed.templates,
                },
                actor=ROBOT,
                at=at,
            )
            after = upto
            commit()
        Feed.objects.filter(pk=feed.pk).update(
            ledger_upto=max(feed.ledger_upto, closed), ledger_candidate=candidate, candidate_xid=xid
        )
        commit()
    return staged


def _horizon(feed: Feed) -> tuple[int, str, int]:
    """Return a new candidate with its boundary, and the earlier candidate where it is closed by now (else 0)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce((SELECT max(id) FROM payouts_entry), 0), pg_snapshot_xmax(pg_current_snapshot())::text,
                      CASE WHEN %(xid)s <> '' AND %(xid)s::xid8 <= pg_snapshot_xmin(pg_current_snapshot()) THEN %(candidate)s ELSE 0 END""",
            {"xid": feed.candidate_xid or "0", "candidate": feed.ledger_candidate},
        )
        candidate, xid, closed = cursor.fetchone()
        return candidate, xid, closed if feed.candidate_xid else 0


def _accounts(feed: Feed) -> list[int]:
    legs = [Leg.CASH] if feed.kind == FeedKind.BANK else [Leg.CLEARING, Leg.TRANSIT]
    codes = [ACCOUNT_OF_LEG[leg] for leg in legs]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM payouts_account WHERE code = ANY(%s) AND holder_id = 0 AND holder = %s ORDER BY id",
            [codes, feed.name],
        )
        return [row[0] for row in cursor.fetchall()]


def _batch_end(accounts: list[int], after: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(max(id), 0) FROM (SELECT id FROM payouts_entry WHERE account_id = ANY(%s) AND id > %s ORDER BY id LIMIT %s) e""",
            [accounts, after, BATCH],
        )
        return int(cursor.fetchone()[0])


def stage_postings(posting_ids: Sequence[int], *, at: datetime) -> None:
    """Stage the entries of some postings at once, for verbs that book and match in one transaction."""
    codes = list(ACCOUNT_OF_LEG.values())
    _insert(
        _LEDGER + " AND p.id = ANY(%(postings)s) AND a.code = ANY(%(codes)s) AND a.holder_id = 0",
        {"not_staged": list(NOT_STAGED), "postings": list(posting_ids), "codes": codes},
        actor=ROBOT,
        at=at,
    )
