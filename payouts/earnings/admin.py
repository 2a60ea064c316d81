"""Screens of earnings: every one, and a seller's own on the seller's page. Imports: admin_imports."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
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
    id_column,
    instant_column,
    link_column,
    money_column,
    plug,
)
from backoffice.kit.money import Money
from payouts.earnings.models import Earning
from payouts.ledger.panels import postings_of
from payouts.sellers.models import Seller


def _postings(earning: Earning, look: Look) -> Table:
    return postings_of("earning", earning, look)


@admin.register(Earning)
class EarningAdmin(OperatorAdmin):
    list_display = (
        "external_id",
        "kind_shown",
        "seller_shown",
        "occurred",
        "gross_money",
        "fee_money",
        "net_money",
        "available",
    )
    wide_only = ("fee_money", "available")
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
        [Column("Earning"), Column("Kind"), Column("Occurred"), Column("Net", money=True), Column("Available")],
        [
            (
                display.link(row, row.external_id),
                row.get_kind_display(),
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


plug(
    Seller,
    Panel(
        "earnings",
        "Earnings",
        _earnings_of,
        permission="payouts.view_earning",
        when=lambda seller: not seller.is_consumer,
        order=50,
    ),
)
