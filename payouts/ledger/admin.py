"""Screens of the ledger: accounts with their balances, postings, entries, trial balance, periods, corrections."""

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
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

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
    display,
    fields,
    instant_column,
    link_column,
    money_column,
    person_column,
    reason_column,
    state_column,
)
from backoffice.kit.money import Money, to_minor
from payouts.ledger import adjustments, periods, queries
from payouts.ledger.chart import CHART
from payouts.ledger.models import Account, Entry, Period, PeriodState, Posting
from payouts.ledger.templates import TEMPLATES, Leg


def normal(entry: Entry, signed: int | None = None) -> int:
    """Return an entry's amount on its account's normal side: what increases it is positive."""
    return (entry.amount_minor if signed is None else signed) * entry.account.normal_sign


def side(amount_minor: int) -> str:
    return "debit" if amount_minor > 0 else "credit"


class CodeFilter(DropdownFilter):
    title = "account"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, kind.label) for code, kind in CHART.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(code=self.value()) if self.value() else queryset


class TemplateFilter(DropdownFilter):
    title = "kind of posting"
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ")) for name in TEMPLATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(template=self.value()) if self.value() else queryset


def _entries(account: Account, look: Look) -> Table:
    rows, older = look.slice_of(Entry.objects.filter(account=account).select_related("posting", "account"))
    return Table(
        [Column("Recorded"), Column("Posting"), Column("Side"), Column("Amount", money=True)],
        [
            (
                display.instant(entry.posting.recorded_at),
                display.link(entry.posting, entry.posting.template.replace("_", " ")),
                side(entry.amount_minor),
                display.money(normal(entry), entry.currency, signed=True),
            )
            for entry in rows
        ],
        empty="Nothing was ever booked on this account.",
        older=older,
    )


@admin.register(Account)
class AccountAdmin(OperatorAdmin):
    list_display = ("name", "holder_shown", "currency", "balance_money", "kept")
    list_filter = (CodeFilter, CurrencyFilter)
    search_by = (lambda term: Q(holder=term), lambda term: Q(holder_id=int(term)) if term.isdigit() else Q(pk__in=[]))
    search_help_text = "Holder, such as a rail or bank account"
    list_links = (("Trial balance", "admin:payouts_account_trial_balance", "payouts.view_account"),)
    panels = (Panel("entries", "Entries", _entries, permission="payouts.view_entry"),)
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
        for row in rows:
            row.shown_balance = balances.get(row.pk, 0)

    @admin.display(description="Account")
    def name(self, row: Account) -> str:
        return CHART[row.code].label if row.code in CHART else row.code

    @admin.display(description="Holder")
    def holder_shown(self, row: Account) -> str:
        if row.holder:
            return row.holder
        return f"seller no. {row.holder_id}" if row.holder_id else "the platform"

    @admin.display(description="Balance is")
    def kept(self, row: Account) -> str:
        return "kept with each booking" if row.guarded else "checkpoint and tail"

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
            ("Balance is", self.kept(row)),
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


def _posting_entries(posting: Posting, look: Look) -> Table:
    rows = list(posting.entries.select_related("account").order_by("position"))
    return Table(
        [Column("Account"), Column("Debit", money=True), Column("Credit", money=True)],
        [
            (
                display.link(entry.account),
                display.money(entry.amount_minor, entry.currency) if entry.amount_minor > 0 else "",
                display.money(-entry.amount_minor, entry.currency) if entry.amount_minor < 0 else "",
            )
            for entry in rows
        ],
    )


def _correction(row: Any, asked: dict[str, Any]) -> dict[str, Any]:
    amount, currency, holder = to_minor(asked["amount"], asked["currency"]), asked["currency"], asked["holder_id"] or 0
    legs = [
        _leg(asked["debit"], holder, currency, amount),
        _leg(asked["credit"], holder, currency, -amount),
    ]
    return {"template": asked["template"], "legs": legs, "reason": asked["reason"]}


def _leg(code: str, holder_id: int, currency: str, amount: int) -> Leg:
    personal = code.startswith(("seller.", "receivable."))
    return Leg(code, holder_id if personal else 0, "" if personal else "platform", currency, amount)


