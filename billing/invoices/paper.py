"""What stands on an invoice or credit note, read from frozen rows only: the same rows give the same paper, whenever it is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from django.db.models import F

from backoffice.kit.money import Money
from billing.invoices.models import CreditNote, Invoice, LegalEntity, Source, TaxCategory


@dataclass(frozen=True, slots=True)
class Party:
    name: str
    lines: list[str]
    country: str
    vat_number: str
    registration_number: str = ""
    postcode: str = ""
    town: str = ""


@dataclass(frozen=True, slots=True)
class PaperLine:
    """One line, net; quantity × price = amount, exactly."""

    position: int
    description: str
    quantity: Decimal
    price_minor: int
    amount_minor: int
    category: str
    basis_points: int
    period: tuple[date, date] | None


@dataclass(frozen=True, slots=True)
class PaperTax:
    category: str
    basis_points: int
    jurisdiction: str
    base_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class Paper:
    """A document: `kind` is invoice or credit_note; amounts of a credit note are positive."""

    kind: str
    number: str
    currency: str
    issued_on: date
    due_on: date | None
    seller: Party
    buyer: Party
    lines: list[PaperLine]
    taxes: list[PaperTax]
    net_minor: int
    tax_minor: int
    total_minor: int
    prepaid_minor: int
    note: str
    terms: str
    refers_to: str = ""
    refers_on: date | None = None
    period: tuple[date, date] | None = None
    texts: list[str] = field(default_factory=list)

    @property
    def due_minor(self) -> int:
        return self.total_minor - self.prepaid_minor

    def decimal(self, amount_minor: int) -> str:
        return Money(amount_minor, self.currency).decimal()


def invoice_paper(invoice: Invoice) -> Paper:
    """Return the paper of an issued invoice. Credit used when it was issued counts as paid beforehand; later payments are not on it."""
    credit = invoice.applications.filter(source=Source.CREDIT, at=F("invoice__finalised_at"))
    prepaid = sum(credit.values_list("amount_minor", flat=True))
    lines = [
        _line(line.position, line.description, line.quantity, line.unit_amount_minor, line.amount_minor, line.tax_category,
              line.tax_basis_points or 0, _span(line.period_start, line.period_end))
        for line in invoice.lines.order_by("position")
    ]  # fmt: skip
    return Paper(
        kind="invoice", number=invoice.number, currency=invoice.currency, issued_on=_day(invoice.issued_on), due_on=invoice.due_on,
        seller=_seller(invoice.entity), buyer=_buyer(invoice), lines=lines, taxes=_taxes(invoice.taxes.order_by("id")),
        net_minor=invoice.subtotal_minor, tax_minor=invoice.tax_minor, total_minor=invoice.total_minor, prepaid_minor=prepaid,
        note=invoice.tax_note, terms=invoice.entity.payment_terms, period=_span(invoice.period_start, invoice.period_end),
    )  # fmt: skip


def credit_note_paper(note: CreditNote) -> Paper:
    """Return the paper of a credit note."""
    invoice = note.invoice
    lines = [
        _line(position, line.description, Decimal(1), line.amount_minor, line.amount_minor, line.invoice_line.tax_category,
              line.invoice_line.tax_basis_points or 0, None)
        for position, line in enumerate(note.lines.select_related("invoice_line").order_by("id"), 1)
    ]  # fmt: skip
    return Paper(
        kind="credit_note", number=note.number, currency=note.currency, issued_on=note.issued_on, due_on=None,
        seller=_seller(invoice.entity), buyer=_buyer(invoice), lines=lines, taxes=_taxes(note.taxes.order_by("id")),
        net_minor=note.subtotal_minor, tax_minor=note.tax_minor, total_minor=note.total_minor, prepaid_minor=0,
        note=invoice.tax_note, terms="", refers_to=invoice.number, refers_on=invoice.issued_on, texts=[note.reason],
    )  # fmt: skip


def _line(
    position: int,
    text: str,
    quantity: Decimal,
    price: int,
    amount: int,
    category: str,
    points: int,
    period: tuple[date, date] | None,
) -> PaperLine:
    """Return a line whose parts multiply: a price of several steps, or a price below zero, is shown as one piece of the whole amount."""
    if quantity * price != amount or price < 0:
        quantity, price = (Decimal(1), amount) if amount >= 0 else (Decimal(-1), -amount)
    return PaperLine(position, text, quantity.normalize(), price, amount, category, points, period)


def _taxes(rows: object) -> list[PaperTax]:
    return [
        PaperTax(tax.category, tax.basis_points, tax.jurisdiction, tax.base_minor, tax.tax_minor)
        for tax in rows  # type: ignore[attr-defined]
    ]


def _seller(entity: LegalEntity) -> Party:
    return Party(
        name=entity.name, lines=[entity.line1], country=entity.country, vat_number=entity.vat_numbers.get(entity.country, ""),
        registration_number=entity.registration_number, postcode=entity.postcode, town=entity.town,
    )  # fmt: skip


def _buyer(invoice: Invoice) -> Party:
    known = json.loads(invoice.buyer)
    lines = [line.strip() for line in known["address"].splitlines() if line.strip()]
    return Party(known["name"], lines, known["country"], invoice.buyer_vat_number)


def _day(on: date | None) -> date:
    if on is None:
        raise ValueError("A document is made of what was issued.")
    return on


def _span(start: datetime | None, end: datetime | None) -> tuple[date, date] | None:
    return (start.date(), end.date()) if start and end else None


def tax_words(category: str, basis_points: int) -> str:
    """Return how a rate is called on paper."""
    if category == TaxCategory.STANDARD:
        return f"VAT {basis_points / 100:g} %"
    return {"AE": "VAT, reverse charge", "E": "VAT, exempt", "O": "VAT, outside scope"}[category]
