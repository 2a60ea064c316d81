"""States of an invoice and its allowed moves. Overdue, disputed and partly paid are no states: dates and amounts say them."""

from django.db import models

from backoffice.kit.states import machine


class InvoiceStatus(models.TextChoices):
    DRAFT = "draft", "draft"
    FINALIZING_FAILED = "finalizing_failed", "could not be finalised"
    OPEN = "open", "open"
    PAID = "paid", "paid"
    UNCOLLECTIBLE = "uncollectible", "written off"
    VOID = "void", "void"


I = InvoiceStatus  # noqa: E741 - one letter, as in the other rooms
INVOICE = machine(
    "invoice",
    "billing_invoice",
    InvoiceStatus,
    {
        "": [I.DRAFT],
        I.DRAFT: [I.OPEN, I.FINALIZING_FAILED, I.VOID],
        I.FINALIZING_FAILED: [I.DRAFT, I.OPEN, I.FINALIZING_FAILED, I.VOID],
        I.OPEN: [I.PAID, I.VOID, I.UNCOLLECTIBLE],
        # money that comes after all: the write-off is taken back, and the invoice is open again
        I.UNCOLLECTIBLE: [I.OPEN],
    },
)
NUMBERED = (I.OPEN, I.PAID, I.UNCOLLECTIBLE)
NOT_YET = (I.DRAFT, I.FINALIZING_FAILED)
