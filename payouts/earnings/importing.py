"""Import a file of earnings: batch by batch, each with its progress in one transaction, so that a killed import goes on where it stopped."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import F
from psycopg.errors import DeadlockDetected, SerializationFailure

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.failpoints import declare, failpoint
from backoffice.kit.transactions import durable
from payouts.earnings.lines import BadLine, EarningLine, LineResult, ParsedLine, parse_all
from payouts.earnings.models import EarningImport, ImportState, RejectedLine, RejectedState
from payouts.earnings.operations import LINES_MAX, close_rejected, line_of, record_parsed
from payouts.earnings.reading import Line, SourceFile, open_source
from payouts.earnings.rejects import rejected_row, still_rejected, write_rejects
from payouts.sellers.models import EntityType, Schedule, Seller
from payouts.sellers.operations import create_seller

logger = logging.getLogger(__name__)
declare("import_before_commit", "import_after_commit")

BATCH_LINES = 5_000
BATCH_TRIES = 5
SOURCE_MAX = 60


class ImportIsRunning(Refusal):
    code = "import_is_running"
    sentence = "{name} is being imported by another process just now."


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


Totals = dict[str, dict[str, int]]
Batch = list[tuple[Line, ParsedLine | LineResult]]


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
) -> ImportSummary:
    """Import a CSV, JSON Lines or Parquet file of any size; every line is accepted, a duplicate, or rejected and kept.

    The same bytes from the same source again are a repeated import: nothing is read anew, but lines rejected earlier get another chance.
    Killed and started again, it goes on behind the last committed batch and ends with the counts of an unbroken one. `progress` is called with
    the number of lines just done. Tells `earnings.recorded` per batch. Refuses: FileUnusable, ImportIsRunning.
    """
    file = open_source(Path(path))
    with _only_one(file, source):
        job = _claim(file, source[:SOURCE_MAX], actor, at)
        if job.state == ImportState.DONE:
            return _repeat(job, actor=actor, at=at, create_sellers=create_sellers)
        with ThreadPoolExecutor(1, thread_name_prefix="parse") as ahead:
            batches = _batches(file.lines(), job.lines_done, at, batch_lines)
            upcoming = ahead.submit(next, batches, None)
            while (batch := upcoming.result()) is not None:
                upcoming = ahead.submit(next, batches, None)
                _commit_batch(job, batch, actor=actor, at=at, create_sellers=create_sellers)
                if progress:
                    progress(len(batch))
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


def _claim(file: SourceFile, source: str, actor: Actor, at: datetime) -> EarningImport:
    job = EarningImport.objects.filter(source=source, sha256=file.sha256).order_by("id").first()
    return job or EarningImport.objects.create(
        source=source,
        file_name=file.path.name[:200],
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        format=file.format,
        actor=str(actor),
        started_at=at,
    )


def _batches(lines: Iterator[Line], skip: int, at: datetime, size: int) -> Iterator[Batch]:
    """Parse ahead, in a thread of its own; `skip` lines are done already."""
    lines = islice(lines, skip, None)
    while chunk := list(islice(lines, size)):
        yield list(zip(chunk, parse_all(chunk, at), strict=True))


def _commit_batch(job: EarningImport, batch: Batch, *, actor: Actor, at: datetime, create_sellers: bool) -> None:
    """Book one batch and move the job on, in one transaction; a deadlock's victim tries again."""
    for attempt in range(1, BATCH_TRIES + 1):
        try:
            with transaction.atomic():
                _book_batch(job, batch, actor=actor, at=at, create_sellers=create_sellers)
                failpoint("import_before_commit")
            job.lines_done += len(batch)
            break
        except OperationalError as error:
            if attempt == BATCH_TRIES or not isinstance(error.__cause__, DeadlockDetected | SerializationFailure):
                raise
            logger.warning("import %s: deadlock, batch tried again", job.public_id)
    failpoint("import_after_commit")


def _book_batch(job: EarningImport, batch: Batch, *, actor: Actor, at: datetime, create_sellers: bool) -> None:
    parsed = [one for _, one in batch]
    if create_sellers:
        parsed = create_unknown(parsed, actor=actor, at=at)
    booked = record_parsed(parsed=parsed, source=job.source, actor=actor, at=at, batch_id=job.pk, subject=job.public_id)
    refused = [(line, result) for (line, _), result in zip(batch, booked.results, strict=True) if result.outcome == "rejected"]
    RejectedLine.objects.bulk_create([rejected_row(job, line, result, at) for line, result in refused], batch_size=1_000)
    fresh = EarningImport.objects.select_for_update().get(pk=job.pk)
    _add(fresh.totals, booked.totals)
    moved = EarningImport.objects.filter(pk=job.pk, lines_done=job.lines_done).update(
        lines_done=F("lines_done") + len(batch),
        accepted=F("accepted") + booked.count("accepted"),
        duplicate=F("duplicate") + booked.count("duplicate"),
        rejected=F("rejected") + len(refused),
        totals=fresh.totals,
    )
    if not moved:
        raise ImportIsRunning(name=job.file_name)


def _add(totals: Totals, more: Totals) -> None:
    for currency, sums in more.items():
        kept = totals.setdefault(currency, dict.fromkeys(sums, 0))
        for name, amount in sums.items():
            kept[name] += amount


def create_unknown(parsed: list[ParsedLine | LineResult], *, actor: Actor, at: datetime) -> list[ParsedLine | LineResult]:
    """Open the sellers nobody knows yet, as created: they earn, and are paid once somebody has reviewed them.

    A seller that cannot be opened leaves its lines rejected with the reason.
    """
    lines = [one for one in parsed if isinstance(one, ParsedLine)]
    wanted = {line.seller: line.currency for line in reversed(lines)}
    known = set(Seller.objects.filter(external_id__in=list(wanted)).values_list("external_id", flat=True))
    refused: dict[str, Refusal] = {}
    for external_id in sorted(set(wanted) - known):
        try:
            with transaction.atomic():
                _create(external_id, wanted[external_id], actor, at)
        except Refusal as refusal:
            refused[external_id] = refusal
    return [
        LineResult(one.line.line_no, one.external_id, "rejected", refused[one.seller].code, str(refused[one.seller]))
        if isinstance(one, ParsedLine) and one.seller in refused
        else one
        for one in parsed
    ]


def _create(external_id: str, currency: str, actor: Actor, at: datetime) -> None:
    create_seller(
        external_id=external_id,
        legal_name=external_id,
        entity_type=EntityType.COMPANY,
        country=settings.PLATFORM_COUNTRY,
        currency=currency,
        tier="new",
        schedule=Schedule.WEEKLY,
        actor=actor,
        key=f"import:{external_id}",
        at=at,
    )


def _repeat(job: EarningImport, *, actor: Actor, at: datetime, create_sellers: bool) -> ImportSummary:
    """Answer a file that was imported before: what was booked is a duplicate, what was rejected is tried again."""
    summary = ImportSummary(job.public_id, read=job.lines_done, repeated=True)
    last = 0
    while rows := list(RejectedLine.objects.filter(batch=job, state=RejectedState.OPEN, pk__gt=last).order_by("pk")[:LINES_MAX]):
        last = rows[-1].pk
        outcomes, totals = _retry(job, rows, actor=actor, at=at, create_sellers=create_sellers)
        summary.accepted += outcomes.count("accepted")
        _add(summary.totals, totals)
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
