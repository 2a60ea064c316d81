"""Index of the truths of this wing; importing it registers them."""

from billing.invoices import invariants as invoices  # noqa: F401
