"""Screens of skipped sellers: who a run did not pay, why, and when next."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    CurrencyFilter,
    ExportColumn,
    OperatorAdmin,
    choice_column,
    day_column,
    display,
    link_column,
    money_column,
)
from backoffice.kit.money import Money
from payouts.runs.models import RunSkip


@admin.register(RunSkip)
class RunSkipAdmin(OperatorAdmin):
    list_display = ("run_shown", "seller_shown", "amount_money", "why", "next_day")
    list_filter = (("code", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("run", "seller")
    empty_text = "A built run keeps every seller it did not pay, with the reason."
    export_columns = (
        ExportColumn("run", lambda s: s.run.public_id),
        ExportColumn("seller", lambda s: s.seller.external_id),
        ExportColumn("stands there", lambda s: Money(s.amount_minor, s.currency)),
        ExportColumn("currency", lambda s: s.currency),
        ExportColumn("why", lambda s: s.get_code_display()),
        ExportColumn("next_on", lambda s: s.next_on),
    )
    run_shown = link_column("Run", "run", lambda run: display.day(run.run_on))
    seller_shown = link_column("Seller", "seller", lambda seller: seller.legal_name)
    amount_money = money_column("Stands there")
    why = choice_column("Why not", "code")
    next_day = day_column("Next day", "next_on")

    def facts(self, row: RunSkip) -> list[tuple[str, Any]]:
        return [
            ("Run", display.link(row.run)),
            ("Seller", display.link(row.seller)),
            ("Stands there", display.money(row.amount_minor, row.currency)),
            ("Why not", row.get_code_display()),
            ("Next day", display.day(row.next_on)),
        ]

    def page_title(self, row: RunSkip) -> str:
        return f"{row.seller.legal_name}: {row.get_code_display()}"
