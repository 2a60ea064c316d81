"""Screens of earnings: imports and their progress, rejected lines, every earning."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.actors import Actor
from backoffice.kit.admin import (
    Button,
    Column,
    CurrencyFilter,
    DayRangeFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    display,
    fields,
    id_column,
    instant_column,
    link_column,
    money_column,
    number_column,
    person_column,
    plug,
    queue,
    reason_column,
    state_column,
)
from backoffice.kit.errors import InputError
from backoffice.kit.money import Money
from backoffice.kit.transactions import durable
from payouts.earnings import operations
from payouts.earnings.importing import ImportSummary, import_earnings
from payouts.earnings.models import Earning, EarningImport, ImportState, RejectedLine, RejectedState
from payouts.ledger.models import Posting
from payouts.sellers.models import Seller

# A file of this size is read within a request; larger ones belong to the command, which shows its progress and may take its time.
UPLOAD_BYTES_MAX = 8 * 1024 * 1024


def open_rejects(at: datetime) -> QuerySet[RejectedLine]:
    """Return the rejected lines nobody dealt with."""
    return RejectedLine.objects.filter(state=RejectedState.OPEN)


queue(
    name="rejected",
    title="Rejected import lines",
    model=RejectedLine,
    rows=open_rejects,
    age_field="created_at",
    help_text="Put right what kept the line out and retry it, or dismiss it with a reason.",
    order=70,
)


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
                display.link(row, f"line {row.line_no}"),
                row.external_id or display.EMPTY,
                display.state(row, "state"),
                row.reason,
                row.code,
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
        empty="No line was accepted yet.",
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
        return row.error

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


@admin.register(RejectedLine)
class RejectedLineAdmin(OperatorAdmin):
    list_display = ("line", "state_shown", "external_id", "why", "code", "batch_shown", "since")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("batch",)
    actor_fields = ("closed_by",)
    search_by = (lambda term: Q(external_id=term), lambda term: Q(code=term))
    search_help_text = "Id, external id of the line, or code"
    empty_title = "No line was rejected"
    empty_text = "Lines that cannot be booked wait here with their reason; nothing is dropped."
    buttons = (
        Button(
            name="retry",
            label="Retry",
            verb=operations.retry_rejected,
            permission="payouts.retry_rejected",
            arguments=lambda row, asked: {"rejected_id": row.pk},
            states=(RejectedState.OPEN,),
            state_field="state",
            effect=lambda row: [("Line", row.line_no), ("External id", row.external_id), ("It was rejected because", row.reason)],
            explain="The line is read again as it was sent. It is booked if what kept it out was put right.",
            bulk=True,
            done=lambda row, kept: f"Line {row.line_no} is booked.",
        ),
        Button(
            name="dismiss",
            label="Dismiss",
            verb=operations.dismiss_rejected,
            permission="payouts.retry_rejected",
            arguments=lambda row, asked: {"rejected_id": row.pk, "reason": asked["reason"]},
            states=(RejectedState.OPEN,),
            state_field="state",
            fields=lambda row: {"reason": fields.reason()},
            effect=lambda row: [("Line", row.line_no), ("External id", row.external_id), ("It was rejected because", row.reason)],
            explain="The line is never booked; it stays here with your reason.",
            danger=True,
            bulk=True,
            done=lambda row, kept: f"Line {row.line_no} is dismissed.",
        ),
    )
    export_columns = (
        ExportColumn("line", lambda r: r.line_no),
        ExportColumn("source", lambda r: r.source),
        ExportColumn("external_id", lambda r: r.external_id),
        ExportColumn("code", lambda r: r.code),
        ExportColumn("reason", lambda r: r.reason),
        ExportColumn("state", lambda r: r.get_state_display()),
        ExportColumn("as sent", lambda r: r.raw),
    )
    state_shown = state_column("State", "state")
    batch_shown = link_column("Import", "batch")
    since = instant_column("Since", "created_at")
    why = reason_column("Why", "reason")

    @admin.display(description="Line")
    def line(self, row: RejectedLine) -> str:
        return f"line {row.line_no}"

    def page_title(self, row: RejectedLine) -> str:
        return f"Line {row.line_no}"

    def status_label(self, row: RejectedLine) -> Any:
        return display.state(row, "state")

    def standing(self, row: RejectedLine) -> str:
        return row.reason

    def facts(self, row: RejectedLine) -> list[tuple[str, Any]]:
        return [
            ("Import", display.link(row.batch)),
            ("Source", row.source),
            ("External id", row.external_id),
            ("Code", row.code),
            ("As it was sent", row.raw),
            ("Since", display.instant(row.created_at)),
            ("Closed by", self.person(row, "closed_by")),
            ("Closed because", row.closed_reason),
            ("Closed", display.instant(row.closed_at)),
        ]


def _postings(earning: Earning, look: Look) -> Table:
    rows, older = look.slice_of(Posting.objects.filter(source_kind="earning", source_id=earning.pk))
    return Table(
        [Column("Posting"), Column("Recorded"), Column("Reason")],
        [(display.link(row, row.template.replace("_", " ")), display.instant(row.recorded_at), row.reason) for row in rows],
        older=older,
    )


@admin.register(Earning)
class EarningAdmin(OperatorAdmin):
    list_display = (
        "external_id",
        "kind_shown",
        "seller_shown",
        "order_ref",
        "occurred",
        "gross_money",
        "fee_money",
        "net_money",
        "available",
    )
    list_filter = (("kind", ChoicesDropdownFilter), CurrencyFilter, ("occurred_at", DayRangeFilter))
    list_select_related = ("seller",)
    search_by = (
        lambda term: Q(external_id=term),
        lambda term: Q(seller__in=Seller.objects.filter(external_id=term)),
    )
    search_help_text = "Id, external id, or seller's external id"
    empty_title = "Nothing was earned yet"
    empty_text = "Earnings come with import files and by the API."
    panels = (Panel("postings", "Postings", _postings, permission="payouts.view_posting", lazy=False),)
    export_columns = (
        ExportColumn("id", lambda e: e.public_id),
        ExportColumn("source", lambda e: e.source),
        ExportColumn("external_id", lambda e: e.external_id),
        ExportColumn("kind", lambda e: e.get_kind_display()),
        ExportColumn("seller", lambda e: e.seller.external_id),
        ExportColumn("order_ref", lambda e: e.order_ref),
        ExportColumn("occurred_at", lambda e: e.occurred_at),
        ExportColumn("available_at", lambda e: e.available_at),
        ExportColumn("gross", lambda e: Money(e.gross_minor, e.currency)),
        ExportColumn("fee", lambda e: Money(e.fee_minor, e.currency)),
        ExportColumn("net", lambda e: Money(e.net_minor, e.currency)),
        ExportColumn("currency", lambda e: e.currency),
    )
    kind_shown = choice_column("Kind", "kind")
    seller_shown = link_column("Seller", "seller", lambda seller: seller.legal_name)
    occurred = instant_column("Occurred", "occurred_at")
    available = instant_column("Available", "available_at")
    gross_money = money_column("Gross", "gross_minor")
    fee_money = money_column("Fee", "fee_minor")
    net_money = money_column("Net", "net_minor")
    id_shown = id_column()

    def page_title(self, row: Earning) -> str:
        return f"{row.get_kind_display().capitalize()} {row.external_id}"

    def headline(self, row: Earning) -> Any:
        return display.money(row.net_minor, row.currency)

    def facts(self, row: Earning) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller)),
            ("Order", display.copyable(row.order_ref, row.order_ref)),
            ("Gross", display.money(row.gross_minor, row.currency)),
            ("Fee", display.money(row.fee_minor, row.currency)),
            ("Net", display.money(row.net_minor, row.currency)),
            ("Still pending", display.money(row.pending_minor, row.currency)),
            ("Occurred", display.instant(row.occurred_at)),
            ("Delivered", display.instant(row.delivered_at)),
            ("Available", display.instant(row.available_at)),
            ("Became available", display.instant(row.matured_at)),
            ("Recorded", display.instant(row.recorded_at)),
            ("Source", row.source),
            ("Line", row.line_no or ""),
        ]


def _earnings_of(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(Earning.objects.filter(seller=seller))
    return Table(
        [Column("Earning"), Column("Kind"), Column("Order"), Column("Occurred"), Column("Net", money=True), Column("Available")],
        [
            (
                display.link(row, row.external_id),
                row.get_kind_display(),
                row.order_ref,
                display.instant(row.occurred_at),
                display.money(row.net_minor, row.currency),
                display.instant(row.available_at),
            )
            for row in rows
        ],
        empty="This seller has sold nothing yet.",
        older=older,
        links=[("All earnings of this seller", display.list_url(Earning, seller=seller.pk))],
    )


plug(Seller, Panel("earnings", "Earnings", _earnings_of, permission="payouts.view_earning", order=50))
