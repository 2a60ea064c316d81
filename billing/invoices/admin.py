"""Screens of invoices: the page a finance person works from, and the aging. Credit notes, entities, rates and numbers: admin_reference."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    CurrencyFilter,
    DayRangeFilter,
    Download,
    ExportColumn,
    OperatorAdmin,
    display,
    fields,
    link_column,
    money_column,
    plug,
    queue,
    state_column,
)
from backoffice.kit.money import Money, to_minor
from billing.customers.models import Customer
from billing.invoices import operations, queries
from billing.invoices.giving_up import open_request
from billing.invoices.models import CreditReason, Invoice, Settlement
from billing.invoices.panels import CUSTOMER_PANELS, INVOICE_PANELS
from billing.invoices.states import INVOICE, NOT_YET, InvoiceStatus
from payouts.ledger.queries import seller_buckets

AGING_ROWS = 200
plug(Customer, *CUSTOMER_PANELS)


def failed(at: datetime) -> QuerySet[Invoice]:
    """Return drafts that could not be finalised."""
    return Invoice.objects.filter(status=InvoiceStatus.FINALIZING_FAILED)


queue(
    name="finalizing_failed",
    title="Invoices without a number",
    model=Invoice,
    rows=failed,
    age_field="created_at",
    help_text="Their tax could not be decided without guessing: remove the cause, then finalise again.",
    tone="bad",
    order=60,
)
queue(
    name="invoices_overdue",
    title="Overdue invoices",
    model=Invoice,
    rows=lambda at: queries.overdue(at.date()),
    age_field="due_on",
    help_text="Collect from the balance, wait for the next attempt, credit, or ask for a write-off.",
    order=65,
)


def _effect(row: Invoice) -> list[tuple[str, Any]]:
    due = display.money(row.amount_due_minor, row.currency)
    return [("Invoice", str(row)), ("Customer", display.link(row.customer, _name(row.customer))), ("Due", due)]


def _finalise_effect(row: Invoice) -> list[tuple[str, Any]]:
    return [
        *_effect(row)[:2],
        ("Net", display.money(row.subtotal_minor, row.currency)),
        ("Debit", "Receivable of this customer, with the tax that is decided now"),
        ("Credit", "Subscription revenue and tax payable"),
        ("It failed because", row.status_reason),
    ]


def _collect_effect(row: Invoice) -> list[tuple[str, Any]]:
    seller_id = row.customer.seller_id or 0
    there = seller_buckets([seller_id]).get((seller_id, row.currency), {}).get("available", 0)
    taken = max(0, min(there, row.amount_due_minor))
    return [
        *_effect(row),
        ("Seller has available", display.money(there, row.currency)),
        ("Debit seller available, credit receivable", display.money(taken, row.currency)),
    ]


def _void_effect(row: Invoice) -> list[tuple[str, Any]]:
    if not row.number:
        return [*_effect(row)[:2], ("Effect", "the draft ends; it never had a number")]
    return [*_effect(row), ("Reversed", display.money(row.total_minor, row.currency)), ("Number", f"{row.number} stays used")]


def _write_off_effect(row: Invoice) -> list[tuple[str, Any]]:
    request = open_request(row)
    rows = [*_effect(row), ("Debit write-offs, credit receivable", display.money(row.amount_due_minor, row.currency))]
    if request is not None:
        asked = display.people([request.maker]).get(request.maker, "")
        rows += [("Asked by", asked), ("Because", str(request.shown.get("reason", "")))]
    return rows


def _credit_fields(row: Invoice) -> dict[str, Any]:
    lines = [(str(line.position), f"{line.position}. {line.description}"[:80]) for line in row.lines.order_by("position")]
    fits = Settlement.OFFSET if row.amount_due_minor else Settlement.CREDIT
    return {
        "line": fields.choice("Line", lines, "Empty: all that is left of the invoice.", required=False),
        "amount": fields.text("Net amount", "In units, such as 120.50. Needed with a line.", required=False, max_length=20),
        "settlement": fields.choice("What becomes of it", Settlement.choices, initial=fits),
        "reason_code": fields.choice("Kind of reason", CreditReason.choices),
        "reason": fields.reason("Printed on the credit note; the customer reads it."),
    }


def _credit_arguments(row: Invoice, asked: dict[str, Any]) -> dict[str, Any]:
    lines = []
    if asked["line"]:
        lines = [operations.CreditLine(int(asked["line"]), to_minor(asked["amount"] or "0", row.currency))]
    return {"invoice_id": row.pk, "lines": lines} | {name: asked[name] for name in ("settlement", "reason_code", "reason")}


def _name(customer: Customer) -> str:
    return customer.seller.legal_name if customer.seller else customer.external_id


def _document(row: Invoice) -> tuple[bytes, str, str]:
    _, data = operations.invoice_document(invoice_id=row.pk, at=clock.now())
    return data, "application/pdf", f"{row.number}.pdf"


@admin.register(Invoice)
class InvoiceAdmin(OperatorAdmin):
    list_display = ("shown", "customer_shown", "status_shown", "issued", "due", "total_money", "due_money", "entity_shown")
    wide_only = ("issued", "entity_shown")
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter, ("due_on", DayRangeFilter))
    list_select_related = ("customer", "customer__seller", "entity", "series")
    list_links = (("Aging", "admin:billing_invoice_aging", "billing.view_invoice"),)
    actor_fields = ("created_by",)
    machine = INVOICE
    search_by = (
        lambda term: Q(number=term.upper()),
        lambda term: Q(origin=term),
        lambda term: Q(customer__in=Customer.objects.filter(Q(external_id=term) | Q(public_id=term))),
    )
    search_help_text = "Id, number, what it bills, or customer"
    empty_title = "Nothing was billed yet"
    empty_text = "Subscriptions make invoices when they renew."
    panels = INVOICE_PANELS
    downloads = (Download("pdf", "Invoice (PDF with Factur-X)", _document, when=lambda row: bool(row.number)),)
    status_shown = state_column()
    customer_shown = link_column("Customer", "customer", _name)
    total_money = money_column("Total", "total_minor")
    due_money = money_column("Still due", "amount_due_minor")
    entity_shown = link_column("Issued by", "entity", lambda entity: entity.code)
    buttons = (
        Button(
            name="finalise",
            label="Finalise",
            verb=operations.finalise_invoice,
            permission="billing.finalise_invoices",
            arguments=lambda row, asked: {"invoice_id": row.pk},
            states=NOT_YET,
            effect=_finalise_effect,
            explain="The invoice gets its tax and the next number of its series, and never changes again.",
            bulk=True,
            order=10,
            done=lambda row, invoice: (
                f"It is {invoice.number}." if invoice.number else f"No number was taken: {invoice.status_reason}"
            ),
        ),
        Button(
            name="collect",
            label="Collect from the balance",
            verb=operations.collect_from_balance,
            permission="billing.finalise_invoices",
            arguments=lambda row, asked: {"invoice_id": row.pk},
            states=(InvoiceStatus.OPEN,),
            when=lambda row: row.customer.seller_id is not None,
            effect=_collect_effect,
            explain="Only money that is available and above zero is taken; it can be less when the button is pressed.",
            bulk=True,
            order=20,
            done=lambda row, taken: f"{Money(taken, row.currency)} taken." if taken else "Nothing was available.",
        ),
        Button(
            name="credit",
            label="Issue a credit note",
            verb=operations.issue_credit_note,
            permission="billing.issue_credit_notes",
            arguments=_credit_arguments,
            states=(InvoiceStatus.OPEN, InvoiceStatus.PAID),
            fields=_credit_fields,
            effect=lambda row: [*_effect(row), ("Paid", display.money(row.paid_minor - row.refunded_minor, row.currency))],
            explain="The tax on it is taken back too. A credit note has a number and is not taken back.",
            order=30,
            done=lambda row, note: f"Credit note {note.number} over {Money(note.total_minor, note.currency)}.",
        ),
        Button(
            name="write_off",
            label="Ask for a write-off",
            verb=operations.mark_uncollectible,
            permission="billing.ask_write_off",
            arguments=lambda row, asked: {"invoice_id": row.pk, "reason": asked["reason"]},
            states=(InvoiceStatus.OPEN,),
            fields=lambda row: {"reason": fields.reason()},
            effect=_write_off_effect,
            explain="Nothing is booked until another person approves exactly this amount.",
            order=40,
            done="Asked. Another person approves it here.",
        ),
        Button(
            name="approve_write_off",
            label="Approve the write-off",
            verb=operations.approve_uncollectible,
            permission="billing.approve_write_off",
            arguments=lambda row, asked: {"invoice_id": row.pk},
            states=(InvoiceStatus.OPEN,),
            when=lambda row: open_request(row) is not None,
            effect=_write_off_effect,
            explain="Booked at once, in both your names.",
            danger=True,
            done="Written off.",
        ),
        Button(
            name="refuse_write_off",
            label="Refuse the write-off",
            verb=operations.refuse_uncollectible,
            permission="billing.approve_write_off",
            arguments=lambda row, asked: {"invoice_id": row.pk, "reason": asked["reason"]},
            states=(InvoiceStatus.OPEN,),
            when=lambda row: open_request(row) is not None,
            fields=lambda row: {"reason": fields.reason()},
            effect=_write_off_effect,
            done="Refused; nothing was booked.",
        ),
        Button(
            name="reopen",
            label="Open again",
            verb=operations.reopen_uncollectible,
            permission="billing.ask_write_off",
            arguments=lambda row, asked: {"invoice_id": row.pk, "reason": asked["reason"]},
            states=(InvoiceStatus.UNCOLLECTIBLE,),
            fields=lambda row: {"reason": fields.reason()},
            effect=lambda row: [*_effect(row)[:2], ("Due again", display.money(row.given_up_minor, row.currency))],
            explain="The write-off is booked back, so that money that comes after all can be applied.",
            done="Open again.",
        ),
        Button(
            name="void",
            label="Void",
            verb=operations.void_invoice,
            permission="billing.finalise_invoices",
            arguments=lambda row, asked: {"invoice_id": row.pk, "reason": asked["reason"]},
            states=(*NOT_YET, InvoiceStatus.OPEN),
            when=lambda row: not row.paid_minor and not row.credited_minor,
            fields=lambda row: {"reason": fields.reason()},
            effect=_void_effect,
            danger=True,
            bulk=True,
            done="Void.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda i: i.public_id),
        ExportColumn("number", lambda i: i.number),
        ExportColumn("status", lambda i: i.get_status_display()),
        ExportColumn("customer", lambda i: i.customer.external_id),
        ExportColumn("issued_on", lambda i: i.issued_on),
        ExportColumn("due_on", lambda i: i.due_on),
        ExportColumn("net", lambda i: Money(i.subtotal_minor, i.currency)),
        ExportColumn("tax", lambda i: Money(i.tax_minor, i.currency)),
        ExportColumn("total", lambda i: Money(i.total_minor, i.currency)),
        ExportColumn("due", lambda i: Money(i.amount_due_minor, i.currency)),
        ExportColumn("currency", lambda i: i.currency),
        ExportColumn("origin", lambda i: i.origin),
    )

    @admin.display(description="Invoice")
    def shown(self, row: Invoice) -> Any:
        return display.steady(str(row))

    @admin.display(description="Issued")
    def issued(self, row: Invoice) -> Any:
        return display.day(row.issued_on)

    @admin.display(description="Due")
    def due(self, row: Invoice) -> Any:
        return display.day(row.due_on)

    def page_title(self, row: Invoice) -> str:
        return f"Invoice {row.number}" if row.number else f"Draft for {_name(row.customer)}"

    def headline(self, row: Invoice) -> Any:
        return display.money(row.total_minor if row.number else row.subtotal_minor, row.currency)

    def standing(self, row: Invoice) -> str:
        if row.status == InvoiceStatus.FINALIZING_FAILED:
            return row.status_reason
        if row.status == InvoiceStatus.DRAFT:
            return "A draft: no number, no tax, nothing booked."
        if row.status == InvoiceStatus.OPEN and row.due_on:
            request = open_request(row)
            waits = " A write-off waits for a second person." if request else ""
            late = (clock.now().date() - row.due_on).days
            when = f"{late} days overdue" if late > 0 else f"due on {display.day_text(row.due_on)}"
            return f"{Money(row.amount_due_minor, row.currency)} {when}.{waits}"
        return ""

    def facts(self, row: Invoice) -> list[tuple[str, Any]]:
        return [
            ("Customer", display.link(row.customer, _name(row.customer))),
            ("Net", display.money(row.subtotal_minor, row.currency)),
            ("Tax", display.money(row.tax_minor, row.currency) if row.number else ""),
            ("Total", display.money(row.total_minor, row.currency) if row.number else ""),
            ("Paid", display.money(row.paid_minor, row.currency) if row.paid_minor else ""),
            ("Credited", display.money(row.credited_minor, row.currency) if row.credited_minor else ""),
            ("Given up", display.money(row.given_up_minor, row.currency) if row.given_up_minor else ""),
            ("Given back", display.money(row.refunded_minor, row.currency) if row.refunded_minor else ""),
            ("Still due", display.money(row.amount_due_minor, row.currency) if row.number else ""),
            ("Collected by", row.collection.replace("_", " ")),
            ("Issued on", display.day(row.issued_on)),
            ("Due on", display.day(row.due_on)),
            ("Issued by", display.link(row.entity)),
            ("Series", display.link(row.series)),
            ("Bills", display.plain(row.origin) if row.origin else ""),
            ("Customer's VAT number", row.buyer_vat_number),
            ("Tax decided on", _tax_reasons(row.tax_evidence)),
            ("Drafted", display.instant(row.created_at)),
            ("Drafted by", self.person(row, "created_by")),
        ]

    def aging_view(self, request: HttpRequest) -> HttpResponse:
        """Show what each customer owes by days past due, now or at the end of a day, beside the ledger's receivable."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text, at, problem = request.GET.get("as_of", ""), clock.now(), ""
        if text:
            try:
                at = min(at, clock.parse_at(text if "T" in text else f"{text}T23:59:59"))
            except ValueError as error:
                problem = str(error)
        on = at.date()
        rows = queries.aging(at, on, limit=AGING_ROWS)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Aging of invoices",
            "as_of_text": text,
            "as_of_error": problem,
            "as_of": display.instant(at),
            "rows": [_aging_row(row) for row in rows],
            "cut": len(rows) == AGING_ROWS,
            "totals": [_aging_total(currency, sums, at) for currency, sums in sorted(queries.aging_totals(at, on).items())],
        }
        return TemplateResponse(request, "backoffice/aging.html", context)

    def get_urls(self) -> list[URLPattern]:
        return [path("aging/", self.admin_site.admin_view(self.aging_view), name="billing_invoice_aging"), *super().get_urls()]


def _tax_reasons(evidence: dict[str, Any]) -> str:
    """Return in a sentence what the tax was decided on."""
    if not evidence:
        return ""
    state = str(evidence.get("vat_state", "")).replace("_", " ")
    number = f"VAT number {state}" if state else "no VAT number"
    return f"a {evidence.get('customer_kind')} in {evidence.get('customer_country')}, {number}; we sell from {evidence.get('seller_country')}"


def _aging_row(row: dict[str, Any]) -> tuple[Any, ...]:
    amounts = [display.money(row[name], row["currency"]) if row[name] else display.EMPTY for name in [*queries.BUCKETS, "total"]]
    return row["name"], display.list_url(Invoice, q=row["customer"]), amounts


def _aging_total(currency: str, sums: dict[str, int], at: datetime) -> tuple[Any, ...]:
    booked = queries.booked_receivable(currency, at)
    amounts = [display.money(sums[name], currency) for name in [*queries.BUCKETS, "total"]]
    return currency, amounts, display.money(booked, currency), booked == sums["total"]
