"""The verbs of this room: the door for everybody else."""

from __future__ import annotations

from billing.reconciliation.breaks import (
    approve_break_correction,
    explain_break,
    refuse_break_correction,
    request_break_correction,
    take_break,
)
from billing.reconciliation.buyer_payments import import_buyer_payments
from billing.reconciliation.fetching import fetch_all, fetch_from, fetch_transactions
from billing.reconciliation.payouts import record_provider_payout
from billing.reconciliation.rulebook import adopt_rules, propose_rules, refuse_rules
from billing.reconciliation.running import ReconciliationRuns, reconcile

__all__ = [
    "ReconciliationRuns",
    "adopt_rules",
    "approve_break_correction",
    "explain_break",
    "fetch_all",
    "fetch_from",
    "fetch_transactions",
    "import_buyer_payments",
    "propose_rules",
    "reconcile",
    "record_provider_payout",
    "refuse_break_correction",
    "refuse_rules",
    "request_break_correction",
    "take_break",
]
