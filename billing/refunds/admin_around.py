"""Refunds on the pages of payments, invoices and customers: what went back, and the buttons that ask for one; money nobody owed."""

from __future__ import annotations

from typing import Any

from django import forms

from backoffice.kit.admin import Button, Column, Look, Panel, Table, display, fields, plug, queue
from backoffice.kit.money import Money, to_minor
from billing.customers.models import Customer
from billing.invoices.models import Invoice, Source
from billing.invoices.queries import sources_of
from billing.payments.models import Payment
from billing.payments.states import PaymentStatus
from billing.refunds import operations, queries
from billing.refunds.limits import limit_of
from billing.refunds.models import Refund
from billing.refunds.requesting import CAUSES
from billing.refunds.states import RefundStatus

ASK = "billing.request_refund"
_CAUSES = [(one, one.replace("_", " ").capitalize()) for one in CAUSES]

queue(
    name="payments_surplus",
    title="Money that nobody owed",
    model=Payment,
    rows=lambda at: queries.surplus_left(),
    age_field="completed_at",
    help_text="Captured, and no longer due when it came: give it back, on the payment's page.",
    order=58,
)


def name_of(customer: Customer) -> str:
    return customer.seller.legal_name if customer.seller else customer.external_id


def _left(row: Payment) -> int:
    return operations.refundable(row)


def _ask_fields(row: Payment) -> dict[str, forms.Field]:
    found = fields.amount("How much", f"In {row.currency}, at most {Money(_left(row), row.currency).decimal()}.")
    found.initial = Money(_left(row), row.currency).decimal()
    return {"amount": found, "cause": fields.choice("Kind of reason", _CAUSES), "reason": fields.reason()}


def _ask_given(row: Payment, asked: dict[str, Any]) -> dict[str, Any]:
    amount = to_minor(str(asked["amount"]), row.currency)
    return {"payment_id": row.pk, "amount_minor": amount, "cause": asked["cause"], "reason": asked["reason"]}


def _ask_effect(row: Payment) -> list[tuple[str, Any]]:
    return [
        ("To", display.link(row.customer, name_of(row.customer))),
        ("Captured", display.money(row.captured_minor, row.currency)),
        ("In dispute", display.money(row.disputed_minor, row.currency)),
        ("Can still be given back", display.money(_left(row), row.currency)),
        ("Of it, nobody had owed", display.money(row.surplus_minor, row.currency)),
        ("One person may decide up to", display.money(limit_of(row.currency), row.currency)),
    ]


def _claim_fields(row: Invoice) -> dict[str, forms.Field]:
    return {
        "amount": fields.amount("How much", f"In {row.currency}, tax included."),
        "cause": fields.choice("Kind of reason", _CAUSES),
        "reason": fields.reason(),
    }


def _claim_given(row: Invoice, asked: dict[str, Any]) -> dict[str, Any]:
    amount = to_minor(str(asked["amount"]), row.currency)
    return {"purpose": row.public_id, "amount_minor": amount, "cause": asked["cause"], "reason": asked["reason"]}


def _claim_effect(row: Invoice) -> list[tuple[str, Any]]:
    paid = [(f"Paid by {Source(source).label}", display.money(amount, row.currency)) for source, _, amount in sources_of(row.pk)]
    return [*paid, ("One person may decide up to", display.money(limit_of(row.currency), row.currency))]


def told(row: Any, made: Any) -> str:
    rows = made if isinstance(made, list) else [made]
    waits = sum(one.status == RefundStatus.REQUESTED for one in rows)
    return f"Asked for; {waits} of {len(rows)} wait for a second person." if waits else "On its way."


def refunds_table(rows: Any, look: Look) -> Table:
    found, older = look.slice_of(rows)
    cells = [
        (
            display.link(one, display.short_id(one.public_id)), display.state(one), one.get_source_display(), one.reason,
            display.instant(one.requested_at), display.money(one.amount_minor, one.currency),
        )
        for one in found
    ]  # fmt: skip
    columns = [
        Column("Refund"),
        Column("State"),
        Column("Goes"),
        Column("Because"),
        Column("Asked"),
        Column("Amount", money=True),
    ]
    return Table(columns, cells, empty="Nothing was given back.", older=older)


_SEEN = "billing.view_refund"
plug(
    Payment,
    Panel("refunds", "Refunds", lambda row, look: refunds_table(Refund.objects.filter(payment=row), look), permission=_SEEN, order=20),
    Button(
        name="refund", label="Refund", verb=operations.request_refund, permission=ASK, arguments=_ask_given, fields=_ask_fields,
        states=(PaymentStatus.SUCCEEDED,), when=lambda row: _left(row) > 0, effect=_ask_effect, done=told, order=12,
        explain="Back to where it came from. A seller's share of the sale is taken first; above the limit another person approves.",
        then=lambda row, made: display.page_of(made),
    ),
)  # fmt: skip
plug(
    Invoice,
    Panel(
        "refunds", "Refunds", lambda row, look: refunds_table(Refund.objects.filter(purpose=row.public_id), look), permission=_SEEN, order=46
    ),
    Button(
        name="refund", label="Refund", verb=operations.refund_claim, permission=ASK, arguments=_claim_given, fields=_claim_fields,
        when=lambda row: row.paid_minor > row.refunded_minor, effect=_claim_effect, done=told, order=31,
        explain="Each source gets back its part in proportion: cards by the gateway, the seller's balance by the ledger. A credit note comes with it.",
    ),
)  # fmt: skip
plug(
    Customer,
    Panel(
        "refunds",
        "Refunds",
        lambda row, look: refunds_table(Refund.objects.filter(customer=row), look),
        permission=_SEEN,
        order=65,
    ),
)
