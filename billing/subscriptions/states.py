"""States of subscriptions (billing.md 3.1), of changes that wait, and of the renewal batch. Flags stand apart from them, on the row."""

from django.db import models

from backoffice.kit.states import machine


class SubscriptionStatus(models.TextChoices):
    SCHEDULED = "scheduled", "scheduled"
    INCOMPLETE = "incomplete", "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired", "never begun"
    TRIALING = "trialing", "on trial"
    ACTIVE = "active", "active"
    PAST_DUE = "past_due", "past due"
    UNPAID = "unpaid", "unpaid"
    PAUSED = "paused", "paused"
    CANCELED = "canceled", "cancelled"


class ChangeState(models.TextChoices):
    AWAITING_PAYMENT = "awaiting_payment", "waits for its payment"
    AT_PERIOD_END = "at_period_end", "at the end of the period"
    APPLIED = "applied", "applied"
    DROPPED = "dropped", "dropped"


class BatchState(models.TextChoices):
    RUNNING = "running", "running"
    DONE = "done", "done"
    STOPPED = "stopped", "stopped"


class ItemState(models.TextChoices):
    OPEN = "open", "open"
    DONE = "done", "done"
    PARKED = "parked", "parked"
    DISMISSED = "dismissed", "dismissed"


class AdvanceState(models.TextChoices):
    REQUESTED = "requested", "requested"
    DONE = "done", "done"
    FAILED = "failed", "failed"


S = SubscriptionStatus
SUBSCRIPTION = machine(
    "subscription",
    "billing_subscription",
    SubscriptionStatus,
    {
        "": [S.SCHEDULED, S.TRIALING, S.INCOMPLETE, S.ACTIVE],
        S.SCHEDULED: [S.TRIALING, S.INCOMPLETE, S.ACTIVE, S.CANCELED],
        S.INCOMPLETE: [S.ACTIVE, S.INCOMPLETE_EXPIRED, S.CANCELED],
        S.TRIALING: [S.ACTIVE, S.PAST_DUE, S.PAUSED, S.CANCELED],
        S.ACTIVE: [S.PAST_DUE, S.PAUSED, S.CANCELED],
        S.PAST_DUE: [S.ACTIVE, S.UNPAID, S.CANCELED],
        S.UNPAID: [S.ACTIVE, S.CANCELED],
        S.PAUSED: [S.ACTIVE, S.CANCELED],
    },
)
ENDED = (S.CANCELED, S.INCOMPLETE_EXPIRED)
RENEWING = (S.TRIALING, S.ACTIVE, S.PAST_DUE)
C = ChangeState
CHANGE = machine(
    "subscription_change",
    "billing_subscriptionchange",
    ChangeState,
    {
        "": [C.AWAITING_PAYMENT, C.AT_PERIOD_END, C.APPLIED],
        C.AWAITING_PAYMENT: [C.APPLIED, C.DROPPED],
        C.AT_PERIOD_END: [C.APPLIED, C.DROPPED],
    },
)
B = BatchState
BATCH = machine(
    "renewal_batch", "billing_renewalbatch", BatchState, {"": [B.RUNNING], B.RUNNING: [B.DONE, B.STOPPED], B.STOPPED: [B.RUNNING]}
)
I = ItemState  # noqa: E741
ITEM = machine(
    "renewal_item",
    "billing_renewalitem",
    ItemState,
    {"": [I.OPEN], I.OPEN: [I.DONE, I.PARKED, I.DISMISSED], I.PARKED: [I.OPEN, I.DISMISSED]},
)
A = AdvanceState
ADVANCE = machine("clock_advance", "billing_clockadvance", AdvanceState, {"": [A.REQUESTED], A.REQUESTED: [A.DONE, A.FAILED]})
