"""Who owes tax data, since when, and when payouts stop; and what of it stands on a seller's page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    display,
    fields,
    instant_column,
    plug,
    queue,
    state_column,
)
from payouts.reporting import asking, operations
from payouts.reporting.models import TaxFile, TaxReportLine
from payouts.reporting.panels import missing_text, reported
from payouts.reporting.rules import all_rules
from payouts.reporting.states import TAX_FILE, WAITING, Exclusion
from payouts.sellers.models import Seller
from payouts.sellers.states import SellerStatus

EXCLUDE = "payouts.exclude_from_tax_report"


def tax_data_missing(at: datetime) -> QuerySet[TaxFile]:
    """Return the sellers who were asked for tax data and have not given all of it; nobody is paid any more whose account is closed."""
    return TaxFile.objects.filter(state__in=WAITING).exclude(seller__status=SellerStatus.CLOSED)


queue(
    name="tax_data_missing",
    title="Tax data missing",
    model=TaxFile,
    rows=tax_data_missing,
    age_field="asked_at",
    help_text="Two reminders go out by themselves; sixty days after the first request payouts stop. Call before that.",
    order=67,
)


def _rows_table(seller_id: int) -> Table:
    return Table(
        [Column("Asked for"), Column("State"), Column("What the seller reads"), Column("Until")],
        [
            (
                display.link(row, row.title),
                display.state(row, "state"),
                display.clamped(row.error_text or row.seller_text),
                display.instant(row.deadline_at),
            )
            for row in asking.tax_rows(seller_id)
        ],
        empty="Nothing was asked.",
    )


def _exclusion_button(seller_of: Any) -> Button:
    return Button(
        name="set_tax_exclusion",
        label="Leave out of tax reports",
        verb=operations.set_tax_exclusion,
        permission=EXCLUDE,
        when=lambda row: not seller_of(row).is_consumer and seller_of(row).country in all_rules()["dac7"].countries,
        arguments=lambda row, asked: {"seller_id": seller_of(row).pk, **asked},
        fields=lambda row: {
            "exclusion": fields.choice("The seller is", [(v, n) for v, n in Exclusion.choices if v], required=False),
            "reason": fields.reason(),
        },
        explain="Governmental entities, and those listed on a stock exchange with their groups, are not reported. Empty takes it back.",
        done=lambda row, file: f"Now: {file.get_exclusion_display() or 'not excluded'}.",
        order=75,
    )


@admin.register(TaxFile)
class TaxFileAdmin(OperatorAdmin):
    list_display = ("seller_shown", "regime_shown", "state_shown", "missing_shown", "asked", "stops")
    list_filter = (("state", ChoicesDropdownFilter), ("regime", ChoicesDropdownFilter), ("exclusion", ChoicesDropdownFilter))
    list_select_related = ("seller",)
    actor_fields = ("excluded_by",)
    machine = TAX_FILE
    search_by = (lambda term: Q(seller__external_id=term), lambda term: Q(seller__public_id=term))
    search_help_text = "Id, or the seller's id"
    empty_title = "Nobody owes tax data"
    empty_text = "Whoever a report of the year would name is asked once a day for what it lacks."
    panels = (
        Panel(
            "rows", "Asked for", lambda row, look: _rows_table(row.seller_id), permission="payouts.view_requirement", lazy=False
        ),
    )
    buttons = (_exclusion_button(lambda row: row.seller),)
    regime_shown = choice_column("Regime", "regime")
    state_shown = state_column("State", "state")
    asked = instant_column("Asked", "asked_at")
    stops = instant_column("Payouts stop", "stops_at")

    @admin.display(description="Seller")
    def seller_shown(self, row: TaxFile) -> str:
        return row.seller.legal_name

    @admin.display(description="Missing")
    def missing_shown(self, row: TaxFile) -> str:
        return missing_text(row.missing, row.regime)

    def page_title(self, row: TaxFile) -> str:
        return f"Tax data of {row.seller.legal_name}"

    def standing(self, row: TaxFile) -> str:
        return {
            "complete": "Nothing is owed.",
            "asked": "Asked; the first reminder goes out by itself.",
            "reminded": "Reminded once; the second reminder says when payouts stop.",
            "reminded_again": "Reminded twice: payouts stop on the day below unless the data comes.",
            "withheld": "Payouts have stopped. They go on as soon as the data is given, or left out with a reason.",
        }[row.state]

    def facts(self, row: TaxFile) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller)),
            ("Regime", row.get_regime_display()),
            ("Missing", self.missing_shown(row)),
            ("Asked", display.instant(row.asked_at)),
            ("Reminded", display.instant(row.reminded_at)),
            ("Reminded again", display.instant(row.reminded_again_at)),
            ("Payouts stop", display.instant(row.stops_at)),
            ("Left out as", row.get_exclusion_display() if row.exclusion else ""),
            ("Because", row.exclusion_reason),
            ("Said by", self.person(row, "excluded_by") if row.excluded_by else ""),
        ]


def _of_seller(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(TaxReportLine.objects.filter(seller=seller).select_related("report").defer("identity"))
    file = TaxFile.objects.filter(seller=seller).first()
    return Table(
        [Column("Report"), Column("Reported"), Column("Sales"), Column("Consideration", money=True), Column("Missing")],
        [
            (
                display.link(line, str(line.report)),
                reported(line),
                display.number(sum(line.activities)),
                display.money(sum(line.consideration), line.currency),
                missing_text(line.missing, line.report.regime) or display.EMPTY,
            )
            for line in rows
        ],
        empty="This seller stands in no tax report yet.",
        older=older,
        note=f"Tax data: {file.get_state_display()}." if file else "",
        links=[("Tax data", display.page_of(file) or "")] if file else [],
    )


plug(
    Seller,
    Panel(
        "tax",
        "Tax reports",
        _of_seller,
        permission="payouts.view_taxreportline",
        when=lambda seller: not seller.is_consumer,
        order=90,
    ),
    _exclusion_button(lambda row: row),
)