def _correction_fields(row: Any) -> dict[str, Any]:
    from django.conf import settings

    codes = sorted(TEMPLATES["adjustment"].codes | TEMPLATES["write_off"].codes)
    offered = [(code, CHART[code].label) for code in codes]
    return {
        "template": fields.choice("Kind", [("adjustment", "adjustment"), ("write_off", "write-off")]),
        "debit": fields.choice("Debit", offered),
        "credit": fields.choice("Credit", offered),
        "holder_id": fields.number(
            "Seller number", "Only for accounts of a seller; it stands on the seller's page.", required=False, high=2**62
        ),
        "currency": fields.choice("Currency", [(code, code) for code in settings.CURRENCIES]),
        "amount": fields.amount(),
        "reason": fields.reason(),
    }


@admin.register(Posting)
class PostingAdmin(OperatorAdmin):
    list_display = ("pk", "kind", "key", "recorded", "effective", "actor_shown", "why")
    list_filter = (TemplateFilter, ("recorded_at", DayRangeFilter))
    actor_fields = ("actor", "approver")
    search_by = (
        lambda term: Q(key=term),
        lambda term: Q(pk=int(term)) if term.isdigit() and len(term) < 19 else Q(pk__in=[]),
    )
    search_help_text = "Key (such as an id), or posting number"
    list_select_related = ("reverses",)
    panels = (Panel("entries", "Entries", _posting_entries, permission="payouts.view_entry", lazy=False),)
    empty_text = "Postings are made by earnings, holds, payouts and bank answers."
    list_buttons = (
        Button(
            name="request_correction",
            label="Request a correction",
            verb=adjustments.request_correction,
            permission="payouts.request_adjustment",
            arguments=_correction,
            fields=_correction_fields,
            explain="Nothing is booked until another person approves exactly this. Debit and credit are of the same amount.",
            done="Requested. Another person must approve it under Approvals.",
            then=lambda row, approval: display.page_of(approval),
        ),
    )
    export_columns = (
        ExportColumn("number", lambda p: p.pk),
        ExportColumn("kind", lambda p: p.template),
        ExportColumn("key", lambda p: p.key),
        ExportColumn("recorded_at", lambda p: p.recorded_at),
        ExportColumn("effective_at", lambda p: p.effective_at),
        ExportColumn("actor", lambda p: p.actor),
        ExportColumn("approver", lambda p: p.approver),
        ExportColumn("reason", lambda p: p.reason),
    )
    recorded = instant_column("Recorded", "recorded_at")
    effective = instant_column("Effective", "effective_at")
    actor_shown = person_column("By", "actor")
    why = reason_column("Reason", "reason")

    @admin.display(description="Kind")
    def kind(self, row: Posting) -> str:
        return row.template.replace("_", " ")

    def page_title(self, row: Posting) -> str:
        return f"Posting {row.pk}: {self.kind(row)}"

    def facts(self, row: Posting) -> list[tuple[str, Any]]:
        reversal = Posting.objects.filter(reverses=row).first()
        return [
            ("Key", display.copyable(row.key)),
            ("Recorded", display.instant(row.recorded_at)),
            ("Effective", display.instant(row.effective_at)),
            ("By", self.person(row, "actor")),
            ("Approved by", self.person(row, "approver")),
            ("Reason", row.reason),
            ("Template", f"{row.template}, version {row.template_version}"),
            ("Belongs to", f"{row.source_kind} no. {row.source_id}" if row.source_kind else ""),
            ("Reverses", display.link(row.reverses) if row.reverses_id else ""),
            ("Reversed by", display.link(reversal) if reversal else ""),
        ]


