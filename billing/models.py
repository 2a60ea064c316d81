"""Index of the models of this wing; each stands in its room, all keep the label `billing`."""

from billing.customers.models import Customer  # noqa: F401
from billing.invoices.models import (  # noqa: F401
    Application,
    CreditNote,
    CreditNoteLine,
    CreditNoteTax,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceTax,
    LegalEntity,
    NumberSeries,
    TaxRate,
)
