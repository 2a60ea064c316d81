"""The addresses of this wing in the API."""

from django.urls import URLPattern, path

from backoffice.kit.api import routes  # noqa: F401 - registers <public_id:…>
from billing.customers import api as customers
from billing.disputes import api as disputes
from billing.disputes import api_files as dispute_files
from billing.invoices import api as invoices
from billing.payments import api as payments
from billing.plans import api as plans
from billing.refunds import api as refunds
from billing.subscriptions import api as subscriptions

urlpatterns: list[URLPattern] = [
    path("customers", customers.Customers.as_view()),
    path("customers/<public_id:customer_id>", customers.OneCustomer.as_view()),
    path("customers/<public_id:customer_id>/advance", subscriptions.CustomerAdvance.as_view()),
    path("plans", plans.Plans.as_view()),
    path("plans/<public_id:plan_id>", plans.OnePlan.as_view()),
    path("subscriptions", subscriptions.Subscriptions.as_view()),
    path("subscriptions/<public_id:subscription_id>", subscriptions.OneSubscription.as_view()),
    path("subscriptions/<public_id:subscription_id>/change", subscriptions.SubscriptionChangeView.as_view()),
    path("subscriptions/<public_id:subscription_id>/preview", subscriptions.SubscriptionPreview.as_view()),
    path("subscriptions/<public_id:subscription_id>/pause", subscriptions.SubscriptionPause.as_view()),
    path("subscriptions/<public_id:subscription_id>/resume", subscriptions.SubscriptionResume.as_view()),
    path("subscriptions/<public_id:subscription_id>/cancel", subscriptions.SubscriptionCancel.as_view()),
    path("subscriptions/<public_id:subscription_id>/coupon", subscriptions.SubscriptionCoupon.as_view()),
    path("subscriptions/<public_id:subscription_id>/uncancel", subscriptions.SubscriptionUncancel.as_view()),
    path("invoices", invoices.Invoices.as_view()),
    path("invoices/<public_id:invoice_id>", invoices.OneInvoice.as_view()),
    path("invoices/<public_id:invoice_id>/pdf", invoices.InvoicePdf.as_view()),
    path("invoices/<public_id:invoice_id>/finalise", invoices.InvoiceFinalise.as_view()),
    path("invoices/<public_id:invoice_id>/void", invoices.InvoiceVoid.as_view()),
    path("credit_notes", invoices.CreditNotes.as_view()),
    path("credit_notes/<public_id:credit_note_id>", invoices.OneCreditNote.as_view()),
    path("payments", payments.Payments.as_view()),
    path("payments/<public_id:payment_id>", payments.OnePayment.as_view()),
    path("payments/<public_id:payment_id>/cancel", payments.PaymentCancel.as_view()),
    path("card_setups", payments.CardSetups.as_view()),
    path("card_setups/<public_id:setup_id>", payments.OneCardSetup.as_view()),
    path("refunds", refunds.Refunds.as_view()),
    path("refunds/<public_id:refund_id>", refunds.OneRefund.as_view()),
    path("refunds/<public_id:refund_id>/cancel", refunds.RefundCancel.as_view()),
    path("disputes", disputes.Disputes.as_view()),
    path("disputes/<public_id:dispute_id>", disputes.OneDispute.as_view()),
    path("disputes/<public_id:dispute_id>/evidence", disputes.DisputeEvidence.as_view()),
    path("disputes/<public_id:dispute_id>/evidence/files", dispute_files.DisputeEvidenceFiles.as_view()),
    path("disputes/<public_id:dispute_id>/evidence/files/remove", dispute_files.DisputeEvidenceFileRemove.as_view()),
    path("disputes/<public_id:dispute_id>/submit", disputes.DisputeSubmit.as_view()),
    path("disputes/<public_id:dispute_id>/accept", disputes.DisputeAccept.as_view()),
]
