"""States of refunds and of the limits above which two people decide."""

from django.db import models

from backoffice.kit.states import machine


class RefundStatus(models.TextChoices):
    REQUESTED = "requested", "waits for approval"
    APPROVED = "approved", "to be sent"
    PENDING = "pending", "on its way"
    REQUIRES_ACTION = "requires_action", "waits for the customer"
    UNKNOWN = "unknown", "outcome unknown"
    SUCCEEDED = "succeeded", "given back"
    FAILED = "failed", "failed"
    CANCELED = "canceled", "cancelled"


class RefundSource(models.TextChoices):
    CARD = "card", "to the card or account that paid"
    BALANCE = "balance", "to the seller's balance"


class LimitState(models.TextChoices):
    PROPOSED = "proposed", "waits for a second person"
    IN_FORCE = "in_force", "in force"
    REFUSED = "refused", "refused"
    REPLACED = "replaced", "replaced"


R = RefundStatus
REFUND = machine(
    "refund",
    "billing_refund",
    RefundStatus,
    {
        "": [R.REQUESTED],
        R.REQUESTED: [R.APPROVED, R.CANCELED],
        R.APPROVED: [R.PENDING, R.REQUIRES_ACTION, R.SUCCEEDED, R.FAILED, R.UNKNOWN, R.CANCELED],
        R.UNKNOWN: [R.PENDING, R.REQUIRES_ACTION, R.SUCCEEDED, R.FAILED],
        R.PENDING: [R.SUCCEEDED, R.FAILED, R.CANCELED, R.REQUIRES_ACTION],
        R.REQUIRES_ACTION: [R.PENDING, R.SUCCEEDED, R.FAILED, R.CANCELED],
        # the customer's bank sends it back, weeks later perhaps
        R.SUCCEEDED: [R.FAILED],
    },
)
# These count against what was captured.
LIVE_REFUNDS = [R.REQUESTED, R.APPROVED, R.PENDING, R.REQUIRES_ACTION, R.UNKNOWN, R.SUCCEEDED]

L = LimitState
LIMIT = machine(
    "refund_limit",
    "billing_refundlimit",
    LimitState,
    {"": [L.PROPOSED, L.IN_FORCE], L.PROPOSED: [L.IN_FORCE, L.REFUSED, L.REPLACED], L.IN_FORCE: [L.REPLACED]},
    column="state",
)
