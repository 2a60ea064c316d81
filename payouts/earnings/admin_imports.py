"""Screens of imports: uploads, their progress, what each accepted and rejected."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.actors import Actor
from backoffice.kit.admin import (
    Button,
    Column,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    number_column,
    person_column,
    state_column,
)
from backoffice.kit.errors import InputError
from backoffice.kit.transactions import durable
from payouts.earnings.importing import ImportSummary, import_earnings
from payouts.earnings.models import EarningImport, ImportState, RejectedLine, RejectedState

# A file of this size is read within a request; larger ones belong to the command, which shows its progress and may take its time.
UPLOAD_BYTES_MAX = 8 * 1024 * 1024


class UploadTooLarge(InputError):
    code = "upload_too_large"
    sentence = "The file has {size} MB; up to {limit} MB are read here. Use the command import_earnings for larger ones."


@durable
def import_upload(*, file: Any, source: str, create_sellers: bool, actor: Actor, at: datetime) -> ImportSummary:
    """Keep an uploaded file and import it; the same bytes again change nothing. Refuses: UploadTooLarge, FileUnusable, ImportIsRunning."""
    if file.size > UPLOAD_BYTES_MAX:
        raise UploadTooLarge(size=file.size // 1024**2, limit=UPLOAD_BYTES_MAX // 1024**2)
    data = file.read()
    folder = Path(settings.MEDIA_ROOT) / "earnings" / hashlib.sha256(data).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^A-Za-z0-9._-]", "_", Path(file.name).name)[-80:] or "upload")
    path.write_bytes(data)
    return import_earnings(path=path, source=source, actor=actor, at=at, create_sellers=create_sellers)


def _told(row: Any, summary: ImportSummary) -> str:
    return f"{summary.read:,} lines read: {summary.accepted:,} accepted, {summary.duplicate:,} duplicate, {summary.rejected:,} rejected."


def _page_of_import(row: Any, summary: ImportSummary) -> str | None:
    job = EarningImport.objects.filter(public_id=summary.import_id).first()
    return display.page_of(job) if job else None


def _rejected_lines(job: EarningImport, look: Look) -> Table:
    rows, older = look.slice_of(RejectedLine.objects.filter(batch=job))
    return Table(
        [Column("Line"), Column("External id"), Column("State"), Column("Why"), Column("Code")],
        [
            (
                display.link(row, display.steady(f"line {row.line_no}")),
                row.external_id or display.EMPTY,
                display.state(row, "state"),
                row.reason,
                display.coded(row.code),
            )
            for row in rows
        ],
        empty="No line was rejected.",
        older=older,
    )


def _import_totals(job: EarningImport, look: Look) -> Table:
    rows = [
        (currency, *(display.money(sums.get(name, 0), currency) for name in ("gross_minor", "fee_minor", "net_minor")))
        for currency, sums in sorted(job.totals.items())
    ]
    return Table(
        [Column("Currency"), Column("Gross", money=True), Column("Fees", money=True), Column("Net to sellers", money=True)],
        rows,
        empty="No line was accepted yet." if job.state == ImportState.RUNNING else "No line was accepted.",
    )


@admin.register(EarningImport)
class EarningImportAdmin(OperatorAdmin):
    list_display = (
        "file_name",
        "source",
        "state_shown",
        "lines_shown",
        "accepted_shown",
        "duplicate_shown",
        "rejected_shown",
        "started",
        "by",
    )
    list_filter = (("state", ChoicesDropdownFilter),)
    actor_fields = ("actor",)
    search_by = (lambda term: Q(sha256=term), lambda term: Q(file_name=term), lambda term: Q(source=term))
    search_help_text = "Id, file name, source or SHA-256"
    refresh_while = (ImportState.RUNNING,)
    empty_title = "No file was imported yet"
    empty_text = "Upload a file of earnings here, use the command import_earnings, or let partners send theirs by the API."
    panels = (
        Panel("totals", "What was accepted", _import_totals, lazy=False),
        Panel("rejected", "Rejected lines", _rejected_lines, permission="payouts.view_rejectedline", lazy=False),
    )
    list_buttons = (
        Button(
            name="upload",
            label="Upload earnings",
            verb=import_upload,
            permission="payouts.import_earnings",
            arguments=lambda row, asked: asked,
            fields=lambda row: {
                "file": fields.upload(
                    "File",
                    "CSV, JSON Lines or Parquet: external_id, seller, kind, order_ref, occurred_at, delivered_at, currency, gross, fee.",
                ),
                "source": fields.text(
                    "Source", "Where the lines come from; an external id counts once per source.", initial="upload", max_length=60
                ),
                "create_sellers": fields.switch("Create unknown sellers", "Off: lines of unknown sellers are rejected and kept."),
            },
            explain="Every line is accepted, a duplicate, or rejected and kept with its reason. The same file again changes nothing.",
            done=_told,
            then=_page_of_import,
        ),
    )
    state_shown = state_column("State", "state")
    lines_shown = number_column("Lines", "lines_done")
    accepted_shown = number_column("Accepted", "accepted")
    duplicate_shown = number_column("Duplicate", "duplicate")
    rejected_shown = number_column("Rejected", "rejected")
    started = instant_column("Started", "started_at")
    by = person_column("By", "actor")

    def status_label(self, row: EarningImport) -> Any:
        return display.state(row, "state")

    def page_title(self, row: EarningImport) -> str:
        return row.file_name

    def change_view(self, request: Any, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        row = self._row(request, object_id)
        moving = {"refresh_seconds": 3 if row.state == ImportState.RUNNING else 0}
        return super().change_view(request, object_id, form_url, moving | (extra_context or {}))

    def standing(self, row: EarningImport) -> str:
        if row.state == ImportState.RUNNING:
            return f"{row.lines_done:,} lines done so far. If it was interrupted, start it again: it goes on where it stopped."
        waiting = RejectedLine.objects.filter(batch=row, state=RejectedState.OPEN).count() if row.rejected else 0
        if row.error or not waiting:
            return row.error
        kept_out = "1 rejected line waits" if waiting == 1 else f"{waiting:,} rejected lines wait"
        return f"{kept_out} below: open each, put right what kept it out and retry it, or dismiss it."

    def facts(self, row: EarningImport) -> list[tuple[str, Any]]:
        return [
            ("Lines", f"{row.lines_done:,}"),
            ("Accepted", f"{row.accepted:,}"),
            ("Duplicate", f"{row.duplicate:,}"),
            ("Rejected", f"{row.rejected:,}"),
            ("Source", row.source),
            ("Format", row.format),
            ("Size", f"{row.size_bytes:,} bytes"),
            ("SHA-256", display.copyable(row.sha256, row.sha256[:12])),
            ("By", self.person(row, "actor")),
            ("Started", display.instant(row.started_at)),
            ("Finished", display.instant(row.finished_at)),
        ]
