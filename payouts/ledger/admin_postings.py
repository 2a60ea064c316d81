"""Screens of postings and their entries, corrections by two people, and the postings of one thing on its own page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

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
    person_column,
    reason_column,
)
from backoffice.kit.ids import prefix_of
from backoffice.kit.money import Money, to_minor
from payouts.ledger import adjustments
from payouts.ledger.chart import CHART
from payouts.ledger.models import Entry, Posting
from payouts.ledger.naming import account_name, holder_names
from payouts.ledger.panels import posting_link
from payouts.ledger.templates import TEMPLATES, Leg


def normal(entry: Entry, signed: int | None = None) -> int:
    """Return an entry's amount on its account's normal side: what increases it is positive."""
    return (entry.amount_minor if signed is None else signed) * entry.account.normal_sign


def side(amount_minor: int) -> str:
    return "debit" if amount_minor > 0 else "credit"


class TemplateFilter(DropdownFilter):
    title = "kind of posting"
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ")) for name in TEMPLATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(template=self.value()) if self.value() else queryset


def _posting_entries(posting: Posting, look: Look) -> Table:
    rows = list(posting.entries.select_related("account").order_by("position"))
    names = holder_names(entry.account for entry in rows)
    return Table(
        [Column("Account"), Column("Debit", money=True), Column("Credit", money=True)],
        [
            (
                display.link(entry.account, account_name(entry.account, names)),
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
    list_display = ("pk", "kind", "of", "recorded", "effective", "actor_shown", "why")
    wide_only = ("effective",)
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

    @admin.display(description="Key")
    def of(self, row: Posting) -> Any:
        return display.shortened(row.key)

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
            ("Template", f"{row.template.replace('_', ' ')}, version {row.template_version}"),
            ("Belongs to", _source(row)),
            ("Reverses", display.link(row.reverses, f"posting {row.reverses_id}") if row.reverses_id else ""),
            ("Reversed by", display.link(reversal, f"posting {reversal.pk}") if reversal else ""),
        ]


def _source(posting: Posting) -> Any:
    """Lead to what a posting was made for, where its key is an id; else say which row it was."""
    if not posting.source_kind:
        return ""
    kind = posting.source_kind.replace("_", " ")
    if prefix_of(posting.key):
        return display.way_to(posting.key, f"{kind} {display.short_id(posting.key)}")
    return f"{kind} no. {posting.source_id}"


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

    def decorate(self, rows: list[Any]) -> None:
        names = holder_names(row.account for row in rows)
        for row in rows:
            row.account_words = account_name(row.account, names)

    @admin.display(description="Account")
    def account_shown(self, row: Any) -> Any:
        return display.link(row.account, row.account_words)

    @admin.display(description="Recorded")
    def recorded(self, row: Entry) -> Any:
        return display.instant(row.posting.recorded_at)

    @admin.display(description="Posting")
    def posting_shown(self, row: Entry) -> Any:
        return posting_link(row.posting)

    @admin.display(description="Debit")
    def debit_money(self, row: Entry) -> Any:
        return display.money(row.amount_minor, row.currency) if row.amount_minor > 0 else ""

    @admin.display(description="Credit")
    def credit_money(self, row: Entry) -> Any:
        return display.money(-row.amount_minor, row.currency) if row.amount_minor < 0 else ""

    def page_title(self, row: Entry) -> str:
        return f"Entry {row.pk}"

    def headline(self, row: Entry) -> Any:
        return display.money(normal(row), row.currency)

    def facts(self, row: Entry) -> list[tuple[str, Any]]:
        return [
            ("Posting", display.link(row.posting, f"{row.posting_id}: {row.posting.template.replace('_', ' ')}")),
            ("Account", display.link(row.account, account_name(row.account, holder_names([row.account])))),
            ("Side", side(row.amount_minor)),
            ("Recorded", display.instant(row.posting.recorded_at)),
        ]
