"""The screen of suspicion reports, for those with the permission: what stands in them is only opened on purpose, and that is written down."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold import widgets
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.admin import (
    Button,
    Column,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    id_column,
    instant_column,
    link_column,
    person_column,
    queue,
    state_column,
)
from backoffice.kit.errors import Refusal
from fraud.cases import operations as cases
from fraud.cases.admin import sealed_download
from fraud.cases.models import SuspicionReport
from fraud.cases.reporting import NARRATIVE_MAX
from fraud.cases.states import REPORT, ReportState

OPEN = "fraud.open_suspicion_reports"
queue(
    name="suspicion_reports", title="Reports of suspicions to finish", model=SuspicionReport, age_field="made_at", order=63,
    rows=lambda at: SuspicionReport.objects.filter(state__in=[ReportState.DRAFT, ReportState.FROZEN]),
    help_text="The law gives days, not weeks: write them, freeze them, and have a second person file them.",
)  # fmt: skip


def _writes(row: SuspicionReport) -> dict[str, Any]:
    return {
        "narrative": forms.CharField(
            label="Narrative", max_length=NARRATIVE_MAX, initial=row.narrative, widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 18}),
            help_text="Who, what, when, where, how, and why we suspect. The facts are filled in.",
        ),
        "indicators": fields.text("Indicators", "Codes of your authority, separated by commas.", initial=", ".join(row.indicators)),
    }  # fmt: skip


def _contents(row: SuspicionReport, look: Look) -> Table:
    rows = [
        (display.anchor(reverse("admin:fraud_suspicionreport_open", args=[row.pk, what]), label),)
        for what, label in (("narrative", "Open the narrative"), ("file", "Open the file (goAML XML)"))
        if what == "narrative" or row.sha256
    ]
    return Table([Column("Sealed")], rows, note="Whoever opens it stands in the audit trail.")


def _button(name: str, label: str, verb: Any, permission: str, states: tuple[str, ...], **more: Any) -> Button:
    facts: dict[str, Any] = {
        "arguments": lambda row, asked: {"report_id": row.pk, **asked},
        "fields": lambda row: {"reason": fields.reason()},
    }
    return Button(name=name, label=label, verb=verb, permission=permission, states=states, state_field="state", **(facts | more))


@admin.register(SuspicionReport)
class SuspicionReportAdmin(OperatorAdmin):
    list_display = ("shown_id", "of_case", "state_shown", "by", "made", "filed_ref")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("case",)
    machine = REPORT
    actor_fields = ("made_by", "frozen_by", "filed_by")
    empty_title = "No reports"
    empty_text = "They begin in a case."
    panels = (Panel("contents", "Contents", _contents, permission=OPEN, lazy=False),)
    buttons = (
        _button("write", "Write", cases.write_report, "fraud.write_suspicion_reports", (ReportState.DRAFT,), fields=_writes, done="Kept.",
                arguments=lambda row, asked: {"report_id": row.pk, "narrative": asked["narrative"], "indicators": asked["indicators"].split(",")}),
        _button("freeze", "Freeze the file", cases.freeze_report, "fraud.write_suspicion_reports", (ReportState.DRAFT,), fields=None, order=60,
                explain="The file is built, held to goAML's structure, and waits for a second person.", done="Frozen; another person files it."),
        _button("file", "Filed", cases.file_report, "fraud.file_suspicion_reports", (ReportState.FROZEN,), done="On record as filed.",
                fields=lambda row: {"filed_ref": fields.text("Reference of the authority", max_length=120)},
                explain="Hand exactly this file to the authority first; then say with which reference it answered."),
        _button("reopen", "Back to writing", cases.reopen_report, "fraud.write_suspicion_reports", (ReportState.FROZEN,), order=70, done="A draft again."),
        _button("withdraw", "Withdraw", cases.withdraw_report, "fraud.write_suspicion_reports", (ReportState.DRAFT, ReportState.FROZEN), danger=True,
                done="Withdrawn."),
    )  # fmt: skip
    shown_id = id_column()
    of_case = link_column("Case", "case", lambda case: case.public_id)
    state_shown = state_column("State", "state")
    by = person_column("By", "made_by")
    made = instant_column("Begun", "made_at")

    def page_title(self, row: SuspicionReport) -> str:
        return "Report of a suspicion"

    def facts(self, row: SuspicionReport) -> list[tuple[str, Any]]:
        return [
            ("Case", display.link(row.case, row.case.public_id)), ("Begun by", self.person(row, "made_by")), ("Indicators", ", ".join(row.indicators)),
            ("Frozen by", self.person(row, "frozen_by") if row.frozen_by else ""), ("SHA-256", row.sha256[:16]),
            ("Filed by", self.person(row, "filed_by") if row.filed_by else ""), ("Filed", display.instant(row.filed_at)), ("Reference", row.filed_ref),
        ]  # fmt: skip

    def button_view(self, request: HttpRequest, button: str, object_id: str | None = None) -> HttpResponse:
        """Writing shows the narrative: that is opening it, and written down like it."""
        if (
            button == "write"
            and object_id is not None
            and request.method == "GET"
            and request.user.has_perm("fraud.write_suspicion_reports")
        ):
            row = self._row(request, object_id)
            if row.state == ReportState.DRAFT:
                cases.open_report(report_id=row.pk, what="narrative", actor=staff(request.user.pk), at=clock.now())
        return super().button_view(request, button, object_id)

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<str:object_id>/open/<str:what>/", self.admin_site.admin_view(self.open_view), name="fraud_suspicionreport_open"
        )
        return [own, *super().get_urls()]

    def open_view(self, request: HttpRequest, object_id: str, what: str) -> HttpResponse:
        """Answer the narrative or the file as bytes to save; who opened it stands in the audit."""
        row = self._row(request, object_id)
        if not request.user.has_perm(OPEN):
            raise PermissionDenied
        if request.method != "GET" or what not in ("narrative", "file"):
            raise Http404
        try:
            report, text = cases.open_report(report_id=row.pk, what=what, actor=staff(request.user.pk), at=clock.now())
        except Refusal as refusal:
            self.message_user(request, str(refusal), level="ERROR")
            return HttpResponseRedirect(reverse("admin:fraud_suspicionreport_change", args=[row.pk]))
        return sealed_download(text.encode(), f"{report.public_id}.{'xml' if what == 'file' else 'txt'}")
