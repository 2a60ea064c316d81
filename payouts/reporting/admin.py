"""Screens of tax reports: one page per regime, year and version, its lines and its files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    Download,
    OperatorAdmin,
    Panel,
    display,
    fields,
    instant_column,
    link_column,
    number_column,
    person_column,
    queue,
    state_column,
)
from payouts.reporting import operations, panels
from payouts.reporting.models import TaxReport, TaxReportFile, TaxReportLine
from payouts.reporting.preparing import FIRST_YEAR
from payouts.reporting.rules import all_rules
from payouts.reporting.states import REPORT, Regime, ReportState

PREPARE, FILE = "payouts.prepare_tax_report", "payouts.file_tax_report"
OPEN = "payouts.open_tax_files"


def reports_to_file(at: datetime) -> QuerySet[TaxReport]:
    """Return the reports that are frozen and wait for a second person to file them."""
    return TaxReport.objects.filter(state=ReportState.FROZEN)


queue(
    name="tax_reports_to_file",
    title="Tax reports to file",
    model=TaxReport,
    rows=reports_to_file,
    age_field="frozen_at",
    help_text="Hand the files to the authority, then say so with its reference: another person than who froze them.",
    order=68,
)


def _year_fields(row: Any) -> dict[str, Any]:
    year = clock.now().year
    years = [(str(one), str(one)) for one in range(year, FIRST_YEAR - 1, -1)]
    return {"regime": fields.choice("Regime", Regime.choices), "year": fields.choice("Year", years, initial=str(year - 1))}


def _effect(row: TaxReport) -> list[tuple[str, Any]]:
    return [
        ("Report", str(row)),
        ("Sellers reported", display.number(row.reported_count)),
        ("of them with data missing", display.number(row.missing_count)),
        ("Consideration reported", display.totals({currency: sums["reported_minor"] for currency, sums in row.totals.items()})),
        ("of all with figures", display.totals({currency: sums["consideration_minor"] for currency, sums in row.totals.items()})),
        ("Difference to the ledger", display.totals({c: sums["difference_minor"] for c, sums in row.totals.items()})),
    ]


@admin.register(TaxReport)
class TaxReportAdmin(OperatorAdmin):
    list_display = ("report_shown", "state_shown", "reported_shown", "missing_shown", "prepared", "who", "filed")
    list_filter = (("state", ChoicesDropdownFilter), ("regime", ChoicesDropdownFilter))
    actor_fields = ("prepared_by", "frozen_by", "filed_by")
    machine = REPORT
    search_by = (lambda term: Q(filing_ref=term),)
    search_help_text = "Id, or the authority's reference"
    empty_title = "No tax report yet"
    empty_text = "Prepare one: it computes figures and missing data, and can be prepared again until it is frozen."
    panels = (
        Panel("totals", "Against the ledger", panels.totals, lazy=False, order=10),
        Panel("files", "Files", panels.files, permission="payouts.view_taxreportfile", lazy=False, order=20),
        Panel("reported", "Reported sellers", panels.lines_of_reported, permission="payouts.view_taxreportline", order=30),
        Panel("lines", "All sellers with figures", panels.lines, permission="payouts.view_taxreportline", order=40),
    )
    list_buttons = (
        Button(
            name="prepare",
            label="Prepare a report",
            verb=operations.prepare_report,
            permission=PREPARE,
            arguments=lambda row, asked: {"regime": asked["regime"], "year": int(asked["year"])},
            fields=_year_fields,
            explain="Figures are counted from the ledger. Nothing is sent; a report that is open already is counted anew.",
            then=lambda row, report: display.page_of(report),
            done=lambda row, report: f"{report}: {report.reported_count:,} sellers, {report.missing_count:,} with data missing.",
        ),
    )
    buttons = (
        Button(
            name="prepare_again",
            label="Prepare again",
            verb=operations.prepare_report,
            permission=PREPARE,
            arguments=lambda row, asked: {"regime": row.regime, "year": row.year},
            states=(ReportState.PREPARED,),
            state_field="state",
            effect=_effect,
            explain="Figures, who is reported and what is missing are counted anew.",
            done=lambda row, report: f"{report.reported_count:,} sellers, {report.missing_count:,} with data missing.",
            order=10,
        ),
        Button(
            name="freeze",
            label="Freeze",
            verb=operations.freeze_report,
            permission=PREPARE,
            arguments=lambda row, asked: {"report_id": row.pk, **asked},
            states=(ReportState.PREPARED,),
            state_field="state",
            fields=lambda row: {
                "leave_out_reason": fields.long_text(
                    "Why sellers are left out",
                    "Only where an address or a date of birth is missing: their lines cannot be written, and come with a correction.",
                    required=False,
                )
            },
            effect=_effect,
            explain="The files are written and never change again. A second person then hands them over and says so.",
            done="Frozen. Another person files it.",
            order=20,
        ),
        Button(
            name="file",
            label="Approve as filed",
            verb=operations.file_report,
            permission=FILE,
            arguments=lambda row, asked: {"report_id": row.pk, **asked},
            states=(ReportState.FROZEN,),
            state_field="state",
            fields=lambda row: {
                "filing_ref": fields.text("The authority's reference", "As it stands on the receipt.", max_length=80),
                "reason": fields.reason(required=False),
            },
            effect=lambda row: [
                *_effect(row),
                *((one.name, one.sha256[:12]) for one in row.files.defer("sealed").order_by("name")),
            ],
            explain="You say that exactly these files were handed to the authority. What changes later goes into a correction.",
            done=lambda row, report: f"{report} is filed.",
            order=30,
        ),
        Button(
            name="discard",
            label="Discard",
            verb=operations.discard_report,
            permission=PREPARE,
            arguments=lambda row, asked: {"report_id": row.pk, **asked},
            states=(ReportState.PREPARED, ReportState.FROZEN),
            state_field="state",
            fields=lambda row: {"reason": fields.reason()},
            effect=_effect,
            explain="It is kept, and never filed. The next report of this year is a new version.",
            danger=True,
            done="Discarded.",
        ),
    )
    state_shown = state_column("State", "state")
    reported_shown = number_column("Sellers", "reported_count")
    missing_shown = number_column("Data missing", "missing_count")
    prepared = instant_column("Prepared", "prepared_at")
    who = person_column("By", "prepared_by")
    filed = instant_column("Filed", "filed_at")

    @admin.display(description="Report")
    def report_shown(self, row: TaxReport) -> str:
        return str(row)

    def standing(self, row: TaxReport) -> str:
        return {
            ReportState.PREPARED: "Look at what is missing, then freeze it.",
            ReportState.FROZEN: "A second person hands the files over and says so with the authority's reference.",
            ReportState.FILED: "What changed since is found by preparing the year again: the next version corrects this one.",
            ReportState.DISCARDED: "Never filed.",
        }[ReportState(row.state)]

    def facts(self, row: TaxReport) -> list[tuple[str, Any]]:
        return [
            ("Regime", row.get_regime_display()),
            ("Year", str(row.year)),
            ("Kind", row.get_kind_display()),
            ("Corrects", display.link(row.corrects) if row.corrects else ""),
            ("Sellers reported", display.number(row.reported_count)),
            ("with data missing", display.number(row.missing_count)),
            ("Sellers with figures", display.number(row.sellers_count)),
            ("Sales of theirs", display.number(sum(sums["activities"] for sums in row.totals.values()))),
            ("Left out because", row.leave_out_reason),
            ("Rules", row.rules),
            ("Source", all_rules()[row.regime].source),
            ("The year begins in", row.zone),
            ("Prepared", display.instant(row.prepared_at)),
            ("By", self.person(row, "prepared_by")),
            ("Frozen", display.instant(row.frozen_at)),
            ("By ", self.person(row, "frozen_by")),
            ("Filed", display.instant(row.filed_at)),
            ("By  ", self.person(row, "filed_by")),
            ("Reference", row.filing_ref),
        ]


@admin.register(TaxReportLine)
class TaxReportLineAdmin(OperatorAdmin):
    list_display = ("seller_shown", "report_shown", "currency", "reported_shown", "missing_shown")
    list_filter = (("code", ChoicesDropdownFilter),)
    list_select_related = ("seller", "report")
    search_by = (lambda term: Q(seller__external_id=term), lambda term: Q(doc_ref=term))
    search_help_text = "Id, the seller's external id, or the line's reference in the file"
    downloads = (
        Download(
            "copy_b",
            "Copy B",
            panels.payee_copy,
            permission=OPEN,
            when=lambda row: row.report.regime == Regime.US_1099K and not row.code and row.report.state in ("frozen", "filed"),
        ),
    )
    panels = (Panel("months", "By month", panels.months, lazy=False),)
    report_shown = link_column("Report", "report")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaxReportLine]:
        return super().get_queryset(request).defer("identity")

    @admin.display(description="Seller")
    def seller_shown(self, row: TaxReportLine) -> str:
        return row.seller.legal_name

    @admin.display(description="Reported")
    def reported_shown(self, row: TaxReportLine) -> Any:
        return panels.reported(row)

    @admin.display(description="Missing")
    def missing_shown(self, row: TaxReportLine) -> str:
        return panels.missing_text(row.missing, row.report.regime)

    def page_title(self, row: TaxReportLine) -> str:
        return f"{row.seller.legal_name} in {row.report}"

    def status_label(self, row: TaxReportLine) -> Any:
        return panels.reported(row)

    def facts(self, row: TaxReportLine) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller)),
            ("Report", display.link(row.report)),
            ("Currency", row.currency),
            ("Sales", display.number(sum(row.activities))),
            ("Gross sales", display.money(sum(row.gross), row.currency)),
            ("Consideration", display.money(sum(row.consideration), row.currency)),
            ("Fees", display.money(sum(row.fees), row.currency)),
            ("Taxes", display.money(sum(row.taxes), row.currency)),
            ("Missing", self.missing_shown(row)),
            ("Reference in the file", display.copyable(row.doc_ref, display.short_id(row.doc_ref)) if row.doc_ref else ""),
            ("Corrects", row.corrects_ref),
        ]


@admin.register(TaxReportFile)
class TaxReportFileAdmin(OperatorAdmin):
    list_display = ("name", "report_shown", "size_shown", "frozen")
    list_select_related = ("report",)
    search_by = (lambda term: Q(sha256=term), lambda term: Q(name=term))
    search_help_text = "Id, name or SHA-256"
    empty_text = "Files are written when a report is frozen."
    downloads = (Download("bytes", "The file as frozen", panels.file_bytes, permission=OPEN),)
    report_shown = link_column("Report", "report")
    size_shown = number_column("Bytes", "size_bytes")
    frozen = instant_column("Frozen", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaxReportFile]:
        return super().get_queryset(request).defer("sealed", "data_key")

    def facts(self, row: TaxReportFile) -> list[tuple[str, Any]]:
        return [
            ("Report", display.link(row.report)),
            ("Media type", row.media_type),
            ("Bytes", display.number(row.size_bytes)),
            ("SHA-256", display.copyable(row.sha256, row.sha256[:12])),
            ("Frozen", display.instant(row.created_at)),
        ]
