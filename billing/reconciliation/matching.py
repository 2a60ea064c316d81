"""Match by equal names, in sets: every line with the name joins the one group of that name, and the group's sums give the verdict.

A group is therefore a function of the set of lines that were staged: not of their order, of how often they came, or in how many pieces. Slices
of names are committed one after the other, so that a killed pass goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection

from billing.reconciliation.judging import judge
from billing.reconciliation.models import MatchRulebook
from billing.reconciliation.rulebook import NAMES, Rule
from billing.reconciliation.staging import ROBOT
from billing.reconciliation.wholes import KEY, match_whole

SLICE_LINES = 100_000

# Payouts are put together by the room's own walk (payouts.py).
_LOOSE = """SELECT l.id, l.side, l.leg, l.holder, l.currency, l."on", l.amount_minor, l.state, l.bank_entry_id,
                   CASE l.side WHEN 'theirs' THEN l.{theirs} ELSE l.{ours} END AS name
              FROM billing_stagedline l
             WHERE l.group_id IS NULL AND l.state IN ('staged', 'needs_review') AND l.leg = ANY(%(legs)s)
               AND CASE l.side WHEN 'theirs' THEN l.{theirs} ELSE l.{ours} END <> ''
               AND NOT (l.source = 'provider' AND l.kind = 'payout')
               AND mod(abs(hashtext(CASE l.side WHEN 'theirs' THEN l.{theirs} ELSE l.{ours} END)::bigint), %(slices)s) = %(slice)s"""


def match_by_names(*, rule: Rule, book: MatchRulebook, at: datetime, commit: Callable[[], None]) -> int:
    """Apply one rule of equal names to everything loose; return how many lines found their group."""
    joined = 0
    slices = 1 + _loose_lines(rule) // SLICE_LINES
    for number in range(slices):
        params = {
            "legs": list(rule.legs), "slices": slices, "slice": number, "rule": rule.code, "book": book.pk, "at": at, "actor": str(ROBOT),
        }  # fmt: skip
        joined += match_whole(_loose(rule), params)
        _open_groups(rule, params)
        touched = _join(rule, params)
        joined += touched[0]
        judge(touched[1], rule=rule, book=book, at=at)
        commit()
    return joined


def _loose(rule: Rule) -> str:
    if rule.theirs not in NAMES or rule.ours not in NAMES:
        raise ValueError(f"{rule.code} compares columns that are no names.")
    return _LOOSE.format(theirs=rule.theirs, ours=rule.ours)


def _loose_lines(rule: Rule) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM billing_stagedline WHERE group_id IS NULL AND leg = ANY(%s)",
            [list(rule.legs)],
        )
        return int(cursor.fetchone()[0])


def _open_groups(rule: Rule, params: dict[str, Any]) -> None:
    """Open a group for each name that both sides use and none has yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH k AS (SELECT leg, holder, currency, name, max("on") AS last_on FROM ({_loose(rule)}) x
                            GROUP BY 1, 2, 3, 4 HAVING bool_or(side = 'theirs') AND bool_or(side = 'ours')),
                fresh AS (
                    INSERT INTO billing_matchgroup (key, leg, holder, reference, currency, rulebook_id, rule, state, theirs_minor, ours_minor,
                        lines_count, last_on, decided_by, forced, created_at)
                    SELECT {KEY}, k.leg, k.holder, k.name, k.currency, %(book)s, %(rule)s, 'expected', 0, 0, 0, k.last_on, '', false, %(at)s
                      FROM k ON CONFLICT (key) WHERE state <> 'void' DO NOTHING RETURNING id)
                INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
                SELECT 'match_group', id, '', 'expected', %(actor)s, '', '', %(at)s FROM fresh""",  # noqa: S608 - of constants and checked names
            params,
        )


def _join(rule: Rule, params: dict[str, Any]) -> tuple[int, list[int]]:
    """Put every loose line into the group of its name; return how many, and the groups."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH k AS MATERIALIZED ({_loose(rule)}),
                joined AS (
                    UPDATE billing_stagedline l SET group_id = g.id FROM k JOIN billing_matchgroup g
                        ON g.key = {KEY} AND g.state <> 'void'
                     WHERE l.id = k.id AND l.group_id IS NULL RETURNING g.id AS group_id)
                SELECT coalesce(sum(lines), 0)::bigint, coalesce(array_agg(group_id), '{{}}')
                  FROM (SELECT group_id, count(*) AS lines FROM joined GROUP BY 1) s""",  # noqa: S608 - of constants and checked names
            params,
        )
        count, groups = cursor.fetchone()
        return int(count), groups


# --- by amount and day -------------------------------------------------------------------------------------------------

# Where so many lines share an amount, it identifies none of them.
SAME_AMOUNT_MAX = 50

# A match by amount waits until no rival can come any more, and is made only where both are alone with each other: so it does not depend on
# which of two came first. Lines that name different things are never taken for each other.
_PAIRS = """
    WITH quiet AS MATERIALIZED (
        SELECT id, side, leg, holder, currency, amount_minor, "on", reference, source, source_ref FROM billing_stagedline
         WHERE group_id IS NULL AND state IN ('staged', 'needs_review') AND leg = ANY(%(legs)s) AND amount_minor <> 0
           AND NOT (source = 'provider' AND kind = 'payout')),
    crowded AS (
        SELECT leg, holder, currency, amount_minor FROM quiet GROUP BY 1, 2, 3, 4
        HAVING count(*) FILTER (WHERE side = 'theirs') > %(same_max)s OR count(*) FILTER (WHERE side = 'ours') > %(same_max)s),
    pairs AS (
        SELECT t.id AS theirs, o.id AS ours, t.leg, t.holder, t.currency, greatest(t."on", o."on") AS last_on,
               left(t.source || ':' || t.source_ref, 120) AS name, t."on" AS theirs_on, o."on" AS ours_on,
               count(*) OVER (PARTITION BY t.id) AS of_theirs, count(*) OVER (PARTITION BY o.id) AS of_ours
          FROM quiet t JOIN quiet o ON o.side = 'ours' AND (o.leg, o.holder, o.currency, o.amount_minor)
                                     = (t.leg, t.holder, t.currency, t.amount_minor)
                                   AND abs(o."on" - t."on") <= %(days)s AND (t.reference = '' OR o.reference = '')
         WHERE t.side = 'theirs' AND NOT EXISTS (SELECT 1 FROM crowded c
               WHERE (c.leg, c.holder, c.currency, c.amount_minor) = (t.leg, t.holder, t.currency, t.amount_minor)))
    SELECT leg, holder, currency, name, last_on, theirs, ours FROM pairs
     WHERE of_theirs = 1 AND of_ours = 1 AND least(theirs_on, ours_on) + 2 * %(days)s + %(settle)s < %(today)s::date
     ORDER BY leg, holder, currency, name"""


def match_by_amount(*, rule: Rule, book: MatchRulebook, at: datetime, commit: Callable[[], None]) -> int:
    """Match lines that are alone with their amount, in both directions, within the rule's days; return how many lines."""
    with connection.cursor() as cursor:
        cursor.execute(
            _PAIRS,
            {
                "legs": list(rule.legs),
                "same_max": SAME_AMOUNT_MAX,
                "days": rule.days,
                "settle": rule.settle_days,
                "today": at.date(),
            },
        )
        found = cursor.fetchall()
    for leg, holder, currency, name, last_on, theirs, ours in found:
        claim(rule.code, book, leg, holder, currency, name, last_on, [theirs, ours], rule=rule, at=at)
    commit()
    return 2 * len(found)


