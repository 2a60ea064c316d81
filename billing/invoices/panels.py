"""The tables on the pages of invoices, credit notes and customers."""

from __future__ import annotations

from typing import Any

from backoffice.kit.admin import Column, Look, Panel, Table, display
from billing.customers.models import Customer
from billing.invoices.models import Application, CreditNote, Invoice, Source, TaxCategory
from billing.invoices.paper import tax_words
from billing.invoices.queries import missing_numbers
from payouts.ledger.panels import posting_link, postings_of


def lines(invoice: Invoice, look: Look) -> Table:
    rows = [
        (
            line.position,
            line.description,
            _period(line),
            f"{line.quantity.normalize():f}",
            display.money(line.unit_amount_minor, invoice.currency),
            tax_words(line.tax_category, line.tax_basis_points or 0) if line.tax_category else f"{line.tax_code}, not decided",
            display.money(line.amount_minor, invoice.currency),
        )
        for line in invoice.lines.order_by("position")
    ]
    columns = [
        Column("No."),
        Column("Description"),
        Column("Period"),
        Column("Quantity"),
        Column("Price", money=True),
        Column("Tax"),
    ]
    foot = ("", "Net", "", "", "", "", display.money(invoice.subtotal_minor, invoice.currency))
    return Table([*columns, Column("Net", money=True)], rows, foot=foot)


def _period(line: Any) -> str:
    if not line.period_start or not line.period_end:
        return display.EMPTY
    return f"{display.day_text(line.period_start)} – {display.day_text(line.period_end)}"


def taxes(row: Invoice | CreditNote, look: Look) -> Table:
    rows = [
        (
            tax_words(tax.category, tax.basis_points),
            tax.jurisdiction if tax.category == TaxCategory.STANDARD else display.EMPTY,
            display.money(tax.base_minor, row.currency),
            display.money(tax.tax_minor, row.currency),
        )
        for tax in row.taxes.order_by("id")
    ]
    columns = [Column("Tax"), Column("Owed in"), Column("On", money=True), Column("Tax", money=True)]
    note = getattr(row, "tax_note", "")
    return Table(columns, rows, empty="Decided when the invoice is finalised.", note=note)


def settlement(invoice: Invoice, look: Look) -> Table:
    applied, older = look.slice_of(Application.objects.filter(invoice=invoice).select_related("posting"))
    people = display.people(row.actor for row in applied)
    rows = [
        (
            display.instant(row.at),
            Source(row.source).label,
            display.plain(row.payment) if row.payment else display.EMPTY,
            people.get(row.actor, row.actor),
            posting_link(row.posting),
            display.money(row.amount_minor, row.currency),
        )
        for row in applied
    ]
    columns = [Column("When"), Column("From"), Column("Which"), Column("By"), Column("Posting"), Column("Amount", money=True)]
    foot = ("Still due", "", "", "", "", display.money(invoice.amount_due_minor, invoice.currency)) if invoice.number else ()
    return Table(columns, rows, empty="Nothing was paid, credited or given up.", older=older, foot=foot)


def credit_notes(row: Invoice | Customer, look: Look) -> Table:
    notes, older = look.slice_of(CreditNote.objects.filter(**{"customer" if isinstance(row, Customer) else "invoice": row}))
    rows = [
        (
            display.link(note),
            display.day(note.issued_on),
            note.get_settlement_display(),
            display.clamped(note.reason),
            display.money(note.total_minor, note.currency),
        )
        for note in notes
    ]
    columns = [Column("Number"), Column("Issued"), Column("Settled by"), Column("Reason"), Column("Total", money=True)]
    return Table(columns, rows, empty="No credit note.", older=older)


def postings(invoice: Invoice, look: Look) -> Table:
    return postings_of("invoice", invoice, look, "Nothing is booked before the invoice has its number.")


def note_lines(note: CreditNote, look: Look) -> Table:
    rows = [
        (line.invoice_line.position, line.description, display.money(line.amount_minor, note.currency))
        for line in note.lines.select_related("invoice_line").order_by("id")
    ]
    columns = [Column("Line of the invoice"), Column("Description"), Column("Net", money=True)]
    return Table(columns, rows, foot=("", "Net", display.money(note.subtotal_minor, note.currency)))


def invoices_of_customer(customer: Customer, look: Look) -> Table:
    found, older = look.slice_of(Invoice.objects.filter(customer=customer))
    rows = [
        (
            display.link(row),
            display.state(row),
            display.day(row.issued_on),
            display.day(row.due_on),
            display.money(row.total_minor, row.currency),
            display.money(row.amount_due_minor, row.currency),
        )
        for row in found
    ]
    columns = [Column("Invoice"), Column("Status"), Column("Issued"), Column("Due"), Column("Total", money=True)]
    return Table([*columns, Column("Still due", money=True)], rows, empty="Nothing was billed yet.", older=older)


def missing(series: Any, look: Look) -> Table:
    rows = [(number,) for number in missing_numbers(series.pk)]
    return Table([Column("Number on no document")], rows, empty="No number is missing.")


INVOICE_PANELS = (
    Panel("lines", "Lines", lines, lazy=False, order=10),
    Panel("taxes", "Tax", taxes, lazy=False, order=20),
    Panel("settlement", "Payments, credits and what was given up", settlement, lazy=False, order=30),
    Panel("credit_notes", "Credit notes", credit_notes, permission="billing.view_creditnote", order=40),
    Panel("postings", "Postings", postings, permission="payouts.view_posting", order=50),
)
NOTE_PANELS = (
    Panel("lines", "Lines", note_lines, lazy=False, order=10),
    Panel("taxes", "Tax taken back", taxes, lazy=False, order=20),
)
CUSTOMER_PANELS = (
    Panel("invoices", "Invoices", invoices_of_customer, permission="billing.view_invoice", lazy=False, order=10),
    Panel("credit_notes", "Credit notes", credit_notes, permission="billing.view_creditnote", order=20),
)
