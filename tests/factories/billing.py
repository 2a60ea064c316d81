"""Customers and invoices for tests, made through the same verbs as everything else."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from backoffice.kit.actors import Actor, staff, system
from billing.customers.models import Customer
from billing.customers.operations import create_customer
from billing.invoices.models import Invoice
from billing.invoices.operations import LineDraft, draft_invoice, finalise_invoice
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import customer as customer_leg
from payouts.ledger.templates import platform
from payouts.sellers.models import Seller
from tests.factories.sellers import make_staff

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROBOT = system("test")
PERIOD = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
_numbers = itertools.count(1)


def make_customer(seller: Seller | None = None, **over: Any) -> Customer:
    """Return a French business in EUR, of a seller where one is given."""
    number = next(_numbers)
    wanted: dict[str, Any] = {
        "external_id": f"customer-{number}", "name": f"Customer {number} SARL", "country": "FR", "currency": "EUR",
        "address": "2 rue du Port\n69002 Lyon", "email": f"c{number}@example.com", "key": f"make_customer:{number}",
    }  # fmt: skip
    if seller is not None:
        wanted |= {"seller_id": seller.pk, "partner_id": seller.partner_id, "currency": seller.currency}
    return create_customer(**(wanted | over), actor=ROBOT, at=AT)


def line(amount_minor: int = 10_000, **over: Any) -> LineDraft:
    wanted: dict[str, Any] = {
        "description": "Plan Pro, March", "quantity": Decimal(1), "unit_amount_minor": amount_minor, "amount_minor": amount_minor,
        "tax_code": "standard", "period_start": PERIOD[0], "period_end": PERIOD[1],
    }  # fmt: skip
    return LineDraft(**(wanted | over))


def make_draft(customer: Customer | None = None, *amounts: int, **over: Any) -> Invoice:
    """Return a draft over lines of these net amounts (100.00 by default), due in 14 days."""
    customer = customer or make_customer()
    number = next(_numbers)
    wanted: dict[str, Any] = {
        "customer_id": customer.pk, "currency": customer.currency, "lines": [line(one) for one in amounts or (10_000,)],
        "period_start": PERIOD[0], "period_end": PERIOD[1], "collection": "balance_then_card", "due_days": 14,
        "origin": f"origin-{number}", "key": f"make_draft:{number}", "actor": ROBOT, "at": AT,
    }  # fmt: skip
    return draft_invoice(**(wanted | over))


def make_invoice(customer: Customer | None = None, *amounts: int, at: datetime = AT, **over: Any) -> Invoice:
    """Return an issued invoice; 100.00 net are 120.00 with French VAT."""
    return finalise_invoice(invoice_id=make_draft(customer, *amounts, at=at, **over).pk, actor=ROBOT, at=at)


def capture(invoice: Invoice, amount_minor: int, *, at: datetime = AT, back: bool = False) -> int:
    """Book card money for an invoice as payments do (with `back`: that it left again), and return the posting's id."""
    sign = -1 if back else 1
    legs = [
        platform("psp.clearing", invoice.currency, sign * amount_minor, "psp"),
        customer_leg("receivable.invoice", invoice.customer_id, invoice.currency, -sign * amount_minor),
    ]
    draft = Draft("card_captured", f"test:{next(_numbers)}", legs, "payment", 1)
    return post(drafts=[draft], actor=ROBOT, at=at)[0].posting_id


def two_people() -> tuple[Actor, Actor]:
    """Return a maker and a checker."""
    return staff(make_staff("finance").pk), staff(make_staff("lead").pk)


def furnish(seller: Seller, at: datetime) -> Invoice:
    """Put one of everything of this wing's billing screens into a marketplace: a paid and an overdue invoice, a credit note, a document."""
    from billing.invoices.operations import CreditLine, invoice_document, issue_credit_note
    from billing.refunds.operations import propose_limit
    from tests.factories.payments import pay_and_refund

    customer = make_customer(seller)
    early = at - timedelta(days=60)
    make_draft(customer)
    issued = make_invoice(customer, 5_000, 2_500, at=early)
    issue_credit_note(
        invoice_id=issued.pk, lines=[CreditLine(1, 1_000)], settlement="offset", reason_code="goodwill", reason="Two slow days.",
        actor=ROBOT, at=early, key=f"furnish:{issued.pk}",
    )  # fmt: skip
    invoice_document(invoice_id=issued.pk, at=early)
    pay_and_refund(customer)
    maker, _ = two_people()
    propose_limit(currency="USD", limit_minor=5_000, reason="A busy season.", actor=maker, at=early)
    return issued
