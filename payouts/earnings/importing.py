"""Import a file of earnings: batch by batch, each with its progress in one transaction, so that a killed import goes on where it stopped."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import OperationalError, connection, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.transactions import durable
from payouts.earnings.lines import BadLine, EarningLine, parse_all
from payouts.earnings.models import EarningImport, ImportState, RejectedLine, RejectedState
from payouts.earnings.newcomers import create_unknown
from payouts.earnings.operations import LINES_MAX, close_rejected, line_of, record_parsed
from payouts.earnings.reading import SourceFile, open_source
from payouts.earnings.rejects import still_rejected, write_rejects
from payouts.earnings.shares import ImportIsRunning, Totals, add_totals, work_through

BATCH_LINES = 5_000
WORKERS = 2
SOURCE_MAX = 60


@dataclass
class ImportSummary:
    """What an import answers; totals are signed and of the accepted lines only, by currency."""

    import_id: str
    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejects_file: str | None = None
    totals: dict[str, dict[str, int]] = field(default_factory=dict)
    repeated: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            "rejects_file": self.rejects_file,
            "totals": self.totals,
            "import": self.import_id,
            "repeated": self.repeated,
        }


@durable
def import_earnings(
    *,
    path: Path | str,
    source: str,
    actor: Actor,
    at: datetime,
    create_sellers: bool = False,
    progress: Callable[[int], None] | None = None,
    batch_lines: int = BATCH_LINES,
    workers: int = WORKERS,
) -> ImportSummary:
    """Import a CSV, JSON Lines or Parquet file of any size; every line is accepted, a duplicate, or rejected and kept.

    The same bytes from the same source again are a repeated import: nothing is read anew, but lines rejected earlier get another chance.
    Killed and started again, it goes on behind the last committed batch and ends with the counts of an unbroken one. `progress` is called with
    the number of lines just done; `workers` connections book at once, each its share of the sellers. Tells `earnings.recorded` per batch. Refuses: FileUnusable, ImportIsRunning.
    """
    file = open_source(Path(path))
    with _only_one(file, source), _few_collections():
        job = _claim(file, source[:SOURCE_MAX], {"lines": batch_lines, "done": [0] * workers}, actor, at)
        if job.state == ImportState.DONE:
            return _repeat(job, actor=actor, at=at, create_sellers=create_sellers)
        work_through(job, file.lines(), actor=actor, at=at, create_sellers=create_sellers, progress=progress)
        EarningImport.objects.filter(pk=job.pk).update(state=ImportState.DONE, finished_at=at, error="")
        return _summary(job)


@contextmanager
def _only_one(file: SourceFile, source: str) -> Iterator[None]:
    """Hold an advisory lock of this content and source; it dies with the connection, so a killed import leaves none behind."""
    key = int.from_bytes(hashlib.sha256(f"{file.sha256} {source}".encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT pg_advisory_lock(%s)", [key])
        except OperationalError:  # lock_timeout: a killed predecessor's last statement is over long before
            raise ImportIsRunning(name=file.path.name) from None
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let the cyclic collector look seldom: lines die by their reference counts, and each look walks over thousands of them."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _claim(file: SourceFile, source: str, shares: dict[str, Any], actor: Actor, at: datetime) -> EarningImport:
    job = EarningImport.objects.filter(source=source, sha256=file.sha256).order_by("id").first()
    return job or EarningImport.objects.create(
        source=source,
        file_name=file.path.name[:200],
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        format=file.format,
        shares=shares,
        actor=str(actor),
        started_at=at,
    )


def _repeat(job: EarningImport, *, actor: Actor, at: datetime, create_sellers: bool) -> ImportSummary:
    """Answer a file that was imported before: what was booked is a duplicate, what was rejected is tried again."""
    summary = ImportSummary(job.public_id, read=job.lines_done, repeated=True)
    last = 0
    while rows := list(RejectedLine.objects.filter(batch=job, state=RejectedState.OPEN, pk__gt=last).order_by("pk")[:LINES_MAX]):
        last = rows[-1].pk
        outcomes, totals = _retry(job, rows, actor=actor, at=at, create_sellers=create_sellers)
        summary.accepted += outcomes.count("accepted")
        add_totals(summary.totals, totals)
    summary.rejected = still_rejected(job).count()
    summary.duplicate = summary.read - summary.accepted - summary.rejected
    summary.rejects_file = write_rejects(job)
    return summary


@transaction.atomic
def _retry(
    job: EarningImport, rows: list[RejectedLine], *, actor: Actor, at: datetime, create_sellers: bool
) -> tuple[list[str], Totals]:
    lines: list[EarningLine | BadLine] = [line_of(row) or BadLine(row.line_no, row.code, row.reason, row.raw) for row in rows]
    parsed = parse_all(lines, at)
    if create_sellers:
        parsed = create_unknown(parsed, actor=actor, at=at)
    booked = record_parsed(parsed=parsed, source=job.source, actor=actor, at=at, batch_id=job.pk, subject=job.public_id)
    for row, result in zip(rows, booked.results, strict=True):
        if result.outcome != "rejected":
            close_rejected(
                row, RejectedState.RETRIED, actor=actor, at=at, reason=f"{result.outcome} when its file was imported again"
            )
    return [result.outcome for result in booked.results], booked.totals


def _summary(job: EarningImport) -> ImportSummary:
    job.refresh_from_db()
    return ImportSummary(
        job.public_id, job.lines_done, job.accepted, job.duplicate, job.rejected, write_rejects(job), dict(job.totals)
    )
