"""Verbs of invoices, by name; each stands in the module of its subject."""

from billing.invoices.crediting import CreditLine, issue_credit_note
from billing.invoices.documents import credit_note_document, invoice_document
from billing.invoices.drafting import InvoiceDraft, LineDraft, draft_invoice, draft_many
from billing.invoices.finalising import FinaliseReport, finalise_invoice, finalise_many
from billing.invoices.giving_up import (
    approve_uncollectible,
    mark_uncollectible,
    refuse_uncollectible,
    reopen_uncollectible,
    void_invoice,
)
from billing.invoices.reference import change_entity, create_entity, set_tax_rate
from billing.invoices.reminding import tell_overdue
from billing.invoices.settling import apply_payment, collect_from_balance, lock_receivable, unapply

__all__ = [
    "CreditLine",
    "FinaliseReport",
    "InvoiceDraft",
    "LineDraft",
    "apply_payment",
    "approve_uncollectible",
    "change_entity",
    "collect_from_balance",
    "create_entity",
    "credit_note_document",
    "draft_invoice",
    "draft_many",
    "finalise_invoice",
    "finalise_many",
    "invoice_document",
    "issue_credit_note",
    "lock_receivable",
    "mark_uncollectible",
    "refuse_uncollectible",
    "reopen_uncollectible",
    "set_tax_rate",
    "tell_overdue",
    "unapply",
    "void_invoice",
]
