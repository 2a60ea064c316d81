"""Names under which both sides say the same from the start, which is nearly all of them: each is one group, written once as what it is.

The walk through open groups (matching.py) writes every group three times and every line twice. Here a group whose lines add up is born and posted
in one statement, with the same two moves in its history; whatever does not add up, or has a group already, is left to the walk.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from billing.reconciliation.judging import clear_breaks, lift_placeholders

_WHOLE = """
    WITH k AS MATERIALIZED ({loose}),
    whole AS (
        SELECT leg, holder, currency, name, max("on") AS last_on, count(*) AS lines,
               sum(amount_minor) FILTER (WHERE side = 'theirs') AS theirs, sum(amount_minor) FILTER (WHERE side = 'ours') AS ours
          FROM k GROUP BY 1, 2, 3, 4
        HAVING sum(amount_minor) FILTER (WHERE side = 'theirs') = sum(amount_minor) FILTER (WHERE side = 'ours')),
    fresh AS (
        INSERT INTO billing_matchgroup (key, leg, holder, reference, currency, rulebook_id, rule, state, theirs_minor, ours_minor, lines_count,
            last_on, decided_by, forced, created_at, decided_at)
        SELECT {key}, k.leg, k.holder, k.name, k.currency, %(book)s, %(rule)s, 'posted', k.theirs, k.ours, k.lines, k.last_on, 'auto', false,
               %(at)s, %(at)s
          FROM whole k ON CONFLICT (key) WHERE state <> 'void' DO NOTHING RETURNING id, leg, holder, currency, reference, lines_count),
    told AS (
        INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
        SELECT 'match_group', f.id, m.was, m.became, %(actor)s, m.code, '', %(at)s
          FROM fresh f CROSS JOIN (VALUES (1, '', 'expected', ''), (2, 'expected', 'posted', %(rule)s)) m(step, was, became, code)
         ORDER BY f.id, m.step),
    joined AS (
        UPDATE billing_stagedline l SET group_id = f.id, state = 'matched' FROM k
          JOIN fresh f ON (f.leg, f.holder, f.currency, f.reference) = (k.leg, k.holder, k.currency, k.name)
         WHERE l.id = k.id AND l.group_id IS NULL AND l.state = k.state
        RETURNING l.id, l.group_id, k.state AS was, l.bank_entry_id),
    followed AS (
        INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
        SELECT 'staged_line', id, was, 'matched', %(actor)s, '', '', %(at)s FROM joined)
    SELECT count(*), (SELECT coalesce(sum(lines_count), 0)::bigint FROM fresh),
           coalesce(array_agg(DISTINCT group_id) FILTER (WHERE bank_entry_id IS NOT NULL), '{{}}'),
           coalesce(array_agg(DISTINCT group_id) FILTER (WHERE was = 'needs_review'), '{{}}')
      FROM joined"""
KEY = "%(rule)s || '|' || k.leg || '|' || k.holder || '|' || k.currency || '|' || k.name"


def match_whole(loose: str, params: dict[str, Any]) -> int:
    """Open, add up and post a group for each fresh name that adds up among the lines `loose` selects; return how many lines it took.

    Somebody who takes one of these lines by hand meanwhile makes the sums wrong: then nothing of it stands, and the walk does it.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_WHOLE.format(loose=loose, key=KEY), params)
            joined, meant, of_bank, had_break = cursor.fetchone()
        if joined != meant:
            transaction.set_rollback(True)
            return 0
        if of_bank:
            lift_placeholders(of_bank, at=params["at"])
        if had_break:
            clear_breaks(had_break, params["at"])
    return int(joined)
