"""Screens of payments: what was asked, what the gateway said, what may be done. Calls and card set-ups: admin_calls."""

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
    OperatorAdmin,
    display,
    fields,
    id_column,
    instant_column,
    link_column,
    money_column,
    plug,
    queue,
    state_column,
)
from backoffice.kit.money import Money
from billing.customers.models import Customer
from billing.gateways.registry import MANUAL
from billing.invoices.models import Invoice
from billing.invoices.states import InvoiceStatus
from billing.payments import (
    admin_calls,  # noqa: F401 - registers the screens around
    deciding,
    operations,
    queries,
)
from billing.payments.models import Payment
from billing.payments.panels import CUSTOMER_PANELS, INVOICE_PANELS, PAYMENT_PANELS
from billing.payments.states import PAYMENT, PaymentStatus

CHARGE, RESOLVE, CONFIRM = "billing.charge_customers", "billing.resolve_unknown_payment", "billing.confirm_payment_absence"
P = PaymentStatus
CANCELABLE = (P.CREATED, P.REQUIRES_PAYMENT_METHOD, P.REQUIRES_CONFIRMATION, P.REQUIRES_ACTION, P.PROCESSING, P.REQUIRES_CAPTURE)

queue(
    name="payments_unknown",
    title="Payments with an unknown outcome",
    model=Payment,
    rows=lambda at: queries.unknown_payments(),
    age_field="created_at",
    help_text="The gateway is being asked. If it cannot tell, look there yourself and name what you find; nothing is charged again meanwhile.",
    tone="bad",
    order=26,
)
queue(
    name="payments_never_arrived",
    title="Payments that never arrived, to confirm",
    model=Payment,
    rows=lambda at: deciding.absences_to_confirm(),
    age_field="created_at",
    help_text="Somebody says the gateway never had these. Look there yourself: what you confirm may be charged again.",
    tone="bad",
    order=26,
)


def name_of(customer: Customer) -> str:
    return customer.seller.legal_name if customer.seller else customer.external_id


def _effect(row: Payment) -> list[tuple[str, Any]]:
    return [
        ("Payment", display.short_id(row.public_id)),
        ("Customer", display.link(row.customer, name_of(row.customer))),
        ("For", display.plain(row.purpose) if row.purpose else "nothing named"),
        ("Amount", display.money(row.amount_minor, row.currency)),
        ("Gateway", row.gateway),
    ]


def _absence_effect(row: Payment) -> list[tuple[str, Any]]:
    asked = deciding.open_request(row)
    if asked is None:
        return [*_effect(row), ("What follows", "another person confirms it; then its purpose may be charged again")]
    who = display.people([asked.maker]).get(asked.maker, asked.maker)
    said = [("Said by", who), ("On", display.instant(asked.requested_at)), ("Evidence", str(asked.shown["evidence"]))]
    return [*_effect(row), *said, ("What follows", "the payment is given up, and its purpose may be charged again")]


def _absence_shown(row: Payment) -> dict[str, forms.Field]:
    return fields.approving(deciding.open_request(row))


def _given(row: Payment, asked: dict[str, Any]) -> dict[str, Any]:
    return {"payment_id": row.pk, **asked}


def _transfer_effect(row: Payment) -> list[tuple[str, Any]]:
    books = "Debit our own hands (psp.clearing of manual), credit the customer's receivable"
    return [*_effect(row), (books, display.money(row.amount_minor, row.currency))]


def _charge_invoice(row: Invoice, asked: dict[str, Any]) -> dict[str, Any]:
    by = {"gateway": MANUAL} if asked.get("gateway") == MANUAL else {}
    return {
        "customer_id": row.customer_id, "amount_minor": row.amount_due_minor, "currency": row.currency, "purpose": row.public_id,
        "off_session": True, "description": f"Invoice {row.number}",
    } | by  # fmt: skip


def _invoice_effect(row: Invoice) -> list[tuple[str, Any]]:
    return [
        ("Invoice", row.number),
        ("Customer", display.link(row.customer, name_of(row.customer))),
        ("Debit the gateway's clearing, credit the receivable", display.money(row.amount_due_minor, row.currency)),
    ]


def _is_due(row: Invoice) -> bool:
    return bool(row.amount_due_minor > 0 and queries.open_payment_for(row.public_id) is None)


