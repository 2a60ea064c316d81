"""Screens of payment orders: what became of each, and what to do when nobody knows. Files: admin_files; answers: admin_bank."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    DayRangeFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    RailFilter,
    Table,
    display,
    fields,
    id_column,
    instant_column,
    money_column,
    queue,
    reason_column,
    state_column,
)
from backoffice.kit.money import Money
from payouts.dispatch import absence, operations, queries
from payouts.dispatch.admin_bank import entry_table
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.states import ORDER, OrderStatus

queue(
    name="unknown",
    title="Outcome unknown",
    model=PaymentOrder,
    rows=lambda at: queries.unknown_orders(),
    age_field="created_at",
    help_text="The rail is being asked. If it cannot tell, find out from the bank and say what became of it; never send again blindly.",
    tone="bad",
    order=25,
)
queue(
    name="never_arrived",
    title="Paid nobody, to confirm",
    model=PaymentOrder,
    rows=lambda at: queries.absences_to_confirm(),
    age_field="created_at",
    help_text="Somebody says that the rail never had these. Ask the rail yourself; what you confirm is sent again.",
    tone="bad",
    order=26,
)


def _answers(order: PaymentOrder, look: Look) -> Table:
    rows, older = look.slice_of(order.bank_answers.select_related("bank_file"))
    return entry_table(rows, older, empty="No bank has said anything about this order yet.")


def _order_effect(row: PaymentOrder) -> list[tuple[str, Any]]:
    return [
        ("Seller", row.payout.seller.legal_name),
        ("Amount", display.money(row.amount_minor, row.currency)),
        ("End-to-end id", display.copyable(row.end_to_end_id, row.end_to_end_id)),
        ("First called", display.instant(row.first_called_at)),
    ]


def _absence_effect(row: PaymentOrder) -> list[tuple[str, Any]]:
    asked = absence.open_request(row)
    if asked is None:
        return _order_effect(row)
    who = display.people([asked.maker]).get(asked.maker, asked.maker)
    return [
        *_order_effect(row),
        ("Said by", who),
        ("On", display.instant(asked.requested_at)),
        ("What they say", f"the rail refused it: {code}" if (code := asked.shown.get("code")) else "it never arrived"),
        ("Evidence", asked.shown["evidence"]),
        ("What follows", "the payout fails, its money is available again" if code else "it is sent again, with a new key"),
    ]


def _absence_shown(row: PaymentOrder) -> dict[str, Any]:
    return fields.approving(absence.open_request(row))


@admin.register(PaymentOrder)
class PaymentOrderAdmin(OperatorAdmin):
    list_display = (
        "id_shown",
        "payout_shown",
        "attempt",
        "amount_money",
        "state_shown",
        "why",
        "rail",
        "end_to_end",
        "created",
    )
    wide_only = ("attempt", "rail", "end_to_end")
    list_filter = (("status", ChoicesDropdownFilter), RailFilter, ("created_at", DayRangeFilter))
    list_select_related = ("payout", "payout__seller", "payee_account", "rail_file")
    machine = ORDER
    refresh_while = (OrderStatus.SENDING,)
    search_by = (lambda term: Q(end_to_end_id=term), lambda term: Q(provider_ref=term), lambda term: Q(payout__public_id=term))
    search_help_text = "Id, end-to-end id, the rail's reference, or payout id"
    empty_text = "An order is made when a run is submitted: one instruction on one rail for one payout."
    panels = (Panel("answers", "What the bank said", _answers, permission="payouts.view_bankfileentry", lazy=False),)
    buttons = (
        Button(
            name="resolve",
            label="Say the rail has it",
            verb=operations.resolve_unknown,
            permission="payouts.resolve_unknown",
            arguments=lambda row, asked: {"order_id": row.pk, **asked},
            states=(OrderStatus.UNKNOWN,),
            fields=lambda row: {
                "provider_ref": fields.text("The rail's reference", "As the rail names it.", required=False, max_length=120),
                "reason": fields.reason("The evidence: whom you asked, and what they said."),
            },
            effect=_order_effect,
            explain="Say this only with evidence from the rail.",
            danger=True,
            done=lambda row, order: f"The order is now: {order.get_status_display()}.",
        ),
        Button(
            name="request_absence",
            label="Say it paid nobody",
            verb=operations.request_absence,
            permission="payouts.resolve_unknown",
            arguments=lambda row, asked: {"order_id": row.pk, **asked},
            states=(OrderStatus.UNKNOWN,),
            fields=lambda row: {
                "code": fields.text(
                    "The rail's code",
                    "If it refused the order, such as AC04; empty: it never arrived.",
                    required=False,
                    max_length=40,
                ),
                "reason": fields.reason("The evidence: whom you asked, and what they said."),
            },
            effect=_absence_effect,
            explain="Nothing follows yet: another person must confirm exactly this. If the money did leave, it leaves twice.",
            danger=True,
            done="Said. Another person must confirm it on this page before anything follows.",
        ),
        Button(
            name="confirm_absence",
            label="Confirm it paid nobody",
            verb=operations.confirm_absence,
            permission="payouts.confirm_absence",
            arguments=lambda row, asked: {"order_id": row.pk, **asked},
            states=(OrderStatus.UNKNOWN,),
            when=lambda row: absence.open_request(row) is not None,
            fields=_absence_shown,
            effect=_absence_effect,
            explain="If it did arrive after all, it is paid twice: ask the rail yourself first.",
            danger=True,
            done=lambda row, order: f"The order is now: {order.get_status_display()}. The payout shows what follows.",
        ),
        Button(
            name="refuse_absence",
            label="Do not confirm",
            verb=operations.refuse_absence,
            permission="payouts.resolve_unknown",
            arguments=lambda row, asked: {"order_id": row.pk, **asked},
            when=lambda row: row.status == OrderStatus.UNKNOWN and absence.open_request(row) is not None,
            fields=lambda row: {"reason": fields.reason()},
            effect=_absence_effect,
            explain="The order stays unknown.",
            done="The order stays unknown.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda o: o.public_id),
        ExportColumn("payout", lambda o: o.payout.public_id),
        ExportColumn("seller", lambda o: o.payout.seller.external_id),
        ExportColumn("attempt", lambda o: o.attempt),
        ExportColumn("amount", lambda o: Money(o.amount_minor, o.currency)),
        ExportColumn("currency", lambda o: o.currency),
        ExportColumn("status", lambda o: o.get_status_display()),
        ExportColumn("code", lambda o: o.code),
        ExportColumn("rail", lambda o: o.rail),
        ExportColumn("end_to_end_id", lambda o: o.end_to_end_id),
        ExportColumn("provider_ref", lambda o: o.provider_ref),
        ExportColumn("created_at", lambda o: o.created_at),
    )
    id_shown = id_column()
    amount_money = money_column("Amount")
    state_shown = state_column()
    created = instant_column("Created", "created_at")
    why = reason_column("Why", "reason")

    @admin.display(description="Payout")
    def payout_shown(self, row: PaymentOrder) -> Any:
        return display.link(row.payout, row.payout.seller.legal_name)

    @admin.display(description="End-to-end id")
    def end_to_end(self, row: PaymentOrder) -> Any:
        return display.shortened(row.end_to_end_id)

    def page_title(self, row: PaymentOrder) -> str:
        return f"Attempt {row.attempt} to pay {row.payout.seller.legal_name}"

    def headline(self, row: PaymentOrder) -> Any:
        return display.money(row.amount_minor, row.currency)

    def standing(self, row: PaymentOrder) -> str:
        if row.status == OrderStatus.UNKNOWN and absence.open_request(row) is not None:
            return "Somebody says it paid nobody; another person must confirm that before anything follows."
        if row.status == OrderStatus.UNKNOWN:
            return f"{row.reason} The rail is being asked. If it cannot tell, find out from the bank and say here what became of it.".strip()
        return row.reason

    def facts(self, row: PaymentOrder) -> list[tuple[str, Any]]:
        return [
            ("Payout", display.link(row.payout, display.short_id(row.payout.public_id))),
            ("To", display.link(row.payee_account, row.payee_account.masked)),
            ("Rail", row.rail),
            ("File", display.link(row.rail_file)),
            ("End-to-end id", display.copyable(row.end_to_end_id, row.end_to_end_id)),
            ("The rail's reference", display.copyable(row.provider_ref, row.provider_ref)),
            ("Code", row.code),
            ("The rail's own code", row.raw_code),
            ("Calls", row.tries),
            ("First called", display.instant(row.first_called_at)),
            ("Next look", display.instant(row.next_try_at)),
            ("Handed over", display.instant(row.sent_at)),
            ("Settled", display.instant(row.completed_at)),
            ("Created", display.instant(row.created_at)),
        ]
