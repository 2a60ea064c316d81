"""Rejected lines: kept as rows for the desk, written as CSV for whoever sent the file."""

from __future__ import annotations

import csv
import json
import os
import re
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from payouts.earnings.lines import COLUMNS, BadLine, LineResult
from payouts.earnings.models import EarningImport, RejectedLine, RejectedState
from payouts.earnings.operations import line_of
from payouts.earnings.reading import Line

_PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


def rejected_row(job: EarningImport, line: Line, result: LineResult, at: datetime) -> RejectedLine:
    raw = line.raw if isinstance(line, BadLine) else json.dumps(dict(zip(COLUMNS, line[1:], strict=True)))
    return RejectedLine(
        batch=job,
        source=job.source,
        line_no=result.line_no,
        external_id=result.external_id,
        code=result.code,
        reason=result.reason,
        raw=raw,
        created_at=at,
    )


def still_rejected(job: EarningImport) -> QuerySet[RejectedLine]:
    """Return the lines of an import that are rejected to this day, dismissed ones included."""
    return RejectedLine.objects.filter(batch=job).exclude(state=RejectedState.RETRIED)


def write_rejects(job: EarningImport) -> str | None:
    """Write the lines still rejected as CSV, for a person to put right and send again; return its path, None when there are none.

    Made beside its place and moved there, so that nobody reads half of it. Cells a spreadsheet would run are quoted with an apostrophe.
    """
    rows = still_rejected(job).order_by("line_no")
    if not rows.exists():
        return None
    folder = Path(settings.DATA_DIR) / "rejects"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{job.public_id}.csv"
    draft = target.with_suffix(f".{os.getpid()}.part")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["line_no", "code", "reason", *COLUMNS])
        for row in rows.iterator(chunk_size=2_000):
            line = line_of(row) or [row.line_no, row.external_id]
            writer.writerow([row.line_no, row.code, *[harmless(str(cell)) for cell in (row.reason, *line[1:])]])
    draft.replace(target)
    return str(target)


def harmless(cell: str) -> str:
    """Return the text as a cell no spreadsheet evaluates; plain numbers stay numbers."""
    if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _PLAIN_NUMBER.fullmatch(cell):
        return "'" + cell
    return cell
