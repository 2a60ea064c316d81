"""Screens of the files to the bank, and what of dispatch stands on the pages of runs and payouts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
    Download,
    Look,
    OperatorAdmin,
    Panel,
    RailFilter,
    Table,
    day_column,
    display,
    instant_column,
    link_column,
    money_column,
    number_column,
    plug,
    queue,
    state_column,
)
from payouts.dispatch import operations, queries
from payouts.dispatch.admin_bank import entry_table
from payouts.dispatch.models import BankFileEntry, PaymentOrder, RailFile
from payouts.dispatch.operations import SubmitResult
from payouts.dispatch.states import RAIL_FILE, FileState
from payouts.dispatch.stored import bytes_of
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.states import RunStatus


def silent_files(at: datetime) -> QuerySet[RailFile]:
    """Return the files the bank should have answered by now."""
    return RailFile.objects.filter(pk__in=[file.pk for file in queries.silent_files(at)])


queue(
    name="silent",
    title="Files the bank did not answer",
    model=RailFile,
    rows=silent_files,
    age_field="handed_over_at",
    help_text="Ask the bank what became of the file.",
    tone="bad",
    order=40,
)


def _order_table(rows: list[PaymentOrder], older: int | None = None) -> Table:
    return Table(
        [
            Column("Order"),
            Column("Amount", money=True),
            Column("State"),
            Column("Why"),
            Column("Created"),
        ],
        [
            (
                display.link(row, display.steady(display.short_id(row.public_id))),
                display.money(row.amount_minor, row.currency),
                display.state(row),
                display.clamped(row.reason or row.code.replace("_", " ")),
                display.instant(row.created_at),
            )
            for row in rows
        ],
        empty="Nothing was sent yet.",
        older=older,
        older_label="More",
    )


def _orders_of_file(file: RailFile, look: Look) -> Table:
    rows, older = look.slice_of(file.orders.select_related("payout__seller"))
    return _order_table(rows, older)


def _bytes_of(file: RailFile) -> tuple[bytes, str, str]:
    return bytes_of(RailFile.objects.get(pk=file.pk)), "application/xml", file.file_name


@admin.register(RailFile)
class RailFileAdmin(OperatorAdmin):
    list_display = ("file_name", "state_shown", "run_shown", "orders_shown", "sum_money", "execute_day", "created")
    wide_only = ("execute_day",)
    list_filter = (("state", ChoicesDropdownFilter), RailFilter)
    list_select_related = ("run",)
    machine = RAIL_FILE
    search_by = (lambda term: Q(message_id=term), lambda term: Q(sha256=term), lambda term: Q(file_name=term))
    search_help_text = "Id, message id, file name or SHA-256"
    empty_text = "Files are written when a run with bank transfers is submitted."
    panels = (Panel("orders", "Payment orders", _orders_of_file, permission="payouts.view_paymentorder"),)
    downloads = (Download("bytes", "The file as stored", _bytes_of),)
    state_shown = state_column("State", "state")
    run_shown = link_column("Run", "run", lambda run: display.day(run.run_on))
    orders_shown = number_column("Orders", "orders_count")
    sum_money = money_column("Sum", "control_sum_minor")
    execute_day = day_column("Executes", "execute_on")
    created = instant_column("Written", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RailFile]:
        return super().get_queryset(request).defer("sealed")

    @admin.display(description="SHA-256")
    def hash(self, row: RailFile) -> Any:
        return display.copyable(row.sha256, row.sha256[:12])

    def headline(self, row: RailFile) -> Any:
        return display.money(row.control_sum_minor, row.currency)

    def standing(self, row: RailFile) -> str:
        partly = (
            "The bank refused some of its payments: the orders below say which, and why."
            if row.state == FileState.PARTLY_ACCEPTED
            else ""
        )
        return row.state_reason or partly

    def facts(self, row: RailFile) -> list[tuple[str, Any]]:
        return [
            ("Run", display.link(row.run, display.day(row.run.run_on) if row.run else None)),
            ("Rail", row.rail),
            ("Bank profile", row.bank_profile),
            ("Message id", display.copyable(row.message_id, row.message_id)),
            ("SHA-256", self.hash(row)),
            ("Orders", f"{row.orders_count:,}"),
            ("Executes on", display.day(row.execute_on)),
            ("Written", display.instant(row.created_at)),
            ("Validated", display.instant(row.validated_at)),
            ("Handed over", display.instant(row.handed_over_at)),
            ("Answered", display.instant(row.answered_at)),
        ]


def _files_of_run(run: PayoutRun, look: Look) -> Table:
    return Table(
        [
            Column("File"),
            Column("State"),
            Column("Orders"),
            Column("Sum", money=True),
            Column("Handed over"),
        ],
        [
            (
                display.link(file, display.shortened(file.file_name)),
                display.state(file, "state"),
                f"{file.orders_count:,}",
                display.money(file.control_sum_minor, file.currency),
                display.instant(file.handed_over_at),
            )
            for file in queries.files_of_run(run.pk)
        ],
        empty="No file was written for this run.",
    )


def _attempts(payout: Payout, look: Look) -> Table:
    table = _order_table(list(payout.orders.order_by("-attempt")[: look.limit]))
    table.empty = "Nothing was sent yet."
    return table


def _answers_of_payout(payout: Payout, look: Look) -> Table:
    rows, older = look.slice_of(
        BankFileEntry.objects.filter(payment_order__payout=payout).select_related("bank_file").defer("bank_file__sealed")
    )
    return entry_table(rows, older, empty="No bank has said anything about this payout yet.")


def _submitted(row: PayoutRun, result: SubmitResult) -> str:
    told = [f"{result.submitted:,} payouts are on their way"]
    if result.files:
        told.append(f"{len(result.files)} file{'s' if len(result.files) > 1 else ''} handed over")
    if result.to_call:
        told.append(f"{result.to_call:,} orders wait for a worker")
    if result.stopped:
        told.append(f"{len(result.stopped)} payouts were stopped by the last check")
    return ", ".join(told) + "."


plug(
    PayoutRun,
    Panel(
        "files",
        "Files",
        _files_of_run,
        permission="payouts.view_railfile",
        lazy=False,
        order=40,
        when=lambda run: run.submitted_at is not None,
    ),
    Button(
        name="submit",
        label="Submit",
        verb=operations.submit_run,
        permission="payouts.submit_run",
        arguments=lambda run, asked: {"run_id": run.pk},
        states=(RunStatus.APPROVED,),
        effect=lambda run: [("Payouts", f"{run.payouts_count:,}"), ("Total", display.totals(run.totals))],
        explain="Hands the run to its rails. Every payout passes the last check first; what fails it stays here.",
        done=_submitted,
        order=10,
    ),
)
plug(
    Payout,
    Panel("attempts", "Attempts", _attempts, permission="payouts.view_paymentorder", lazy=False, order=20),
    Panel("answers", "What the bank said", _answers_of_payout, permission="payouts.view_bankfileentry", lazy=False, order=30),
)
