"""The addresses of this wing in the API."""

from django.urls import URLPattern, path

from backoffice.kit.api import routes  # noqa: F401 - registers <public_id:…>
from billing.disputes import api as disputes

urlpatterns: list[URLPattern] = [
    path("disputes", disputes.Disputes.as_view()),
    path("disputes/<public_id:dispute_id>", disputes.OneDispute.as_view()),
    path("disputes/<public_id:dispute_id>/evidence", disputes.DisputeEvidence.as_view()),
    path("disputes/<public_id:dispute_id>/submit", disputes.DisputeSubmit.as_view()),
    path("disputes/<public_id:dispute_id>/accept", disputes.DisputeAccept.as_view()),
from billing.customers import api as customers
from billing.invoices import api as invoices

urlpatterns: list[URLPattern] = [
    path("customers", customers.Customers.as_view()),
    path("customers/<public_id:customer_id>", customers.OneCustomer.as_view()),
    path("invoices", invoices.Invoices.as_view()),
    path("invoices/<public_id:invoice_id>", invoices.OneInvoice.as_view()),
    path("invoices/<public_id:invoice_id>/pdf", invoices.InvoicePdf.as_view()),
    path("invoices/<public_id:invoice_id>/finalise", invoices.InvoiceFinalise.as_view()),
    path("invoices/<public_id:invoice_id>/void", invoices.InvoiceVoid.as_view()),
    path("credit_notes", invoices.CreditNotes.as_view()),
    path("credit_notes/<public_id:credit_note_id>", invoices.OneCreditNote.as_view()),
]
