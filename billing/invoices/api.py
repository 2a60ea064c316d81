"""Invoices and credit notes as the partner whose customers they bill sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer

from backoffice.kit import clock
from backoffice.kit.api.answers import day, instant, money
from backoffice.kit.api.fields import Currency, MoneyOut, ObjectOut, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from billing.invoices import operations
from billing.invoices.models import CreditNote, CreditReason, Invoice, InvoiceLine, Settlement, TaxCategory
from billing.invoices.states import InvoiceStatus


class PdfRenderer(BaseRenderer):
    """Offers PDF in content negotiation; the bytes are the stored ones."""

    media_type = "application/pdf"
    format = "pdf"
    charset = None
    render_style = "binary"


class InvoiceLineOut(serializers.Serializer[Any]):
    """One line, net."""

    position = serializers.IntegerField()
    description = serializers.CharField()
    quantity = serializers.CharField(help_text="A decimal number.")
    unit_amount = MoneyOut()
    amount = MoneyOut()
    tax_category = serializers.ChoiceField(TaxCategory.choices, allow_blank=True, help_text="UNTDID 5305; empty on a draft.")
    tax_basis_points = serializers.IntegerField(allow_null=True)
    proration = serializers.BooleanField()
    period_start = serializers.DateTimeField(allow_null=True)
    period_end = serializers.DateTimeField(allow_null=True)


class InvoiceOut(ObjectOut):
    """A claim on a customer. Drafts have no number and no tax yet."""

    customer = serializers.CharField()
    status = serializers.ChoiceField(InvoiceStatus.choices)
    status_code = serializers.CharField(allow_blank=True, help_text="Why it could not be finalised.")
    number = serializers.CharField(allow_blank=True)
    origin = serializers.CharField(allow_blank=True)
    currency = serializers.CharField()
    subtotal = MoneyOut()
    tax = MoneyOut()
    total = MoneyOut()
    paid = MoneyOut()
    credited = MoneyOut()
    amount_due = MoneyOut()
    issued_on = serializers.DateField(allow_null=True)
    due_on = serializers.DateField(allow_null=True)
    period_start = serializers.DateTimeField(allow_null=True)
    period_end = serializers.DateTimeField(allow_null=True)
    lines = InvoiceLineOut(many=True)


class NothingIn(StrictSerializer):
    """No fields."""


class VoidIn(StrictSerializer):
    """Why."""

    reason = Text(max_length=500)


class InvoiceDocumentOut(serializers.Serializer[Any]):
    """What the document is; the document itself comes with Accept: application/pdf."""

    object = serializers.CharField()
    invoice = serializers.CharField()
    number = serializers.CharField()
    media_type = serializers.CharField()
    sha256 = serializers.CharField()
    size_bytes = serializers.IntegerField()


class CreditNoteOut(ObjectOut):
    """A correction of an issued invoice."""

    number = serializers.CharField()
    invoice = serializers.CharField()
    customer = serializers.CharField()
    settlement = serializers.ChoiceField(Settlement.choices)
    reason_code = serializers.ChoiceField(CreditReason.choices)
    reason = serializers.CharField()
    subtotal = MoneyOut()
    tax = MoneyOut()
    total = MoneyOut()
    issued_on = serializers.DateField()


LINE_EXAMPLE = {
    "position": 1,
    "description": "Plan Pro, November",
    "quantity": "1",
    "unit_amount": money(10_000, "EUR"),
    "amount": money(10_000, "EUR"),
    "tax_category": "S",
    "tax_basis_points": 2000,
    "proration": False,
    "period_start": "2026-11-01T00:00:00Z",
    "period_end": "2026-12-01T00:00:00Z",
}
EXAMPLE = {
    "id": "inv_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "invoice",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "customer": "cus_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "status": "open",
    "status_code": "",
    "number": "MKT-INV-2026-000042",
    "origin": "sub_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "currency": "EUR",
    "subtotal": money(10_000, "EUR"),
    "tax": money(2_000, "EUR"),
    "total": money(12_000, "EUR"),
    "paid": money(0, "EUR"),
    "credited": money(0, "EUR"),
    "amount_due": money(12_000, "EUR"),
    "issued_on": "2026-11-21",
    "due_on": "2026-12-05",
    "period_start": "2026-11-01T00:00:00Z",
    "period_end": "2026-12-01T00:00:00Z",
    "lines": [LINE_EXAMPLE],
}
DOCUMENT_EXAMPLE = {
    "object": "invoice_document",
    "invoice": EXAMPLE["id"],
    "number": EXAMPLE["number"],
    "media_type": "application/pdf",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size_bytes": 41_230,
}
NOTE_EXAMPLE = {
    "id": "crn_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "credit_note",
    "created_at": "2026-11-22T09:30:00Z",
    "livemode": False,
    "number": "MKT-CRN-2026-000007",
    "invoice": EXAMPLE["id"],
    "customer": EXAMPLE["customer"],
    "settlement": "offset",
    "reason_code": "goodwill",
    "reason": "Two slow days.",
    "subtotal": money(1_000, "EUR"),
    "tax": money(200, "EUR"),
    "total": money(1_200, "EUR"),
    "issued_on": "2026-11-22",
}
FILTERS = [
    Filter("status", "status", serializers.ChoiceField(InvoiceStatus.choices)),
    Filter("customer", "customer__public_id", PublicId("cus")),
    Filter("origin", "origin", Text(max_length=80)),
    Filter("number", "number", Text(max_length=40)),
    Filter("currency", "currency", Currency()),
    *instants("created_at", "created_at"),
]
NOTE_FILTERS = [
    Filter("invoice", "invoice__public_id", PublicId("inv")),
    Filter("customer", "customer__public_id", PublicId("cus")),
    Filter("settlement", "settlement", serializers.ChoiceField(Settlement.choices)),
    *instants("created_at", "created_at"),
]


def invoices_of(caller: Any) -> QuerySet[Invoice]:
    """Return invoices of the caller's own customers: the wall between partners stands here."""
    lines = Prefetch("lines", InvoiceLine.objects.order_by("position"))
    return Invoice.objects.filter(customer__partner_id=caller.partner_id).select_related("customer").prefetch_related(lines)


