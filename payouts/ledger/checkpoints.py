"""Fold closed ranges of hot accounts' entries into checkpoints, so that reading them stays an index look-up.

No checkpoint may cover an entry id that an open transaction can still fill in. Ids are drawn in transactions that already have an xid (the
writer inserts postings first), so: note the highest id together with pg_snapshot_xmax; once pg_snapshot_xmin has reached it, every
transaction that could hold a lower id is over. max(id) alone would lose rows that commit late (Hordak PR 142).
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from backoffice.kit.transactions import composable
from payouts.ledger.models import Horizon


@composable
def roll_up(*, at: datetime) -> int:
    """Fold up to the newest closed horizon and note a new one; return how many accounts' checkpoints moved.

    Run it on a schedule; two runs a short while apart fold everything committed before the first. One at a time (advisory lock).
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('ledger.roll_up'))")
        if not cursor.fetchone()[0]:
            return 0
        # a horizon noted on another server (a restore) may name xids that are still to come here: it is dropped, not trusted
        cursor.execute("DELETE FROM payouts_horizon WHERE boundary_xid::xid8 > pg_snapshot_xmax(pg_current_snapshot())")
        cursor.execute(
            """SELECT id, upto_entry_id FROM payouts_horizon
                WHERE boundary_xid::xid8 <= pg_snapshot_xmin(pg_current_snapshot()) ORDER BY upto_entry_id DESC LIMIT 1"""
        )
        closed = cursor.fetchone()
        moved = _fold(cursor, closed[1], at) if closed else 0
        if closed:
            Horizon.objects.filter(upto_entry_id__lte=closed[1]).delete()
        _note(cursor, at)
        return moved


def _fold(cursor: object, upto: int, at: datetime) -> int:
    cursor.execute(  # type: ignore[attr-defined]
        """INSERT INTO payouts_checkpoint (account_id, upto_entry_id, amount_minor, folded_at)
           SELECT a.id, %(upto)s, coalesce(c.amount_minor, 0) + t.total, %(at)s
             FROM payouts_account a LEFT JOIN payouts_checkpoint c ON c.account_id = a.id
             CROSS JOIN LATERAL (SELECT coalesce(sum(e.amount_minor), 0)::bigint AS total FROM payouts_entry e
                 WHERE e.account_id = a.id AND e.id > coalesce(c.upto_entry_id, 0) AND e.id <= %(upto)s) t
            WHERE NOT a.guarded AND coalesce(c.upto_entry_id, 0) < %(upto)s
           ON CONFLICT (account_id) DO UPDATE SET upto_entry_id = EXCLUDED.upto_entry_id,
               amount_minor = EXCLUDED.amount_minor, folded_at = EXCLUDED.folded_at""",
        {"upto": upto, "at": at},
    )
    return cursor.rowcount  # type: ignore[attr-defined]


def _note(cursor: object, at: datetime) -> None:
    """Note the highest drawn id with the xid below which everything must end before that id is safe."""
    cursor.execute(  # type: ignore[attr-defined]
        """INSERT INTO payouts_horizon (upto_entry_id, boundary_xid, noted_at)
           SELECT h.top, pg_snapshot_xmax(pg_current_snapshot())::text, %s
             FROM (SELECT coalesce(max(id), 0) AS top FROM payouts_entry) h
            WHERE h.top > coalesce((SELECT max(upto_entry_id) FROM payouts_checkpoint), 0)""",
        [at],
    )
