"""Forget, long after a run has ended, whom it skipped: by far the most rows of a run, and of no use to its books."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from backoffice.kit.transactions import durable
from payouts.runs.states import RunStatus

# A year and a month: the run of this week can still be laid beside that of the same week a year ago. The run itself keeps how many it skipped.
SKIPS_KEPT_DAYS = 400
FORGET_AT_ONCE = 10_000
ENDED = [str(state) for state in (RunStatus.COMPLETED, RunStatus.DENIED, RunStatus.CANCELED, RunStatus.EXPIRED)]


@durable
def forget_skips(*, at: datetime, kept_days: int = SKIPS_KEPT_DAYS) -> int:
    """Delete the skips of ended runs built that long ago, FORGET_AT_ONCE a transaction; return how many."""
    forgotten = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                """DELETE FROM payouts_runskip WHERE id IN (
                       SELECT s.id FROM payouts_payoutrun r JOIN payouts_runskip s ON s.run_id = r.id
                        WHERE r.status = ANY(%(ended)s) AND r.built_at < %(before)s LIMIT %(limit)s)""",
                {"ended": ENDED, "before": at - timedelta(days=kept_days), "limit": FORGET_AT_ONCE},
            )
            count = cursor.rowcount
        forgotten += count
        if count < FORGET_AT_ONCE:
            return forgotten
