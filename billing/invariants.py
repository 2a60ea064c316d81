"""Index of the truths of this wing; importing it registers them."""

import billing.collection.invariants
import billing.subscriptions.invariants  # noqa: F401 - importing it registers its truths