def claim(
    code: str,
    book: MatchRulebook,
    leg: str,
    holder: str,
    currency: str,
    name: str,
    last_on: Any,
    line_ids: list[int],
    *,
    rule: Rule,
    at: datetime,
) -> int:
    """Put named lines into a group of their own, and judge it; return the group's id."""
    group_id = open_group(code, book, leg, holder, currency, name, last_on, at=at)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_stagedline SET group_id = %s WHERE id = ANY(%s) AND group_id IS NULL", [group_id, sorted(line_ids)]
        )
    judge([group_id], rule=rule, book=book, at=at)
    return group_id


def open_group(
    code: str, book: MatchRulebook, leg: str, holder: str, currency: str, name: str, last_on: Any, *, at: datetime
) -> int:
    """Return the group of a key, opened where there is none."""
    key = "|".join((code, leg, holder, currency, name))
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH fresh AS (
                   INSERT INTO billing_matchgroup (key, leg, holder, reference, currency, rulebook_id, rule, state, theirs_minor, ours_minor,
                       lines_count, last_on, decided_by, forced, created_at)
                   VALUES (%(key)s, %(leg)s, %(holder)s, %(name)s, %(currency)s, %(book)s, %(rule)s, 'expected', 0, 0, 0, %(on)s, '', false,
                       %(at)s) ON CONFLICT (key) WHERE state <> 'void' DO NOTHING RETURNING id),
               told AS (
                   INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
                   SELECT 'match_group', id, '', 'expected', %(actor)s, '', '', %(at)s FROM fresh RETURNING subject_id)
               SELECT subject_id FROM told UNION ALL SELECT id FROM billing_matchgroup WHERE key = %(key)s AND state <> 'void'""",
            {
                "key": key, "leg": leg, "holder": holder, "name": name, "currency": currency, "book": book.pk, "rule": code, "on": last_on,
                "at": at, "actor": str(ROBOT),
            },
        )  # fmt: skip
        return int(cursor.fetchone()[0])
