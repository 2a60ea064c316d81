"""Screens of what banks tell us: their files and the entries of these, with what each did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.actors import Actor
from backoffice.kit.admin import (
    Button,
    Column,
    CurrencyFilter,
    Download,
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
    queue,
    state_column,
    value_filter,
)
from backoffice.kit.errors import InputError
from backoffice.kit.money import Money
from backoffice.kit.transactions import composable
from payouts.dispatch import operations, queries
from payouts.dispatch.models import BankFile, BankFileEntry, BankStatement
from payouts.dispatch.operations import BankFileResult
from payouts.dispatch.states import BankFileState, EntryState
from payouts.dispatch.stored import bytes_of

DIRECTIONS = {"CRDT": "in", "DBIT": "out"}
UPLOAD_BYTES_MAX = 50 * 1024 * 1024

queue(
    name="unplaced",
    title="Bank entries not placed",
    model=BankFileEntry,
    rows=lambda at: queries.unplaced_entries(),
    age_field="created_at",
    help_text="Nothing of ours matches them: find out what they are, and explain.",
    order=50,
)


def mask(iban: str) -> str:
    return f"{iban[:2]} •••• {iban[-4:]}" if len(iban) > 8 else iban


def outcome_words(row: BankFileEntry) -> str:
    """Return what an entry did, with the bank's code where it gave one; our own codes are the same words again."""
    words = row.outcome.replace("_", " ")
    return f"{words} ({row.code})" if row.code and row.code.isupper() else words


def entry_table(rows: list[BankFileEntry], older: int | None, empty: str) -> Table:
    """Return bank entries as every page shows them."""
    return Table(
        [
            Column("Entry"),
            Column("Booked"),
            Column("Amount", money=True),
            Column("State"),
            Column("What it did"),
            Column("File"),
        ],
        [
            (
                display.link(row, row.kind),
                display.day(row.booked_on),
                display.money(row.amount_minor, row.currency),
                display.state(row, "state"),
                outcome_words(row),
                display.link(row.bank_file),
            )
            for row in rows
        ],
        empty=empty,
        older=older,
    )


class UploadTooLarge(InputError):
    code = "upload_too_large"
    sentence = "The file is larger than any bank file ({limit} MB)."


