"""The screens of exposure: one night's sellers, the totals over time as a chart, and a seller's own nights."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Column,
    CurrencyFilter,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    day_column,
    display,
    link_column,
    money_column,
    plug,
)
from backoffice.kit.money import Money
from fraud.exposure import queries
from fraud.exposure.models import ExposureSnapshot, Level
from payouts.sellers.models import Seller

_TONES = {Level.WARN: "warn", Level.CRITICAL: "bad"}
_REASONS = {"exposure": "exposure", "refunds": "refunds", "chargebacks": "chargebacks", "growth": "growth"}


def level_label(row: ExposureSnapshot) -> Any:
    return display.label(row.get_level_display(), _TONES[Level(row.level)]) if row.level else display.EMPTY


def rate(basis_points: int | None) -> str:
    """Return a rate in percent, or a dash where too few sales say anything."""
    return display.EMPTY if basis_points is None else f"{basis_points / 100:.2f} %"


def trend(row: ExposureSnapshot) -> str:
    """Return by how much the exposure changed since the policy's trend days ago."""
    if not row.before_minor:
        return display.EMPTY
    return f"{100 * (row.exposure_minor - row.before_minor) / row.before_minor:+.0f} %"


def _parts(row: ExposureSnapshot, look: Look) -> Table:
    parts = [
        ("Unsettled sales", row.unsettled_minor), ("Open disputes", row.disputed_minor), ("Debt", row.debt_minor), ("Advances", row.advance_minor),
        ("Reserves and holds", -row.reserved_minor),
    ]  # fmt: skip
    rows = [(name, display.money(amount, row.currency, signed=True)) for name, amount in parts]
    return Table(
        [Column("Part"), Column("Amount", money=True)], rows, foot=("Exposure", display.money(row.exposure_minor, row.currency))
    )


def _nights(seller: Seller, look: Look) -> Table:
    nights = queries.nights_of(seller)
    cells = [
        (
            display.link(row, display.day_text(row.on)), display.money(row.exposure_minor, row.currency), trend(row), rate(row.refund_basis_points),
            rate(row.chargeback_basis_points), level_label(row),
        )
        for row in reversed(nights[-20:])
    ]  # fmt: skip
    heads = [
        Column("Night"),
        Column("Exposure", money=True),
        Column("Trend"),
        Column("Refunds"),
        Column("Chargebacks"),
        Column("Level"),
    ]
    return Table(heads, cells, empty="No night was counted yet.")


plug(Seller, Panel("exposure", "Exposure by night", _nights, permission="fraud.view_exposuresnapshot", order=74))


