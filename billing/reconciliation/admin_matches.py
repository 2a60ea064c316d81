"""Screens of matches, staged lines and provider payouts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Column,
    CurrencyFilter,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    day_column,
    display,
    link_column,
    money_column,
    number_column,
    state_column,
)
from billing.reconciliation.admin import line_table
from billing.reconciliation.models import (
    Break,
    Feed,
    MatchGroup,
    ProviderPayout,
    StagedLine,
)
from billing.reconciliation.states import GROUP, LINE, PAYOUT, GroupState
from payouts.dispatch.models import BankFileEntry
from payouts.ledger.models import Posting
from payouts.ledger.panels import posting_link

# --- matches --------------------------------------------------------------------------------------------------------------


def _members(group: MatchGroup, look: Look) -> Table:
    rows, older = look.slice_of(group.lines.all())
    return line_table(rows, older=older)


def _differences(group: MatchGroup, look: Look) -> Table:
    rows = list(group.differences.select_related("posting").order_by("pk"))
    return Table(
        [Column("Account"), Column("What"), Column("They less we", money=True), Column("Booked"), Column("By")],
        [
            (
                row.get_leg_display(),
                row.get_kind_display(),
                display.money(row.amount_minor, row.currency, signed=True),
                posting_link(row.posting),
                "two people" if row.approval else f"the rule {group.rule}",
            )
            for row in rows
        ],
        empty="Nothing differs.",
    )


@admin.register(MatchGroup)
class MatchGroupAdmin(OperatorAdmin):
    list_display = ("number", "about", "holder", "theirs_money", "ours_money", "lines_shown", "rule", "last", "state_shown")
    list_filter = (("state", ChoicesDropdownFilter), ("leg", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("rulebook",)
    actor_fields = ("decided_by",)
    machine = GROUP
    search_by = (lambda term: Q(reference=term),)
    search_help_text = "Our name, or the provider's, of what it is about"
    empty_text = "Lines of both sides that belong together stand here, with what they differ by."
    panels = (
        Panel("members", "Lines", _members, permission="billing.view_stagedline", lazy=False, order=10),
        Panel("differences", "Difference lines", _differences, permission="billing.view_differenceline", lazy=False, order=20),
    )
    theirs_money = money_column("Theirs", "theirs_minor")
    ours_money = money_column("Ours", "ours_minor")
    lines_shown = number_column("Lines", "lines_count")
    last = day_column("Last day", "last_on")
    state_shown = state_column("State", "state")

    @admin.display(description="Match")
    def number(self, row: MatchGroup) -> str:
        return f"no. {row.pk}"

    @admin.display(description="About")
    def about(self, row: MatchGroup) -> Any:
        return display.shortened(row.reference)

    def page_title(self, row: MatchGroup) -> str:
        return f"Match no. {row.pk}"

    def headline(self, row: MatchGroup) -> Any:
        return display.money(row.theirs_minor, row.currency)

    def standing(self, row: MatchGroup) -> str:
        if row.state == GroupState.EXPECTED:
            return "Not all lines are there yet; the rule's days are still running."
        return "" if row.state in (GroupState.POSTED, GroupState.VOID) else "Its lines do not add up: see its break."

    def facts(self, row: MatchGroup) -> list[tuple[str, Any]]:
        found = Break.objects.filter(group=row).order_by("-pk").first()
        return [
            ("About", display.copyable(row.reference, row.reference)),
            ("Of", row.get_leg_display()),
            ("Told by", row.holder),
            ("Theirs", display.money(row.theirs_minor, row.currency)),
            ("Ours", display.money(row.ours_minor, row.currency)),
            ("Rule", f"{row.rule}, {row.rulebook}"),
            ("Decided by", self.person(row, "decided_by")),
            ("Decided", display.instant(row.decided_at)),
            ("Break", display.link(found)),
        ]


# --- lines ----------------------------------------------------------------------------------------------------------------


@admin.register(StagedLine)
class StagedLineAdmin(OperatorAdmin):
    list_display = ("number", "side_shown", "holder", "what", "name", "day", "amount_money", "fee_money", "state_shown", "match")
    wide_only = ("fee_money",)
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("side", ChoicesDropdownFilter),
        ("leg", ChoicesDropdownFilter),
        CurrencyFilter,
    )
    list_select_related = ("group",)
    machine = LINE
    search_by = (
        lambda term: Q(reference=term),
        lambda term: Q(source__in=["provider", "buyer", "bank", "ledger"], source_ref=term),
        lambda term: Q(holder__in=Feed.objects.values("name"), payout_ref=term) & ~Q(payout_ref=""),
    )
    search_help_text = "Our name, or the provider's or bank's"
    empty_text = "What providers and banks say, and what we booked, stands here line by line."
    side_shown = choice_column("Side", "side")
    day = day_column("Day", "on")
    amount_money = money_column("Amount")
    fee_money = money_column("Fee", "fee_minor")
    state_shown = state_column("State", "state")
    match = link_column("Match", "group", lambda group: f"no. {group.pk}")

    @admin.display(description="Line")
    def number(self, row: StagedLine) -> str:
        return f"no. {row.pk}"

    @admin.display(description="What")
    def what(self, row: StagedLine) -> str:
        return row.kind.replace("_", " ")

    @admin.display(description="Name")
    def name(self, row: StagedLine) -> Any:
        return display.shortened(row.reference or row.provider_ref or row.source_ref)

    def page_title(self, row: StagedLine) -> str:
        return f"Line no. {row.pk}: {self.what(row)}"

    def headline(self, row: StagedLine) -> Any:
        return display.money(row.amount_minor, row.currency)

    def facts(self, row: StagedLine) -> list[tuple[str, Any]]:
        posting = Posting.objects.filter(pk=row.posting_id).first() if row.posting_id else None
        entry = BankFileEntry.objects.filter(pk=row.bank_entry_id).first() if row.bank_entry_id else None
        found = Break.objects.filter(Q(line=row) | Q(group__isnull=False, group=row.group_id)).order_by("-pk").first()
        return [
            ("Side", row.get_side_display()),
            ("Of", row.get_leg_display()),
            ("Told by", row.holder),
            ("Their name of the line", display.copyable(row.source_ref, row.source_ref)),
            ("Our name", row.reference),
            ("Their name of the thing", row.provider_ref),
            ("Batch", row.batch_reference),
            ("Trace", row.trace_ref),
            ("Part of the payout", row.payout_ref),
            ("Fee kept", display.money(row.fee_minor or None, row.currency)),
            ("Day", display.day(row.on)),
            ("Staged", display.instant(row.staged_at)),
            ("Posting", display.link(posting)),
            ("Bank entry", display.link(entry)),
            ("Match", display.link(row.group)),
            ("Break", display.link(found)),
        ]


# --- provider payouts -----------------------------------------------------------------------------------------------------


def _parts(payout: ProviderPayout, look: Look) -> Table:
    lines = StagedLine.objects.filter(source="provider", holder=payout.gateway, payout_ref=payout.provider_ref).exclude(
        provider_ref=payout.provider_ref
    )
    rows, older = look.slice_of(lines)
    return line_table(rows, older=older, empty="The provider has named no transaction of this payout yet.")


def _ways(payout: ProviderPayout, look: Look) -> Table:
    if payout.group is None:
        return Table([], [], empty="Not looked at yet: the next pass does.")
    rows, older = look.slice_of(payout.group.lines.all())
    return line_table(rows, older=older)


@admin.register(ProviderPayout)
class ProviderPayoutAdmin(OperatorAdmin):
    list_display = (
        "ref",
        "gateway",
        "amount_money",
        "gross_money",
        "fee_money",
        "parts_shown",
        "made",
        "state_shown",
        "made_up",
        "agreed",
    )
    wide_only = ("gross_money",)
    list_filter = (("state", ChoicesDropdownFilter), ("composition", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("group", "sent_posting", "arrived_posting", "back_posting")
    machine = PAYOUT
    search_by = (lambda term: Q(gateway__in=Feed.objects.values("name"), provider_ref=term),)
    search_help_text = "Id, or the provider's name of the payout"
    empty_text = "What a provider pays out to our bank stands here, with its transactions, our books and the bank's line."
    panels = (
        Panel("ways", "Three ways: provider, books, bank", _ways, permission="billing.view_stagedline", lazy=False, order=10),
        Panel("parts", "Its transactions", _parts, permission="billing.view_stagedline", order=20),
    )
    amount_money = money_column("Paid out")
    gross_money = money_column("Transactions", "gross_minor")
    fee_money = money_column("Fees", "fee_minor")
    parts_shown = number_column("Parts", "transactions")
    made = day_column("Made", "made_on")
    state_shown = state_column("Provider says", "state")
    made_up = choice_column("Made up", "composition")

    @admin.display(description="Payout")
    def ref(self, row: ProviderPayout) -> Any:
        return display.shortened(row.provider_ref)

    @admin.display(description="Three sides")
    def agreed(self, row: ProviderPayout) -> Any:
        return display.label("agree", "good") if row.closed_at else display.label("open", "warn")

    def page_title(self, row: ProviderPayout) -> str:
        return f"Payout {row.provider_ref} of {row.gateway}"

    def headline(self, row: ProviderPayout) -> Any:
        return display.money(row.amount_minor, row.currency)

    def standing(self, row: ProviderPayout) -> str:
        if row.closed_at:
            return "The provider, our books and the bank agree."
        if row.sent_posting_id is None:
            missing = display.plain(row.amount_minor - row.gross_minor + row.fee_minor)
            return f"Its transactions do not make it up yet: {missing} minor units are missing."
        return "Booked as sent; the bank's line has not been found, or differs."

    def facts(self, row: ProviderPayout) -> list[tuple[str, Any]]:
        return [
            ("Transactions", display.money(row.gross_minor, row.currency)),
            ("Fees", display.money(row.fee_minor, row.currency)),
            ("Made", display.day(row.made_on)),
            ("Due at the bank", display.day(row.arrives_on)),
            ("Trace", row.trace_ref),
            ("Asked for its parts", display.instant(row.linked_at)),
            ("Sent", display.link(row.sent_posting)),
            ("Arrived", display.link(row.arrived_posting)),
            ("Came back", display.link(row.back_posting)),
            ("Match", display.link(row.group)),
            ("Agreed", display.instant(row.closed_at)),
        ]


# --- rules ----------------------------------------------------------------------------------------------------------------
