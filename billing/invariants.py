"""Index of the truths of this wing; importing it registers them."""

from billing.reconciliation import invariants as reconciliation  # noqa: F401
