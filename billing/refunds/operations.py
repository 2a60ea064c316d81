"""Verbs of refunds, in one place for other rooms and wings; each stands in the module of its subject."""

from billing.refunds.applying import apply_provider_state, look_after
from billing.refunds.deciding import (
    approve_refund,
    ask_now,
    cancel_refund,
    close_failed,
    record_refund_sent,
    refuse_refund,
    release_anyway,
    set_disputed,
)
from billing.refunds.limits import approve_limit, propose_limit, refuse_limit
from billing.refunds.preparing import release_queued
from billing.refunds.requesting import ask_again, refund_claim, refundable, request_refund

__all__ = [
    "apply_provider_state",
    "approve_limit",
    "approve_refund",
    "ask_again",
    "ask_now",
    "cancel_refund",
    "close_failed",
    "look_after",
    "propose_limit",
    "record_refund_sent",
    "refund_claim",
    "refundable",
    "refuse_limit",
    "refuse_refund",
    "release_anyway",
    "release_queued",
    "request_refund",
    "set_disputed",
]
