"""The desk of invoices: what a finance person presses, what a lead approves, and what the pages show."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.customers.models import Customer
from billing.invoices.models import Invoice, LegalEntity, NumberSeries, TaxRate
from tests.factories.billing import AT, make_customer, make_draft, make_invoice
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller, make_staff

pytestmark = pytest.mark.django_db


def signed(role: str) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def press(client: Client, row: Any, name: str, *, status: int = 200, **asked: Any) -> str:
    """Open the confirm page, send its form, and return what the page said before and after; `status` 409 where it is refused."""
    meta = row._meta
    address = reverse(f"admin:billing_{meta.model_name}_button", args=[row.pk, name])
    page = client.get(address)
    assert page.status_code == 200, (name, page.status_code)
    form = page.context["form"]
    given = {field: form[field].value() or "" for field in form.fields} | {"key": page.context["key"], "back": "/admin/"}
    answer = client.post(address, given | asked, follow=True)
    assert answer.status_code == status, (name, answer.status_code, answer.context and answer.context["form"].errors)
    return page.content.decode() + answer.content.decode()


def test_an_invoice_is_worked_from_its_page_from_draft_to_credit_note() -> None:
    finance, seller = signed("finance"), make_seller(legal_name="Atelier Lyon")
    give_money(seller, 5_000)
    draft = make_draft(make_customer(seller))

    assert "MKT-INV-2026-000001" in press(finance, draft, "finalise").replace("2027", "2026").replace("2025", "2026")
    said = press(finance, draft, "collect")
    assert "Debit seller available, credit receivable" in said and "50.00 EUR taken" in said
    assert "Credit note MKT-CRN" in press(
        finance, draft, "credit", line="1", amount="10.00", settlement="offset", reason_code="goodwill", reason="Slow days."
    )
    page = finance.get(reverse("admin:billing_invoice_change", args=[draft.pk])).content.decode()
    for shown in (
        "Atelier Lyon",
        "VAT 20 %",
        "the seller&#x27;s balance",
        "58.00",
        "Plan Pro, March",
        "Invoice (PDF with Factur-X)",
    ):
        assert shown in page, shown
    for panel in ("credit_notes", "postings"):
        assert finance.get(reverse("admin:billing_invoice_panel", args=[draft.pk, panel])).status_code == 200
    pdf = finance.get(reverse("admin:billing_invoice_download", args=[draft.pk, "pdf"]))
    assert pdf.content.startswith(b"%PDF") and pdf["Content-Type"] == "application/pdf"


def test_a_write_off_is_asked_by_one_and_approved_by_another() -> None:
    finance, lead, invoice = signed("finance"), signed("lead"), make_invoice()
    press(finance, invoice, "write_off", reason="Gone.")
    approve = reverse("admin:billing_invoice_button", args=[invoice.pk, "approve_write_off"])
    assert finance.get(approve).status_code == 403
    assert "Gone." in press(lead, invoice, "approve_write_off")
    assert Invoice.objects.get(pk=invoice.pk).status == "uncollectible"
    press(finance, invoice, "reopen", reason="They pay.")
    assert Invoice.objects.get(pk=invoice.pk).amount_due_minor == 12_000


def test_a_number_nobody_checked_is_said_loudly_and_accepted_with_evidence() -> None:
    finance = signed("finance")
    customer = make_customer(country="DE", vat_number="DE136695976")
    invoice = make_invoice(customer)
    queue = finance.get(reverse("admin:billing_invoice_changelist") + "?queue=finalizing_failed").content.decode()
    assert "could not be finalised" in queue
    assert "NOT CHECKED" in finance.get(reverse("admin:billing_customer_change", args=[customer.pk])).content.decode()
    assert "No VAT service is set" in press(finance, customer, "check_vat")
    press(finance, customer, "accept_vat", reason="Certificate on file.")
    press(finance, invoice, "finalise")
    assert Invoice.objects.get(pk=invoice.pk).tax_minor == 0
    press(finance, customer, "change", address="9 Hafenstrasse\n20457 Hamburg")
    assert Customer.objects.get(pk=customer.pk).vat_evidence["state"] == "valid"


def test_aging_and_gap_audit_say_whether_the_books_agree() -> None:
    auditor, invoice = signed("auditor"), make_invoice(at=AT)
    aging = auditor.get(reverse("admin:billing_invoice_aging")).content.decode()
    assert "120.00" in aging and "agrees" in aging and "DOES NOT AGREE" not in aging
    assert "is not an ISO 8601" in auditor.get(reverse("admin:billing_invoice_aging") + "?as_of=soon").content.decode()
    assert "Nobody owed anything" in auditor.get(reverse("admin:billing_invoice_aging") + "?as_of=2026-01-01").content.decode()
    assert "no gap" in auditor.get(reverse("admin:billing_numberseries_changelist")).content.decode()
    NumberSeries.objects.update(last_number=2)
    assert ">gap<" in auditor.get(reverse("admin:billing_numberseries_change", args=[invoice.series_id])).content.decode()


def test_a_lead_keeps_entities_and_rates() -> None:
    lead, entity = signed("lead"), LegalEntity.objects.get()
    press(
        lead,
        entity,
        "change",
        vat_numbers="FR FR83404833048\nDE DE136695976",
        bills_countries="fr de",
        reason="Registered in DE.",
    )
    entity.refresh_from_db()
    assert (entity.vat_numbers["DE"], entity.bills_countries) == ("DE136695976", ["DE", "FR"])
    address = reverse("admin:billing_taxrate_list_button", args=["set"])
    page = lead.get(address)
    asked = {"country": "FR", "tax_code": "books", "percent": "5.5", "valid_from": "2026-01-01", "source": "CGI 278-0 bis"}
    lead.post(address, asked | {"key": page.context["key"], "back": "/admin/"})
    assert TaxRate.objects.get(tax_code="books").basis_points == 550
    assert signed("finance").get(address).status_code == 403
