"""Index of the truths of this wing; importing it registers them."""

import billing.collection.invariants
import billing.disputes.invariants
import billing.invoices.invariants
import billing.payments.invariants
import billing.reconciliation.invariants
import billing.refunds.invariants
import billing.subscriptions.invariants
import billing.webhooks.invariants  # noqa: F401
