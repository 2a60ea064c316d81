"""Verbs of payments, in one place for other rooms and wings; each stands in the module of its subject."""

from billing.payments.applying import apply_provider_state, lock_payment
from billing.payments.deciding import (
    ask_now,
    cancel_payment,
    confirm_absence,
    record_transfer,
    refuse_absence,
    request_absence,
    resolve_unknown,
)
from billing.payments.engine import work
from billing.payments.handlers import apply_setup_state
from billing.payments.requesting import charge, request_payment, request_setup, retry_payment, send_setup, setup_card
from billing.payments.sweeping import look_after

__all__ = [
    "apply_provider_state",
    "apply_setup_state",
    "ask_now",
    "cancel_payment",
    "charge",
    "confirm_absence",
    "lock_payment",
    "look_after",
    "record_transfer",
    "refuse_absence",
    "request_absence",
    "request_payment",
    "request_setup",
    "resolve_unknown",
    "retry_payment",
    "send_setup",
    "setup_card",
    "work",
]
