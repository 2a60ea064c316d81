"""The bytes of invoices and credit notes: made once, on first demand, from frozen rows; kept sealed with their SHA-256."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime

from django.db import IntegrityError, transaction

from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import composable
from billing.invoices import einvoice, pdf
from billing.invoices.models import CreditNote, Invoice, InvoiceDocument
from billing.invoices.paper import Paper, credit_note_paper, invoice_paper


class NotIssued(Refusal):
    code = "not_issued"
    sentence = "A draft has no document; it gets one with its number."


class DocumentAltered(Refusal):
    code = "document_altered"
    sentence = "The stored document of {number} is not what was first made: its SHA-256 differs. Tell whoever runs this system."


@composable
def invoice_document(*, invoice_id: int, at: datetime) -> tuple[InvoiceDocument, bytes]:
    """Return an issued invoice's document and its bytes, made now if nobody asked before. Refuses: NotIssued, DocumentAltered."""
    invoice = Invoice.objects.select_related("entity", "customer").get(pk=invoice_id)
    if not invoice.number:
        raise NotIssued()
    found = InvoiceDocument.objects.filter(invoice=invoice).first()
    return _opened(found, invoice.number) if found else _make(invoice_paper(invoice), at, invoice=invoice)


@composable
def credit_note_document(*, credit_note_id: int, at: datetime) -> tuple[InvoiceDocument, bytes]:
    """Return a credit note's document and its bytes, made now if nobody asked before. Refuses: DocumentAltered."""
    note = CreditNote.objects.select_related("invoice__entity", "invoice__customer").get(pk=credit_note_id)
    found = InvoiceDocument.objects.filter(credit_note=note).first()
    return _opened(found, note.number) if found else _make(credit_note_paper(note), at, credit_note=note)


def _make(
    paper: Paper, at: datetime, *, invoice: Invoice | None = None, credit_note: CreditNote | None = None
) -> tuple[InvoiceDocument, bytes]:
    data = einvoice.embed(pdf.draw(paper), paper)
    document = InvoiceDocument(
        invoice=invoice, credit_note=credit_note, content=base64.b64encode(data).decode(), sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data), made_at=at,
    )  # fmt: skip
    try:
        with transaction.atomic():
            document.save(force_insert=True)
    except IntegrityError:
        # somebody else asked at the same moment and was first: theirs is the document
        return _opened(InvoiceDocument.objects.get(invoice=invoice, credit_note=credit_note), paper.number)
    return document, data


def _opened(document: InvoiceDocument, number: str) -> tuple[InvoiceDocument, bytes]:
    data = base64.b64decode(document.content)
    if hashlib.sha256(data).hexdigest() != document.sha256:
        raise DocumentAltered(number=number)
    return document, data