def notes_of(caller: Any) -> QuerySet[CreditNote]:
    return CreditNote.objects.filter(customer__partner_id=caller.partner_id).select_related("customer", "invoice")


def represent(row: Invoice, livemode: bool) -> dict[str, Any]:
    amounts = ("subtotal", "tax", "total", "paid", "credited", "amount_due")
    return {
        "id": row.public_id,
        "object": "invoice",
        "created_at": instant(row.created_at),
        "livemode": livemode,
        "customer": row.customer.public_id,
        "status": row.status,
        "status_code": row.status_code,
        "number": row.number,
        "origin": row.origin,
        "currency": row.currency,
        **{name: money(getattr(row, f"{name}_minor"), row.currency) for name in amounts},
        "issued_on": day(row.issued_on),
        "due_on": day(row.due_on),
        "period_start": instant(row.period_start),
        "period_end": instant(row.period_end),
        "lines": [_line(line, row.currency) for line in row.lines.all()],
    }


def _line(line: InvoiceLine, currency: str) -> dict[str, Any]:
    return {
        "position": line.position,
        "description": line.description,
        "quantity": f"{line.quantity.normalize():f}",
        "unit_amount": money(line.unit_amount_minor, currency),
        "amount": money(line.amount_minor, currency),
        "tax_category": line.tax_category,
        "tax_basis_points": line.tax_basis_points,
        "proration": line.proration,
        "period_start": instant(line.period_start),
        "period_end": instant(line.period_end),
    }


def represent_note(row: CreditNote, livemode: bool) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "object": "credit_note",
        "created_at": instant(row.created_at),
        "livemode": livemode,
        "number": row.number,
        "invoice": row.invoice.public_id,
        "customer": row.customer.public_id,
        "settlement": row.settlement,
        "reason_code": row.reason_code,
        "reason": row.reason,
        **{name: money(getattr(row, f"{name}_minor"), row.currency) for name in ("subtotal", "tax", "total")},
        "issued_on": day(row.issued_on),
    }


def one_invoice(caller: Any, public_id: str) -> Invoice:
    """Return one invoice of the caller's customers. Refuses: NotFound."""
    row = invoices_of(caller).filter(public_id=public_id).first()
    if row is None:
        raise NotFound(what="invoice", ref=public_id)
    return row


def _page(page: Page, rows: QuerySet[Any], shown: Any) -> dict[str, Any]:
    """Return one page of whole rows: each page costs its rows and one query for their lines."""
    rows = rows.filter(**page.narrowed)
    found = list((rows if page.after is None else rows.filter(pk__lt=page.after)).order_by("-pk")[: page.limit + 1])
    here = found[: page.limit]
    return page.wrap([shown(row) for row in here], here[-1].pk if len(found) > page.limit else None)


