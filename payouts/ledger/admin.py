"""Screens of the ledger's accounts: their balances, now and at an instant, and the trial balance. Postings: admin_postings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.contrib.filters.admin import DropdownFilter

from backoffice.kit.admin import (
    Column,
    CurrencyFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    money_column,
)
from backoffice.kit.money import Money
from payouts.ledger import queries
from payouts.ledger.admin_postings import normal, side
from payouts.ledger.chart import CHART
from payouts.ledger.models import Account, Entry
from payouts.ledger.naming import holder_name, holder_names, kind_name
from payouts.ledger.panels import posting_link


class CodeFilter(DropdownFilter):
    title = "account"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, kind.label) for code, kind in CHART.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(code=self.value()) if self.value() else queryset


def _entries(account: Account, look: Look) -> Table:
    rows, older = look.slice_of(Entry.objects.filter(account=account).select_related("posting", "account"))
    return Table(
        [Column("Recorded"), Column("Posting"), Column("Side"), Column("Amount", money=True)],
        [
            (
                display.instant(entry.posting.recorded_at),
                posting_link(entry.posting),
                side(entry.amount_minor),
                display.money(normal(entry), entry.currency, signed=True),
            )
            for entry in rows
        ],
        empty="Nothing was ever booked on this account.",
        older=older,
    )


def _floors(account: Account, look: Look) -> Table:
    rows, older = look.slice_of(account.floor_changes.all())
    names = display.people(row.actor for row in rows)
    return Table(
        [Column("Decided"), Column("Floor", money=True), Column("By"), Column("Reason")],
        [
            (
                display.instant(row.recorded_at),
                display.money(row.floor_minor, account.currency),
                names.get(row.actor, row.actor),
                row.reason,
            )
            for row in rows
        ],
        empty="Nobody decided a floor for this account: it has that of the chart.",
        older=older,
    )


@admin.register(Account)
class AccountAdmin(OperatorAdmin):
    list_display = ("name", "holder_shown", "currency", "balance_money", "kept")
    list_filter = (CodeFilter, CurrencyFilter)
    search_by = (lambda term: Q(holder=term), lambda term: Q(holder_id=int(term)) if term.isdigit() else Q(pk__in=[]))
    search_help_text = "Holder, such as a rail or bank account"
    list_links = (("Trial balance", "admin:payouts_account_trial_balance", "payouts.view_account"),)
    panels = (
        Panel("entries", "Entries", _entries, permission="payouts.view_entry"),
        Panel(
            "floors",
            "Decisions about its floor",
            _floors,
            permission="payouts.view_floorchange",
            when=lambda account: account.guarded,
        ),
    )
    empty_text = "Accounts are opened by the first posting that names them."
    export_columns = (
        ExportColumn("account", lambda a: a.code),
        ExportColumn("holder", lambda a: a.holder or a.holder_id),
        ExportColumn("currency", lambda a: a.currency),
        ExportColumn("balance", lambda a: Money(queries.balance(a.pk), a.currency)),
    )
    balance_money = money_column("Balance", amount="shown_balance")

    def decorate(self, rows: list[Any]) -> None:
        """Read the page's balances in one statement: materialised, or checkpoint and tail."""
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT a.id, a.normal_sign * coalesce(b.amount_minor, coalesce(c.amount_minor, 0) + coalesce(t.tail, 0))::bigint
                     FROM payouts_account a
                     LEFT JOIN payouts_balance b ON b.account_id = a.id
                     LEFT JOIN payouts_checkpoint c ON c.account_id = a.id
                     LEFT JOIN LATERAL (SELECT sum(e.amount_minor) AS tail FROM payouts_entry e
                                         WHERE b.account_id IS NULL AND e.account_id = a.id
                                           AND e.id > coalesce(c.upto_entry_id, 0)) t ON true
                    WHERE a.id = ANY(%s)""",
                [[row.pk for row in rows]],
            )
            balances = dict(cursor.fetchall())
        names = holder_names(rows)
        for row in rows:
            row.shown_balance, row.holder_words = balances.get(row.pk, 0), holder_name(row, names)

    @admin.display(description="Account")
    def name(self, row: Account) -> str:
        return kind_name(row)

    @admin.display(description="Holder")
    def holder_shown(self, row: Account) -> str:
        return getattr(row, "holder_words", None) or holder_name(row, holder_names([row]))

    @admin.display(description="Floor")
    def kept(self, row: Account) -> str:
        return "guarded" if row.guarded else "none"

    def headline(self, row: Account) -> Any:
        return display.money(queries.balance(row.pk), row.currency)

    def page_title(self, row: Account) -> str:
        return f"{self.name(row)}, {self.holder_shown(row)}, {row.currency}"

    def facts(self, row: Account) -> list[tuple[str, Any]]:
        return [
            ("Code", row.code),
            ("Holder", self.holder_shown(row)),
            ("Currency", row.currency),
            ("Normal side", side(row.normal_sign)),
            ("Floor", self.kept(row)),
            ("Opened", display.instant(row.created_at)),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the account; with ?as_of= also the balance at that instant."""
        context: dict[str, Any] = {"as_of_text": request.GET.get("as_of", "")}
        if context["as_of_text"]:
            try:
                instant = _local(context["as_of_text"])
            except ValueError as error:
                context["as_of_error"] = str(error)
            else:
                row = self._row(request, object_id)
                context |= {
                    "as_of": display.instant(instant),
                    "as_of_balance": display.money(queries.balance_as_of(row.pk, instant), row.currency),
                }
        response = super().change_view(request, object_id, form_url, context | (extra_context or {}))
        if isinstance(response, TemplateResponse):
            response.template_name = "backoffice/account.html"
        return response

    def trial_balance_view(self, request: HttpRequest) -> HttpResponse:
        """Show debits, credits and balances per account code and currency, now or at an instant."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text, instant, problem = request.GET.get("as_of", ""), None, ""
        try:
            instant = _local(text) if text else None
        except ValueError as error:
            problem = str(error)
        rows = queries.trial_balance(instant)
        sums: dict[str, int] = {}
        for row in rows:
            sums[row["currency"]] = sums.get(row["currency"], 0) + row["signed_minor"]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Trial balance",
            "as_of_text": text,
            "as_of_error": problem,
            "as_of": display.instant(instant) if instant else "now",
            "rows": [
                (
                    row["label"],
                    row["currency"],
                    display.money(row["debit_minor"], row["currency"]),
                    display.money(row["credit_minor"], row["currency"]),
                    display.money(row["balance_minor"], row["currency"]),
                    display.list_url(Account, code=row["code"], currency=row["currency"]),
                )
                for row in rows
            ],
            "sums": [(currency, display.money(total, currency), total == 0) for currency, total in sorted(sums.items())],
        }
        return TemplateResponse(request, "backoffice/trial_balance.html", context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.trial_balance_view)
        return [path("trial-balance/", view, name="payouts_account_trial_balance"), *super().get_urls()]


def _local(text: str) -> datetime:
    """Return the instant of a date and time as the operator typed it, in the operator's zone; raises ValueError with a sentence."""
    from django.utils import timezone
    from django.utils.dateparse import parse_date, parse_datetime

    try:
        parsed = parse_datetime(text)
        if parsed is None and (day := parse_date(text)) is not None:
            parsed = datetime(day.year, day.month, day.day, 23, 59, 59, 999_999)  # noqa: DTZ001 - made aware below
    except ValueError:
        parsed = None
    if parsed is None:
        raise ValueError(f"“{text[:40]}” is not a date or time, such as 2026-11-21 or 2026-11-21T09:30.")
    return parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)