plug(Customer, *CUSTOMER_PANELS)
plug(
    Invoice,
    *INVOICE_PANELS,
    Button(
        name="charge", label="Charge the card", verb=operations.request_payment, permission=CHARGE, arguments=_charge_invoice,
        states=(InvoiceStatus.OPEN,), when=lambda row: _is_due(row) and bool(row.customer.gateway_method), effect=_invoice_effect,
        explain="The card on file is charged within seconds, for what is due when it is.", done="The card is being charged.",
        then=lambda row, made: display.page_of(made), order=21,
    ),
    Button(
        name="await_transfer", label="Await a bank transfer", verb=operations.request_payment, permission=CHARGE,
        arguments=lambda row, asked: _charge_invoice(row, {"gateway": MANUAL}), states=(InvoiceStatus.OPEN,), when=_is_due,
        effect=_invoice_effect, explain="Nothing is booked until somebody records the transfer on the payment's page.",
        done="Awaited.", then=lambda row, made: display.page_of(made), order=22,
    ),
)  # fmt: skip


@admin.register(Payment)
class PaymentAdmin(OperatorAdmin):
    list_display = (
        "id_shown",
        "state_shown",
        "customer_shown",
        "purpose_shown",
        "gateway",
        "why",
        "asked",
        "captured_money",
        "amount_money",
    )
    wide_only = ("gateway", "captured_money")
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("customer", "customer__seller", "seller")
    actor_fields = ("made_by",)
    machine = PAYMENT
    refresh_while = (P.CREATED,)
    search_by = (
        lambda term: Q(purpose=term),
        lambda term: Q(provider_ref=term),
        lambda term: Q(charge_ref=term),
        lambda term: Q(customer__in=Customer.objects.filter(Q(external_id=term) | Q(public_id=term))),
    )
    search_help_text = "Id, what it is for, the gateway's id of payment or charge, customer"
    empty_title = "Nobody was charged yet"
    empty_text = "Payments are made by collecting invoices, by partners' programs, and on the page of an invoice."
    panels = PAYMENT_PANELS
    buttons = (
        Button(
            name="ask", label="Ask the gateway now", verb=operations.ask_now, permission=CHARGE, arguments=_given, effect=_effect,
            when=lambda row: row.status in (P.UNKNOWN, *CANCELABLE) and row.status != P.CREATED and row.gateway != MANUAL,
            explain="The worker asks within seconds what became of it. Nothing is sent.", done="It is being asked.", bulk=True, order=5,
        ),
        Button(
            name="retry", label="Try again", verb=operations.retry_payment, permission=CHARGE, arguments=_given, effect=_effect,
            states=(P.REQUIRES_PAYMENT_METHOD, P.CANCELED),
            when=lambda row: queries.open_payment_for(row.purpose) is None,
            explain="A new payment, on the card the customer has on file now, for what is due now.",
            done="It is being charged.", then=lambda row, made: display.page_of(made), order=10,
        ),
        Button(
            name="transfer", label="Record the transfer", verb=operations.record_transfer, permission=CHARGE, arguments=_given,
            states=(P.PROCESSING,), when=lambda row: row.gateway == MANUAL, effect=_transfer_effect,
            fields=lambda row: {
                "bank_ref": fields.text("The bank's reference of the booking", "From the statement.", max_length=120),
                "reason": fields.reason(),
            },
            explain="The whole amount stands on the bank's statement. Reconciliation will look for that line.", done="Booked.", order=15,
        ),
        Button(
            name="resolve", label="Look it up by id", verb=operations.resolve_unknown, permission=RESOLVE, arguments=_given,
            states=(P.UNKNOWN,), effect=_effect,
            fields=lambda row: {
                "provider_ref": fields.text("The gateway's id of the payment", "Found there beside our reference.", max_length=120),
                "reason": fields.reason("Where you found it."),
            },
            explain="The gateway is asked about this id now, and what it says is booked; nobody's word alone is.",
            done=lambda row, payment: f"It is {payment.get_status_display()}.", order=20,
        ),
        Button(
            name="request_absence", label="Say it never arrived", verb=operations.request_absence, permission=RESOLVE, arguments=_given,
            states=(P.UNKNOWN,), when=lambda row: deciding.open_request(row) is None, effect=_absence_effect, danger=True,
            fields=lambda row: {"reason": fields.reason("The evidence: where you looked, whom you asked, what they said.")},
            explain="Nothing follows yet: another person must confirm exactly this. If it did arrive, the customer is charged twice.",
            done="Said. Another person must confirm it on this page.", order=30,
        ),
        Button(
            name="confirm_absence", label="Confirm it never arrived", verb=operations.confirm_absence, permission=CONFIRM, arguments=_given,
            states=(P.UNKNOWN,), when=lambda row: deciding.open_request(row) is not None, fields=_absence_shown, effect=_absence_effect,
            explain="Look at the gateway yourself first.", danger=True, done="Given up; its purpose may be charged again.", order=31,
        ),
        Button(
            name="refuse_absence", label="Do not confirm", verb=operations.refuse_absence, permission=RESOLVE, arguments=_given,
            states=(P.UNKNOWN,), when=lambda row: deciding.open_request(row) is not None, effect=_absence_effect,
            fields=lambda row: {"reason": fields.reason()}, explain="It stays unknown.", done="It stays unknown.", order=32,
        ),
        Button(
            name="cancel", label="Cancel", verb=operations.cancel_payment, permission=CHARGE, arguments=_given, states=CANCELABLE,
            fields=lambda row: {"reason": fields.reason()}, effect=_effect, danger=True, bulk=True, order=40,
            explain="At once when nothing has left us; else the gateway is asked to give it up. What was paid meanwhile stays paid.",
            done=lambda row, payment: "Cancelled." if payment.status == P.CANCELED else "The gateway is asked to give it up.",
        ),
    )  # fmt: skip
    export_columns = (
        ExportColumn("id", lambda p: p.public_id),
        ExportColumn("customer", lambda p: p.customer.public_id),
        ExportColumn("seller", lambda p: p.seller.external_id if p.seller else ""),
        ExportColumn("for", lambda p: p.purpose),
        ExportColumn("status", lambda p: p.get_status_display()),
        ExportColumn("code", lambda p: p.decline_code),
        ExportColumn("amount", lambda p: Money(p.amount_minor, p.currency)),
        ExportColumn("captured", lambda p: Money(p.captured_minor, p.currency)),
        ExportColumn("disputed", lambda p: Money(p.disputed_minor, p.currency)),
        ExportColumn("currency", lambda p: p.currency),
        ExportColumn("gateway", lambda p: p.gateway),
        ExportColumn("provider_ref", lambda p: p.provider_ref),
        ExportColumn("created_at", lambda p: p.created_at),
    )
    id_shown = id_column("Payment")
    state_shown = state_column()
    customer_shown = link_column("Customer", "customer", name_of)

    @admin.display(description="Why")
    def why(self, row: Payment) -> Any:
        return display.coded(row.decline_code)

    asked = instant_column("Asked", "created_at")
    captured_money = money_column("Captured", "captured_minor")
    amount_money = money_column("Amount")

    @admin.display(description="For")
    def purpose_shown(self, row: Payment) -> Any:
        return display.plain(row.purpose) if row.purpose else display.EMPTY

    def page_title(self, row: Payment) -> str:
        return f"Payment of {name_of(row.customer)}"

    def headline(self, row: Payment) -> Any:
        return display.money(row.captured_minor or row.amount_minor, row.currency)

    def standing(self, row: Payment) -> str:
        if row.status == P.UNKNOWN:
            said = deciding.open_request(row) is not None
            return (
                "Somebody says it never arrived; another person must confirm that."
                if said
                else "Nobody knows whether it was charged. The gateway is being asked; nothing is charged again before it says."
            )
        if row.gateway == MANUAL and row.status == P.PROCESSING:
            return "Waits for a bank transfer, which somebody records here."
        return row.reason

    def facts(self, row: Payment) -> list[tuple[str, Any]]:
        return [
            ("Customer", display.link(row.customer, name_of(row.customer))),
            ("For", display.plain(row.purpose) if row.purpose else ""),
            ("Sale of", display.link(row.seller, row.seller.legal_name) if row.seller else ""),
            ("Asked for", display.money(row.amount_minor, row.currency)),
            ("Captured", display.money(row.captured_minor, row.currency) if row.captured_minor else ""),
            ("Owed by nobody", display.money(row.surplus_minor, row.currency) if row.surplus_minor else ""),
            ("In dispute", display.money(row.disputed_minor, row.currency) if row.disputed_minor else ""),
            ("Declined because", display.coded(row.decline_code)),
            ("Gateway", row.gateway),
            ("There", display.copyable(row.provider_ref) if row.provider_ref else ""),
            ("Charge there", display.copyable(row.charge_ref) if row.charge_ref else ""),
            ("On session", "no" if row.off_session else "yes"),
            ("Asked about again", display.instant(row.next_look_at)),
            ("Asked", display.instant(row.created_at)),
            ("Asked by", self.person(row, "made_by")),
            ("Ended", display.instant(row.completed_at)),
        ]