class Invoices(ApiView):
    """Invoices of the partner's customers."""

    @listing(operation="list_invoices", scope="invoices:read", answers=InvoiceOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List invoices with their lines, newest first."""
        return _page(page, invoices_of(request.user), lambda row: represent(row, request.user.livemode))


class OneInvoice(ApiView):
    """One invoice."""

    @question(operation="get_invoice", scope="invoices:read", answers=InvoiceOut, example=EXAMPLE)
    def get(self, request: Any, invoice_id: str) -> dict[str, Any]:
        """Read one invoice."""
        return represent(one_invoice(request.user, invoice_id), request.user.livemode)


class InvoicePdf(ApiView):
    """The document of an invoice."""

    renderer_classes = (JSONRenderer, PdfRenderer)

    @question(
        operation="get_invoice_document",
        scope="invoices:read",
        answers=InvoiceDocumentOut,
        example=DOCUMENT_EXAMPLE,
        more_answers={(200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, description="Found.")},
        refusals=["not_issued:409:A draft has no document; it gets one with its number."],
    )
    def get(self, request: Any, invoice_id: str) -> dict[str, Any] | HttpResponse:
        """Read the document of an issued invoice: a PDF with Factur-X XML inside (Accept: application/pdf), or what it is as JSON."""
        invoice = one_invoice(request.user, invoice_id)
        document, data = operations.invoice_document(invoice_id=invoice.pk, at=clock.now())
        if request.accepted_renderer.format == "pdf":
            headers = {"Content-Disposition": f'attachment; filename="{invoice.number}.pdf"'}
            return HttpResponse(data, content_type="application/pdf", headers=headers)
        return {
            "object": "invoice_document",
            "invoice": invoice.public_id,
            "number": invoice.number,
            "media_type": "application/pdf",
            "sha256": document.sha256,
            "size_bytes": document.size_bytes,
        }


class InvoiceFinalise(ApiView):
    """Make a draft a claim."""

    @verb(
        operation="update_invoice_to_final",
        scope="invoices:write",
        takes=NothingIn,
        answers=InvoiceOut,
        example_in={},
        example=EXAMPLE,
        status=200,
        refusals=["invoice_not_draft:409:The invoice is void and cannot be finalised."],
    )
    def post(self, request: Any, invoice_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Finalise a draft: it gets its tax and its number, or the status `finalizing_failed` with a code."""
        operations.finalise_invoice(invoice_id=one_invoice(request.user, invoice_id).pk, actor=call.actor, at=call.at)
        return represent(one_invoice(request.user, invoice_id), request.user.livemode)


class InvoiceVoid(ApiView):
    """Give a claim up on which nothing was paid."""

    @verb(
        operation="cancel_invoice",
        scope="invoices:write",
        takes=VoidIn,
        answers=InvoiceOut,
        example_in={"reason": "Billed to the wrong customer."},
        example=EXAMPLE | {"status": "void", "amount_due": money(0, "EUR")},
        status=200,
        refusals=[
            "invoice_has_money:409:A part of this invoice is paid or credited. Issue a credit note instead of voiding it.",
            "invoice_not_open:409:The invoice is paid; only an open one is settled.",
        ],
    )
    def post(self, request: Any, invoice_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Void a draft, or an open invoice on which nothing was paid. The number stays used."""
        row_id = one_invoice(request.user, invoice_id).pk
        operations.void_invoice(invoice_id=row_id, reason=given["reason"], actor=call.actor, at=call.at)
        return represent(one_invoice(request.user, invoice_id), request.user.livemode)


class CreditNotes(ApiView):
    """Credit notes of the partner's customers."""

    @listing(
        operation="list_credit_notes", scope="invoices:read", answers=CreditNoteOut, example=NOTE_EXAMPLE, filters=NOTE_FILTERS
    )
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List credit notes, newest first."""
        return _page(page, notes_of(request.user), lambda row: represent_note(row, request.user.livemode))


class OneCreditNote(ApiView):
    """One credit note."""

    @question(operation="get_credit_note", scope="invoices:read", answers=CreditNoteOut, example=NOTE_EXAMPLE)
    def get(self, request: Any, credit_note_id: str) -> dict[str, Any]:
        """Read one credit note."""
        row = notes_of(request.user).filter(public_id=credit_note_id).first()
        if row is None:
            raise NotFound(what="credit note", ref=credit_note_id)
        return represent_note(row, request.user.livemode)