@composable
def import_upload(*, file: Any, account_iban: str, actor: Actor, at: datetime) -> BankFileResult:
    """Read an uploaded bank file; the same file twice is a no-op."""
    if file.size > UPLOAD_BYTES_MAX:
        raise UploadTooLarge(limit=UPLOAD_BYTES_MAX // 1024**2)
    return operations.import_bank_file(
        data=file.read(), file_name=file.name, actor=actor, at=at, account_iban=account_iban or None
    )


def _entries_of(file: BankFile, look: Look) -> Table:
    rows, older = look.slice_of(file.entries.select_related("bank_file"))
    return entry_table(rows, older, empty="The file has no entries.")


def _statements_of(file: BankFile, look: Look) -> Table:
    rows = list(BankStatement.objects.filter(bank_file=file).order_by("pk")[: look.limit])
    return Table(
        [
            Column("Account"),
            Column("Statement"),
            Column("From"),
            Column("To"),
            Column("Entries"),
            Column("Opening", money=True),
            Column("Closing", money=True),
        ],
        [
            (
                mask(row.account_iban),
                f"{row.kind} {row.statement_id}",
                display.day(row.from_on),
                display.day(row.to_on),
                row.entries_count,
                display.money(row.opening_minor, row.currency),
                display.money(row.closing_minor, row.currency),
            )
            for row in rows
        ],
        empty="This file carries no statement.",
    )


@admin.register(BankFile)
class BankFileAdmin(OperatorAdmin):
    list_display = ("file_name", "format", "state_shown", "received", "by", "hash")
    list_filter = (("state", ChoicesDropdownFilter),)
    actor_fields = ("received_by",)
    search_by = (lambda term: Q(sha256=term), lambda term: Q(file_name=term))
    search_help_text = "Id, file name or SHA-256"
    empty_title = "No bank file was read yet"
    empty_text = "Upload what the bank sent: pain.002, camt.052, camt.053, camt.054, pacs.004, MT940, BAI2 or CSV. The format is recognised."
    panels = (
        Panel("statements", "Statements", _statements_of, lazy=False, order=10),
        Panel("entries", "Entries", _entries_of, permission="payouts.view_bankfileentry", lazy=False, order=20),
    )
    list_buttons = (
        Button(
            name="upload",
            label="Upload a bank file",
            verb=import_upload,
            permission="payouts.import_bank_file",
            arguments=lambda row, asked: asked,
            fields=lambda row: {
                "file": fields.upload("File", "As the bank sent it."),
                "account_iban": fields.text(
                    "Only for account", "Its IBAN, if the file must be about this account.", required=False, max_length=34
                ),
            },
            explain="What the file says is applied at once, all of it or nothing. The same file again changes nothing.",
            done=lambda row, result: _file_told(result),
            then=lambda row, result: _page_of_file(result),
        ),
    )
    downloads = (
        Download(
            "bytes",
            "The file as received",
            lambda row: (
                bytes_of(BankFile.objects.get(pk=row.pk)),
                "application/octet-stream",
                row.file_name,
            ),
        ),
    )
    state_shown = state_column("State", "state")
    received = instant_column("Received", "received_at")
    by = person_column("By", "received_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankFile]:
        return super().get_queryset(request).defer("sealed")

    @admin.display(description="SHA-256")
    def hash(self, row: BankFile) -> Any:
        return display.copyable(row.sha256, row.sha256[:12])

    def status_label(self, row: BankFile) -> Any:
        return display.state(row, "state")

    def standing(self, row: BankFile) -> str:
        if row.state != BankFileState.PARTLY_PLACED:
            return ""
        return "Some entries match nothing of ours: open each that is not placed, find out what it is, and explain it."

    def facts(self, row: BankFile) -> list[tuple[str, Any]]:
        told = [
            (str(name).replace("_", " ").capitalize(), value)
            for name, value in row.summary.items()
            if isinstance(value, int | str)
        ]
        return [
            ("Format", row.format),
            *told[:8],
            ("SHA-256", self.hash(row)),
            ("Received", display.instant(row.received_at)),
            ("By", self.person(row, "received_by")),
        ]


@admin.register(BankFileEntry)
class BankFileEntryAdmin(OperatorAdmin):
    list_display = (
        "booked",
        "kind_shown",
        "amount_money",
        "way",
        "state_shown",
        "order",
        "what",
        "file_shown",
    )
    wide_only = ("kind_shown", "file_shown")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        value_filter("kind", "kind", lambda: [(one, one) for one in ("status", "booking", "return", "notice")]),
        CurrencyFilter,
    )
    list_select_related = ("bank_file", "payment_order", "payment_order__payout")
    actor_fields = ("owner",)
    search_by = (lambda term: Q(end_to_end_id=term), lambda term: Q(line_ref=term), lambda term: Q(servicer_ref=term))
    search_help_text = "Id, end-to-end id or the bank's reference"
    empty_text = "The lines of the banks' files stand here with what became of each."
    buttons = (
        Button(
            name="explain",
            label="Explain",
            verb=operations.explain_entry,
            permission="payouts.explain_bank_entry",
            arguments=lambda row, asked: {"entry_id": row.pk, "reason": asked["reason"]},
            states=(EntryState.UNPLACED,),
            state_field="state",
            fields=lambda row: {"reason": fields.reason("What this line is, and how you know.")},
            effect=lambda row: [
                ("Line", row.line_ref),
                ("Amount", display.money(row.amount_minor, row.currency)),
                ("Text", row.text),
            ],
            explain="No money moves: what stands in suspense stays there until a correction by two people.",
            done="Explained.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda e: e.public_id),
        ExportColumn("file", lambda e: e.bank_file.file_name),
        ExportColumn("kind", lambda e: e.kind),
        ExportColumn("state", lambda e: e.get_state_display()),
        ExportColumn(
            "amount", lambda e: Money(e.amount_minor, e.currency) if e.currency and e.amount_minor is not None else None
        ),
        ExportColumn("currency", lambda e: e.currency),
        ExportColumn("direction", lambda e: e.direction),
        ExportColumn("booked_on", lambda e: e.booked_on),
        ExportColumn("code", lambda e: e.code),
        ExportColumn("end_to_end_id", lambda e: e.end_to_end_id),
        ExportColumn("outcome", lambda e: e.outcome),
    )
    state_shown = state_column("State", "state")
    amount_money = money_column("Amount")
    file_shown = link_column("File", "bank_file")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankFileEntry]:
        return super().get_queryset(request).defer("bank_file__sealed")

    @admin.display(description="Kind")
    def kind_shown(self, row: BankFileEntry) -> str:
        return row.kind

    @admin.display(description="Booked")
    def booked(self, row: BankFileEntry) -> Any:
        """Say the day the bank booked it; answers that book nothing have only the time they were read."""
        return display.day(row.booked_on) if row.booked_on else display.instant(row.created_at)

    @admin.display(description="Way")
    def way(self, row: BankFileEntry) -> str:
        return DIRECTIONS.get(row.direction, row.direction)

    @admin.display(description="End-to-end id")
    def order(self, row: BankFileEntry) -> Any:
        return display.shortened(row.end_to_end_id)

    @admin.display(description="What it did")
    def what(self, row: BankFileEntry) -> Any:
        return display.clamped(outcome_words(row))

    def status_label(self, row: BankFileEntry) -> Any:
        return display.state(row, "state")

    def page_title(self, row: BankFileEntry) -> str:
        return f"{row.kind.capitalize()} {row.line_ref}"

    def headline(self, row: BankFileEntry) -> Any:
        return display.money(row.amount_minor, row.currency)

    def standing(self, row: BankFileEntry) -> str:
        said = f"The bank's text: “{row.text}”." if row.text else ""
        ahead = "Nothing of ours matches it: find out what it is, and explain it." if row.state == EntryState.UNPLACED else ""
        return f"{said} {ahead}".strip()

    def facts(self, row: BankFileEntry) -> list[tuple[str, Any]]:
        order = row.payment_order
        return [
            ("File", display.link(row.bank_file)),
            ("Position", row.position),
            ("Account", mask(row.account_iban)),
            ("Way", self.way(row)),
            ("Booked", display.day(row.booked_on)),
            ("Read", display.instant(row.created_at)),
            ("Code", display.coded(row.code) if row.code.replace("_", " ") != row.outcome.replace("_", " ") else ""),
            ("End-to-end id", display.copyable(row.end_to_end_id, row.end_to_end_id)),
            ("The bank's reference", row.servicer_ref),
            ("Payment order", display.link(order, display.short_id(order.public_id)) if order else ""),
            ("Payout", display.link(order.payout, display.short_id(order.payout.public_id)) if order else ""),
            ("What it did", outcome_words(row)),
            ("Explained by" if row.state == EntryState.EXPLAINED else "Waits for", self.person(row, "owner")),
        ]


def _file_told(result: BankFileResult) -> str:
    if result.duplicate_file:
        return "This file was read before; nothing was done."
    did = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in result.applied.items()) or "nothing to do"
    left = f" {len(result.unplaced):,} entries could not be placed." if result.unplaced else ""
    return f"{result.format} read: {did}.{left}"


def _page_of_file(result: BankFileResult) -> str | None:
    file = BankFile.objects.filter(public_id=result.bank_file_id).defer("sealed").first()
    return display.page_of(file) if file else None
