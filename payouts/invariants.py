"""Index of the truths of this wing; importing it registers them."""

import payouts.compliance.invariants
import payouts.dispatch.invariants
import payouts.earnings.invariants
import payouts.holds.invariants
import payouts.ledger.invariants
import payouts.reporting.invariants
import payouts.runs.invariants
import payouts.sellers.invariants
import payouts.tradeins.invariants  # noqa: F401 - importing it registers its truths
