"""Screens of refunds: what goes back to whom, who decides, what is stuck. On other pages: admin_around. Limits: admin_limits."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    CurrencyFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    id_column,
    instant_column,
    link_column,
    money_column,
    person_column,
    queue,
    state_column,
)
from backoffice.kit.money import Money
from billing.customers.models import Customer
from billing.gateways.registry import MANUAL
from billing.payments.models import Payment
from billing.payments.panels import CALLS
from billing.refunds import (
    admin_limits,  # noqa: F401 - registers the screens around
    deciding,
    operations,
    queries,
)
from billing.refunds.admin_around import ASK, name_of, told
from billing.refunds.models import Refund
from billing.refunds.preparing import QUEUED
from billing.refunds.states import REFUND, RefundSource, RefundStatus
from payouts.ledger.panels import postings_of

APPROVE, RELEASE = "billing.approve_refund", "billing.release_short_refund"
R = RefundStatus

queue(
    name="refunds_to_approve",
    title="Refunds to approve",
    model=Refund,
    rows=lambda at: queries.to_approve(),
    age_field="requested_at",
    help_text="Above the limit for one person, or a rule asked for a second one. Approve or refuse; not your own.",
    order=22,
)
queue(
    name="refunds_stuck",
    title="Refunds queued, failed or unknown",
    model=Refund,
    rows=lambda at: queries.stuck(),
    age_field="requested_at",
    help_text="They wait for their seller's money, came back, or nobody knows what became of them. A buyer waits for each.",
    tone="bad",
    order=29,
)


def _moves(row: Refund) -> list[tuple[str, Any]]:
    """Say what moves, in the words of the ledger."""
    amount = display.money(row.amount_minor, row.currency)
    rows = [
        ("To", display.link(row.customer, name_of(row.customer))),
        ("Amount", amount),
        ("Goes", row.get_source_display()),
        ("Of", display.link(row.payment, display.short_id(row.payment.public_id)) if row.payment else display.plain(row.purpose)),
        ("Because", row.reason),
    ]
    if row.source == RefundSource.BALANCE:
        return [*rows, ("Credit the seller's available money, debit the invoice's receivable", amount)]
    if row.seller is not None:
        return [*rows, ("The seller gives back the sale's share first", display.link(row.seller, row.seller.legal_name))]
    return [*rows, ("Debit what it had paid, credit the gateway's clearing", amount)]


def _approval(row: Refund) -> list[tuple[str, Any]]:
    asked = deciding.open_request(row)
    if asked is None:
        return _moves(row)
    who = display.people([asked.maker]).get(asked.maker, asked.maker)
    why = "; ".join(str(one) for one in asked.shown.get("why", []))
    return [*_moves(row), ("Asked by", who), ("On", display.instant(asked.requested_at)), ("Two people, because", why)]


def _approve_shown(row: Refund) -> dict[str, forms.Field]:
    return fields.approving(deciding.open_request(row))


def _given(row: Refund, asked: dict[str, Any]) -> dict[str, Any]:
    return {"refund_id": row.pk, **asked}


def _why(row: Any) -> dict[str, forms.Field]:
    return {"reason": fields.reason()}


def _booked(row: Refund, look: Look) -> Table:
    return postings_of("refund", row, look, "Booked when the gateway has taken it; a purchase by its seller's line.")


@admin.register(Refund)
class RefundAdmin(OperatorAdmin):
    list_display = ("id_shown", "state_shown", "customer_shown", "source_shown", "why", "asked_by", "asked", "amount_money")
    wide_only = ("source_shown", "asked_by")
    list_filter = (("status", ChoicesDropdownFilter), ("source", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("customer", "customer__seller", "seller", "payment")
    actor_fields = ("maker", "checker")
    machine = REFUND
    refresh_while = (R.APPROVED,)
    search_by = (
        lambda term: Q(purpose=term),
        lambda term: Q(provider_ref=term),
        lambda term: Q(payment__in=Payment.objects.filter(public_id=term)),
        lambda term: Q(customer__in=Customer.objects.filter(Q(external_id=term) | Q(public_id=term))),
    )
    search_help_text = "Id, payment, what was paid, the gateway's id, customer"
    empty_title = "Nothing was given back yet"
    empty_text = "Refunds are asked for on the page of a payment or an invoice, and by partners' programs."
    panels = (CALLS, Panel("postings", "Postings", _booked, permission="payouts.view_posting", order=40))
    buttons = (
        Button(
            name="approve", label="Approve", verb=operations.approve_refund, permission=APPROVE, states=(R.REQUESTED,), arguments=_given,
            when=lambda row: deciding.open_request(row) is not None, fields=_approve_shown, effect=_approval, order=5,
            explain="It leaves within seconds, or waits for its seller's money.", done=lambda row, made: f"It is {made.get_status_display()}.",
        ),
        Button(
            name="refuse", label="Refuse", verb=operations.refuse_refund, permission=APPROVE, states=(R.REQUESTED,), arguments=_given,
            fields=_why, effect=_approval, danger=True, done="Refused; nothing moved.", order=30,
        ),
        Button(
            name="ask", label="Ask the gateway now", verb=operations.ask_now, permission=ASK, arguments=_given, effect=_moves, order=10,
            states=(R.UNKNOWN, R.PENDING, R.REQUIRES_ACTION), when=lambda row: row.payment is not None and row.payment.gateway != MANUAL,
            explain="The worker asks within seconds. Nothing is sent.", done="It is being asked.", bulk=True,
        ),
        Button(
            name="sent", label="Record that it was sent", verb=operations.record_refund_sent, permission=ASK, states=(R.PENDING,),
            when=lambda row: row.payment is not None and row.payment.gateway == MANUAL, arguments=_given, effect=_moves, order=10,
            fields=lambda row: {"bank_ref": fields.text("The bank's reference", "From the statement.", max_length=120), "reason": fields.reason()},
            done="Recorded.",
        ),
        Button(
            name="release", label="Let it go anyway", verb=operations.release_anyway, permission=RELEASE, states=(R.APPROVED,),
            when=lambda row: row.code in QUEUED and row.code != "sale_not_recorded", arguments=_given, fields=_why, effect=_moves, order=15,
            explain="What the seller's balance lacks becomes the seller's debt.", done=lambda row, made: f"It is {made.get_status_display()}.",
        ),
        Button(
            name="again", label="Ask again", verb=operations.ask_again, permission=ASK, states=(R.FAILED, R.CANCELED), arguments=_given,
            when=lambda row: row.payment_id is not None, effect=_moves, explain="A refund of its own, after the same checks.", done=told,
            then=lambda row, made: display.page_of(made), order=12,
        ),
        Button(
            name="close", label="Dealt with", verb=operations.close_failed, permission=ASK, states=(R.FAILED,), arguments=_given, fields=_why,
            when=lambda row: row.looked_after_at is None, effect=_moves, explain="It leaves the queue. Say how the buyer got the money, or why not.",
            done="Noted.", order=20,
        ),
        Button(
            name="cancel", label="Take back", verb=operations.cancel_refund, permission=ASK, states=(R.REQUESTED, R.APPROVED), arguments=_given,
            fields=_why, effect=_moves, danger=True, explain="Only what has certainly not left. The seller has the share again.",
            done="Taken back.", order=40,
        ),
    )  # fmt: skip
    export_columns = (
        ExportColumn("id", lambda r: r.public_id),
        ExportColumn("payment", lambda r: r.payment.public_id if r.payment else ""),
        ExportColumn("customer", lambda r: r.customer.public_id),
        ExportColumn("for", lambda r: r.purpose),
        ExportColumn("source", lambda r: r.get_source_display()),
        ExportColumn("status", lambda r: r.get_status_display()),
        ExportColumn("code", lambda r: r.code),
        ExportColumn("amount", lambda r: Money(r.amount_minor, r.currency)),
        ExportColumn("currency", lambda r: r.currency),
        ExportColumn("reason", lambda r: r.reason),
        ExportColumn("requested_at", lambda r: r.requested_at),
    )
    id_shown = id_column("Refund")
    state_shown = state_column()
    customer_shown = link_column("To", "customer", name_of)
    asked = instant_column("Asked", "requested_at")
    asked_by = person_column("Asked by", "maker")
    amount_money = money_column("Amount")

    @admin.display(description="Goes")
    def source_shown(self, row: Refund) -> str:
        return row.get_source_display()

    @admin.display(description="Why it waits")
    def why(self, row: Refund) -> Any:
        return display.clamped(row.detail if row.code in QUEUED else row.code) if row.code else display.EMPTY

    def page_title(self, row: Refund) -> str:
        return f"Refund to {name_of(row.customer)}"

    def headline(self, row: Refund) -> Any:
        return display.money(row.amount_minor, row.currency)

    def standing(self, row: Refund) -> str:
        if row.status == R.REQUESTED:
            return "Another person than who asked decides."
        if row.status == R.UNKNOWN:
            return "Nobody knows whether it was made. The gateway is being asked; it is not sent again before it says."
        return row.detail

    def facts(self, row: Refund) -> list[tuple[str, Any]]:
        return [
            ("To", display.link(row.customer, name_of(row.customer))),
            ("Payment", display.link(row.payment, display.short_id(row.payment.public_id)) if row.payment else ""),
            ("For", display.plain(row.purpose) if row.purpose else ""),
            ("Goes", row.get_source_display()),
            ("Of it, nobody had owed", display.money(row.surplus_minor, row.currency) if row.surplus_minor else ""),
            ("Seller", display.link(row.seller, row.seller.legal_name) if row.seller else ""),
            ("Seller's share, taken back", display.money(row.share_minor, row.currency) if row.share_taken else ""),
            ("Let go though short", "yes" if row.short_by_choice else ""),
            ("Cause", row.cause.replace("_", " ")),
            ("Because", row.reason),
            ("Code", row.code),
            ("There", display.copyable(row.provider_ref, row.provider_ref) if row.provider_ref else ""),
            ("Posting", display.link(row.posting, f"no. {row.posting_id}") if row.posting_id else ""),
            ("Asked by", self.person(row, "maker")),
            ("Asked", display.instant(row.requested_at)),
            (
                "Approved by",
                self.person(row, "checker") if row.checker else ("one person, within the limit" if row.approved_at else ""),
            ),
            ("Approved", display.instant(row.approved_at)),
            ("Asked about again", display.instant(row.next_look_at)),
            ("Ended", display.instant(row.completed_at)),
            ("Dealt with", display.instant(row.looked_after_at)),
        ]
