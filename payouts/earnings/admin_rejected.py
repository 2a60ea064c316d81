"""Screens of rejected lines: kept with their reason until somebody retries or dismisses them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    link_column,
    queue,
    reason_column,
    state_column,
)
from payouts.earnings import operations
from payouts.earnings.models import RejectedLine, RejectedState


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


def _as_sent(line: RejectedLine, look: Look) -> Table:
    """Show the line field by field, as it was sent; what cannot be read as fields stands there whole."""
    try:
        sent = json.loads(line.raw)
    except ValueError:
        sent = None
    rows = [(name, str(value)) for name, value in sent.items()] if isinstance(sent, dict) else [("line", line.raw)]
    return Table([Column("Field"), Column("As it was sent")], rows)


@admin.register(RejectedLine)
class RejectedLineAdmin(OperatorAdmin):
    list_display = ("line", "state_shown", "external_id", "why", "code_shown", "batch_shown", "since")
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
    panels = (Panel("sent", "The line", _as_sent, lazy=False),)
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

    @admin.display(description="Code")
    def code_shown(self, row: RejectedLine) -> Any:
        return display.coded(row.code)

    @admin.display(description="Line")
    def line(self, row: RejectedLine) -> str:
        return f"line {row.line_no}"

    def page_title(self, row: RejectedLine) -> str:
        return f"Line {row.line_no}"

    def status_label(self, row: RejectedLine) -> Any:
        return display.state(row, "state")

    def standing(self, row: RejectedLine) -> str:
        said = f"{row.reason[:1].upper()}{row.reason[1:]}"
        return f"{said} Put right what kept it out and retry it, or dismiss it." if row.state == RejectedState.OPEN else said

    def facts(self, row: RejectedLine) -> list[tuple[str, Any]]:
        return [
            ("Import", display.link(row.batch)),
            ("Source", row.source),
            ("External id", row.external_id),
            ("Code", display.coded(row.code)),
            ("Since", display.instant(row.created_at)),
            ("Closed by", self.person(row, "closed_by")),
            ("Closed because", row.closed_reason),
            ("Closed", display.instant(row.closed_at)),
        ]