@admin.register(Entry)
class EntryAdmin(OperatorAdmin):
    list_display = ("pk", "recorded", "posting_shown", "account_shown", "debit_money", "credit_money")
    list_filter = (CurrencyFilter,)
    list_select_related = ("posting", "account")
    search_by = (lambda term: Q(pk=int(term)) if term.isdigit() and len(term) < 19 else Q(pk__in=[]),)
    search_help_text = "Entry number"
    empty_text = "Entries are the sides of postings."
    export_columns = (
        ExportColumn("number", lambda e: e.pk),
        ExportColumn("posting", lambda e: e.posting_id),
        ExportColumn("kind", lambda e: e.posting.template),
        ExportColumn("recorded_at", lambda e: e.posting.recorded_at),
        ExportColumn("account", lambda e: e.account.code),
        ExportColumn("holder", lambda e: e.account.holder or e.account.holder_id),
        ExportColumn("amount, debit positive", lambda e: Money(e.amount_minor, e.currency)),
        ExportColumn("currency", lambda e: e.currency),
    )
    account_shown = link_column("Account", "account")

    @admin.display(description="Recorded")
    def recorded(self, row: Entry) -> Any:
        return display.instant(row.posting.recorded_at)

    @admin.display(description="Posting")
    def posting_shown(self, row: Entry) -> Any:
        return display.link(row.posting, row.posting.template.replace("_", " "))

    @admin.display(description="Debit")
    def debit_money(self, row: Entry) -> Any:
        return display.money(row.amount_minor, row.currency) if row.amount_minor > 0 else ""

    @admin.display(description="Credit")
    def credit_money(self, row: Entry) -> Any:
        return display.money(-row.amount_minor, row.currency) if row.amount_minor < 0 else ""

    def headline(self, row: Entry) -> Any:
        return display.money(normal(row), row.currency)

    def facts(self, row: Entry) -> list[tuple[str, Any]]:
        return [
            ("Posting", display.link(row.posting)),
            ("Account", display.link(row.account)),
            ("Side", side(row.amount_minor)),
            ("Recorded", display.instant(row.posting.recorded_at)),
        ]


def _month(row: Any) -> dict[str, Any]:
    return {"month": fields.on_date("Month", "Any day of the month to close.")}


def _period_effect(row: Period) -> list[tuple[str, Any]]:
    count = Posting.objects.filter(recorded_at__date__gte=row.starts_on, recorded_at__date__lte=row.ends_on)[:1_001].count()
    return [("Month", str(row)), ("Postings recorded in it", "more than 1,000" if count > 1_000 else count)]


@admin.register(Period)
class PeriodAdmin(OperatorAdmin):
    list_display = ("name", "state_shown", "closed_by_shown", "closed", "hash")
    list_filter = (("state", ChoicesDropdownFilter),)
    ordering = ("-starts_on",)
    actor_fields = ("closed_by",)
    empty_title = "No month was closed yet"
    empty_text = "Every month is open until somebody closes it here."
    state_shown = state_column("State", "state")
    closed_by_shown = person_column("Closed by", "closed_by")
    closed = instant_column("Closed", "closed_at")
    list_buttons = (
        Button(
            name="soft_close_month",
            label="Soft-close a month",
            verb=periods.soft_close_period,
            permission="payouts.close_period",
            arguments=lambda row, asked: {"month": asked["month"]},
            fields=_month,
            explain="After this only those with the permission book into the month.",
            done=lambda row, period: f"{period} is soft-closed.",
        ),
    )
    buttons = (
        Button(
            name="soft_close",
            label="Soft-close",
            verb=periods.soft_close_period,
            permission="payouts.close_period",
            arguments=lambda row, asked: {"month": row.starts_on},
            states=(PeriodState.OPEN,),
            state_field="state",
            effect=_period_effect,
            done=lambda row, period: f"{period} is soft-closed.",
        ),
        Button(
            name="close",
            label="Close for good",
            verb=periods.close_period,
            permission="payouts.close_period",
            arguments=lambda row, asked: {"month": row.starts_on},
            states=(PeriodState.OPEN, PeriodState.SOFT_CLOSED),
            state_field="state",
            effect=_period_effect,
            explain="Nothing can be booked into a closed month again, and it cannot be opened. Its trial balance is sealed by a hash.",
            danger=True,
            done=lambda row, period: f"{period} is closed.",
        ),
    )

    @admin.display(description="Month")
    def name(self, row: Period) -> str:
        return str(row)

    @admin.display(description="Trial balance")
    def hash(self, row: Period) -> Any:
        return display.copyable(row.trial_balance_hash, row.trial_balance_hash[:12]) if row.trial_balance_hash else display.EMPTY

    def status_label(self, row: Period) -> Any:
        return display.state(row, "state")

    def facts(self, row: Period) -> list[tuple[str, Any]]:
        return [
            ("From", display.day(row.starts_on)),
            ("To", display.day(row.ends_on)),
            ("Closed by", self.person(row, "closed_by")),
            ("Closed", display.instant(row.closed_at)),
            ("Trial balance", self.hash(row)),
        ]
