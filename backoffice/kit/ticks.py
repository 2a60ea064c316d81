"""Ticks: one run a job and slot, however many schedulers ring, whatever is killed.

A bell may ring twice, late or never; the row (job, scheduled_for) decides. What a missed slot means is each job's own catch-up rule: all of
ours work from the state of the database, so one run makes up for any number of missed ones.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, models

from backoffice.kit.logs import redacted
from backoffice.kit.transactions import durable

logger = logging.getLogger(__name__)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
KEPT_DAYS = 14


class JobRun(models.Model):
    """One run of one job for one slot."""

    job = models.CharField(max_length=60)
    scheduled_for = models.DateTimeField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    ok = models.BooleanField(null=True)
    answer = models.JSONField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        app_label = "backoffice"
        constraints = [models.UniqueConstraint(fields=["job", "scheduled_for"], name="job_once_a_slot")]
        indexes = [models.Index(fields=["scheduled_for"], name="job_run_age")]

    def __str__(self) -> str:
        return f"{self.job} {self.scheduled_for:%Y-%m-%d %H:%M:%S}"


def slot_of(at: datetime, every_seconds: int) -> datetime:
    """Return the beginning of the slot an instant lies in."""
    whole = int((at - EPOCH).total_seconds()) // every_seconds * every_seconds
    return EPOCH + timedelta(seconds=whole)


@durable
def run_tick(*, job: str, every_seconds: int, work: Callable[[datetime], Any], at: datetime) -> JobRun | None:
    """Run a job for the slot of `at`, unless somebody has; None when somebody has. A failure is kept on the row and raised."""
    scheduled_for = slot_of(at, every_seconds)
    row = _claim(job, scheduled_for, at)
    if row is None:
        return None
    try:
        row.answer = json.loads(json.dumps(work(at), default=str))
        row.ok = True
    except Exception as problem:
        logger.exception("job %s failed", job)
        row.ok, row.error = False, redacted(f"{type(problem).__name__}: {problem}")[:1000]
        raise
    finally:
        row.finished_at = datetime.now(UTC)
        row.save(update_fields=["finished_at", "ok", "answer", "error"])
    return row


def _claim(job: str, scheduled_for: datetime, at: datetime) -> JobRun | None:
    """Insert the row of the slot, or learn that another scheduler did."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO backoffice_jobrun (job, scheduled_for, started_at, error) VALUES (%s, %s, %s, '')
               ON CONFLICT (job, scheduled_for) DO NOTHING RETURNING id""",
            [job, scheduled_for, at],
        )
        made = cursor.fetchone()
    return JobRun.objects.get(pk=made[0]) if made else None


def forget_ticks(at: datetime) -> int:
    """Delete runs older than KEPT_DAYS; returns how many."""
    deleted, _ = JobRun.objects.filter(scheduled_for__lt=at - timedelta(days=KEPT_DAYS)).delete()
    return deleted