@admin.register(ExposureSnapshot)
class ExposureSnapshotAdmin(OperatorAdmin):
    list_display = (
        "of_seller",
        "night",
        "exposure_money",
        "trend_shown",
        "refunds_shown",
        "chargebacks_shown",
        "level_shown",
        "why",
    )
    list_filter = (("level", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("seller",)
    list_links = (("Totals and chart", "admin:fraud_exposuresnapshot_overview", "fraud.view_exposuresnapshot"),)
    empty_title = "No night was counted yet"
    empty_text = "The schedule takes a snapshot of every seller each night."
    panels = (Panel("parts", "What it consists of", _parts, lazy=False),)
    of_seller = link_column("Seller", "seller", lambda seller: seller.legal_name)
    night = day_column("Night", "on")
    exposure_money = money_column("Exposure", "exposure_minor")

    @admin.display(description="Trend")
    def trend_shown(self, row: ExposureSnapshot) -> str:
        return trend(row)

    @admin.display(description="Refunds")
    def refunds_shown(self, row: ExposureSnapshot) -> str:
        return rate(row.refund_basis_points)

    @admin.display(description="Chargebacks")
    def chargebacks_shown(self, row: ExposureSnapshot) -> str:
        return rate(row.chargeback_basis_points)

    @admin.display(description="Level")
    def level_shown(self, row: ExposureSnapshot) -> Any:
        return level_label(row)

    @admin.display(description="Because of")
    def why(self, row: ExposureSnapshot) -> str:
        return ", ".join(_REASONS.get(one, one) for one in row.reasons)

    def page_title(self, row: ExposureSnapshot) -> str:
        return f"Exposure of {row.seller.legal_name}, {display.day_text(row.on)}"

    def headline(self, row: ExposureSnapshot) -> Any:
        return display.money(row.exposure_minor, row.currency)

    def facts(self, row: ExposureSnapshot) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller, row.seller.legal_name)), ("Level", level_label(row)), ("Because of", self.why(row)), ("Trend", trend(row)),
            ("Sales in the window", display.number(row.sales_count)), ("Sold", display.money(row.sales_minor, row.currency)),
            ("Refunds, by amount", rate(row.refund_basis_points)), ("Chargebacks, by count", rate(row.chargeback_basis_points)),
            ("Policy version", row.policy_number),
        ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        own = path("overview/", self.admin_site.admin_view(self.overview_view), name="fraud_exposuresnapshot_overview")
        return [own, *super().get_urls()]

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        """Show the totals of one currency by night, and who is largest; currencies never share an axis."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        on = queries.last_night()
        context: dict[str, Any] = {**self.admin_site.each_context(request), "title": "Exposure", "opts": self.opts}
        if on is not None:
            offered = queries.currencies(on)
            asked = request.GET.get("currency", "")
            context |= _overview(asked if asked in offered else offered[0], offered, on)
        return TemplateResponse(request, "backoffice/fraud/exposure.html", context)


def _overview(currency: str, offered: list[str], on: Any) -> dict[str, Any]:
    nights = queries.totals(currency, on)
    parts = (
        ("Unsettled sales", "unsettled", "600"),
        ("Open disputes", "disputed", "400"),
        ("Debt", "debt", "300"),
        ("Advances", "advance", "200"),
    )
    series = [
        {
            "label": name,
            "data": [Money(int(row[key]), currency).decimal() for row in nights],
            "backgroundColor": f"var(--color-primary-{shade})",
            "stack": "exposure",
        }
        for name, key, shade in parts
    ]
    series.append({"label": "Reserves", "data": [Money(-int(row["reserved"]), currency).decimal() for row in nights],
                   "backgroundColor": "var(--color-base-400)", "stack": "exposure"})  # fmt: skip
    options = {
        "maintainAspectRatio": False, "animation": False,
        "plugins": {"legend": {"display": True, "align": "end", "labels": {"boxWidth": 10, "boxHeight": 10}}},
        "scales": {"y": {"stacked": True, "ticks": {"maxTicksLimit": 6}}, "x": {"stacked": True, "grid": {"display": False}}},
    }  # fmt: skip
    newest = nights[-1]
    largest = [
        (
            display.link(row, row.seller.legal_name), display.money(row.exposure_minor, currency), trend(row), display.money(row.unsettled_minor, currency),
            display.money(row.disputed_minor, currency), display.money(row.reserved_minor, currency), rate(row.refund_basis_points),
            rate(row.chargeback_basis_points), level_label(row),
        )
        for row in queries.largest(currency, on)
    ]  # fmt: skip
    heads = ["Seller", "Exposure", "Trend", "Unsettled", "Disputed", "Reserved", "Refunds", "Chargebacks", "Level"]
    table = Table([Column(head, money=head in ("Exposure", "Unsettled", "Disputed", "Reserved")) for head in heads], largest)
    levels = reverse("admin:fraud_exposuresnapshot_changelist")
    return {
        "chart": json.dumps({"labels": [f"{row['on'].day} {row['on']:%b}" for row in nights], "datasets": series}), "chart_options": json.dumps(options),
        "currency": currency, "currencies": offered if len(offered) > 1 else [], "night": display.day(on), "table": table, "panel": {"title": "Largest"},
        "figures": [
            ("Exposure", display.money(int(newest["exposure"]), currency)), ("At warning", newest["warn"]), ("Critical", newest["critical"]),
        ],
        "levels_url": f"{levels}?level=critical",
        "chart_rows": [
            (display.day(row["on"]), *(display.money(int(row[key]), currency) for key in ("exposure", "unsettled", "disputed", "debt", "advance", "reserved")))
            for row in reversed(nights)
        ],
    }  # fmt: skip
