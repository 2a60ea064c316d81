"""Index of the truths of this wing; importing it registers them."""

import billing.disputes.invariants
import billing.payments.invariants
import billing.refunds.invariants
import billing.webhooks.invariants  # noqa: F401
from billing.invoices import invariants as invoices  # noqa: F401
import billing.collection.invariants
import billing.subscriptions.invariants  # noqa: F401 - importing it registers its truths
from billing.reconciliation import invariants as reconciliation  # noqa: F401
