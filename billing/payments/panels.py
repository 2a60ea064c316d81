"""The tables on the pages of payments, refunds and customers: calls of the gateway, postings, what was paid."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from backoffice.kit.admin import Column, Look, Panel, Table, display
from billing.customers.models import Customer
from billing.invoices.models import Invoice
from billing.payments.models import CardSetup, Payment
from billing.payments.queries import attempts_of, payments_for
from payouts.ledger.panels import postings_of


def calls(row: Any, look: Look) -> Table:
    """Every call made for a row, what came of it, and how often it was taken up."""
    rows, older = look.slice_of(attempts_of(row.public_id))
    cells = [
        (
            display.link(one, f"{one.kind} no. {one.number}"), display.state(one), one.get_outcome_display() or display.EMPTY, display.coded(one.code),
            str(one.tries), display.instant(one.last_called_at), display.clamped(one.reason),
        )
        for one in rows
    ]  # fmt: skip
    columns = [Column("Call"), Column("State"), Column("Outcome"), Column("Why"), Column("Tries"), Column("Last called")]
    note = "A key is made of the subject and the number: the same call is never made under two keys."
    return Table([*columns, Column("Said")], cells, empty="The gateway was not called.", older=older, note=note if cells else "")


def booked(row: Payment, look: Look) -> Table:
    empty = (
        "Booked by the seller's sale."
        if row.seller_id
        else "Nothing is booked before the money is captured, and a purchase is booked by its sale."
    )
    return postings_of("payment", row, look, empty)


def payments_table(rows: QuerySet[Payment], look: Look) -> Table:
    """Payments as a panel of another page shows them."""
    found, older = look.slice_of(rows)
    cells = [
        (
            display.link(one, display.short_id(one.public_id)), display.state(one), display.plain(one.purpose), display.coded(one.decline_code),
            display.instant(one.created_at), display.money(one.captured_minor, one.currency), display.money(one.amount_minor, one.currency),
        )
        for one in found
    ]  # fmt: skip
    columns = [Column("Payment"), Column("State"), Column("For"), Column("Declined"), Column("Asked")]
    return Table(
        [*columns, Column("Captured", money=True), Column("Amount", money=True)], cells, empty="Nothing was charged.", older=older
    )


def _of_customer(row: Customer, look: Look) -> Table:
    return payments_table(Payment.objects.filter(customer=row), look)


def _of_invoice(row: Invoice, look: Look) -> Table:
    return payments_table(payments_for(row.public_id), look)


def _setups(row: Customer, look: Look) -> Table:
    rows, older = look.slice_of(CardSetup.objects.filter(customer=row))
    cells = [
        (display.link(one, display.short_id(one.public_id)), display.state(one), one.gateway, display.instant(one.created_at))
        for one in rows
    ]
    columns = [Column("Card set-up"), Column("State"), Column("At"), Column("Asked")]
    return Table(columns, cells, empty="No card was asked for.", older=older)


CALLS = Panel("calls", "Calls of the gateway", calls, permission="billing.view_attempt", lazy=False, order=10)
PAYMENT_PANELS = (CALLS, Panel("postings", "Postings", booked, permission="payouts.view_posting", order=40))
CUSTOMER_PANELS = (
    Panel("payments", "Payments", _of_customer, permission="billing.view_payment", order=60),
    Panel("card_setups", "Card set-ups", _setups, permission="billing.view_cardsetup", order=70),
)
INVOICE_PANELS = (Panel("payments", "Payments", _of_invoice, permission="billing.view_payment", order=45),)
