"""The document of an invoice: made once, sealed, readable by people and by machines, and the same to the cent."""

import io
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from facturx import get_xml_from_pdf, xml_check_xsd
from lxml import etree
from pypdf import PdfReader

from billing.customers.operations import accept_vat_number
from billing.invoices.documents import DocumentAltered, NotIssued
from billing.invoices.models import InvoiceDocument
from billing.invoices.operations import CreditLine, credit_note_document, invoice_document, issue_credit_note
from tests.factories.billing import AT, ROBOT, line, make_customer, make_draft, make_invoice, two_people

pytestmark = pytest.mark.django_db
RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"


def text_of(data):
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def xml_of(data):
    name, xml = get_xml_from_pdf(data, check_xsd=True)
    assert name == "factur-x.xml" and xml_check_xsd(xml, flavor="factur-x", level="en16931")
    return etree.fromstring(xml)


def values(root, name):
    return [node.text for node in root.iter(RAM + name)]


def test_the_document_says_the_same_to_people_and_to_machines():
    lines = [
        line(9_900, description="Plan Pro – März"),
        line(1_050, description="3 seats", quantity=Decimal(3), unit_amount_minor=350),
        line(700, description="Orders, in steps", quantity=Decimal("123.5"), unit_amount_minor=6),
        line(-1_234, description="Unused days of plan Basic", unit_amount_minor=-1_234, proration=True),
    ]
    invoice = make_invoice(make_customer(name="Łódź Handel & Söhne"), lines=lines)
    document, data = invoice_document(invoice_id=invoice.pk, at=AT)

    text, root = text_of(data), xml_of(data)
    for shown in (invoice.number, "104.16", "20.83", "124.99", "VAT 20 %", "Plan Pro", "16 Mar 2026", "FR83404833048"):
        assert shown in text, shown
    assert values(root, "GrandTotalAmount") == values(root, "DuePayableAmount") == ["124.99"]
    assert values(root, "LineTotalAmount") == ["99.00", "10.50", "7.00", "-12.34", "104.16"]
    for quantity, price, total in zip(
        values(root, "BilledQuantity"), values(root, "ChargeAmount"), values(root, "LineTotalAmount"), strict=False
    ):
        assert Decimal(quantity) * Decimal(price) == Decimal(total) and Decimal(price) >= 0
    assert values(root, "CategoryCode") == ["S"] * 5
    assert (len(data), document.size_bytes) == (document.size_bytes, len(data))


def test_it_is_made_once_and_kept_sealed():
    invoice = make_invoice(make_customer(name="Zacharias Canarybird"))
    first, data = invoice_document(invoice_id=invoice.pk, at=AT)
    second, again = invoice_document(invoice_id=invoice.pk, at=AT)
    assert (first.pk, data) == (second.pk, again)
    with pytest.raises(IntegrityError), transaction.atomic():
        InvoiceDocument.objects.filter(pk=first.pk).update(sha256="0" * 64)
    with pytest.raises(IntegrityError), transaction.atomic():
        first.delete()
    first.content = "JVBERi0="
    first.save(update_fields=["content"])
    with pytest.raises(DocumentAltered):
        invoice_document(invoice_id=invoice.pk, at=AT)
    with pytest.raises(NotIssued):
        invoice_document(invoice_id=make_draft().pk, at=AT)


def test_reverse_charge_and_credit_notes_say_what_the_law_wants():
    customer = make_customer(country="DE", vat_number="DE 136 695 976")
    maker, _ = two_people()
    accept_vat_number(customer_id=customer.pk, actor=maker, at=AT, reason="Certificate on file.")
    invoice = make_invoice(customer)
    _, data = invoice_document(invoice_id=invoice.pk, at=AT)
    root = xml_of(data)
    assert "article 196" in text_of(data) and set(values(root, "CategoryCode")) == {"AE"}
    assert values(root, "ExemptionReason") == ["Reverse charge"] and "DE136695976" in values(root, "ID")

    note = issue_credit_note(
        invoice_id=invoice.pk, lines=[CreditLine(1, 2_500)], settlement="offset", reason_code="wrong_amount", reason="Two seats fewer.",
        actor=ROBOT, at=AT, key="n",
    )  # fmt: skip
    _, data = credit_note_document(credit_note_id=note.pk, at=AT)
    root = xml_of(data)
    assert (values(root, "TypeCode")[0], values(root, "IssuerAssignedID"), values(root, "GrandTotalAmount")) == (
        "381",
        [invoice.number],
        ["25.00"],
    )
    assert "Two seats fewer." in text_of(data)


def test_a_long_invoice_runs_over_pages_and_a_currency_without_cents_has_none():
    invoice = make_invoice(
        make_customer(country="JP", currency="JPY", name="株式会社リファーブ"),
        lines=[line(1_000, description=f"Order {n}") for n in range(120)],
    )
    _, data = invoice_document(invoice_id=invoice.pk, at=AT)
    assert len(PdfReader(io.BytesIO(data)).pages) > 2
    assert values(xml_of(data), "GrandTotalAmount") == ["120000"]
