"""States of what is collected, of each attempt, and of dunning policies."""

from django.db import models

from backoffice.kit.states import machine


class CollectionState(models.TextChoices):
    OPEN = "open", "being collected"
    EXHAUSTED = "exhausted", "every planned attempt failed"
    SETTLED = "settled", "settled"
    STOPPED = "stopped", "stopped"


class AttemptState(models.TextChoices):
    PLANNED = "planned", "planned"
    RUNNING = "running", "running"
    NEEDS_ACTION = "needs_action", "waits for the customer"
    PENDING = "pending", "waits for the provider"
    UNKNOWN = "unknown", "unknown"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    CLOSED = "closed", "closed, not made"


class PolicyState(models.TextChoices):
    IN_FORCE = "in_force", "in force"
    REPLACED = "replaced", "replaced"


class Trigger(models.TextChoices):
    """Why an attempt is made. A purchase and a new period get one; dunning and customers have budgets; staff, a new card and luck use none up."""

    PURCHASE = "purchase", "a purchase"
    CYCLE = "cycle", "a new period"
    DUNNING = "dunning", "dunning"
    BALANCE = "balance", "the seller earned"
    METHOD = "method_update", "a new card"
    CUSTOMER = "customer", "the customer asked"
    STAFF = "staff", "staff asked"


# Money may be on its way: a second attempt would perhaps charge twice.
ON_THE_WAY = (AttemptState.RUNNING, AttemptState.NEEDS_ACTION, AttemptState.PENDING, AttemptState.UNKNOWN)

C = CollectionState
COLLECTION = machine(
    "collection",
    "billing_collection",
    CollectionState,
    {
        "": [C.OPEN],
        C.OPEN: [C.EXHAUSTED, C.SETTLED, C.STOPPED],
        C.EXHAUSTED: [C.SETTLED, C.STOPPED, C.OPEN],
        C.STOPPED: [C.OPEN, C.SETTLED],
    },
)
A = AttemptState
_ANSWERS = [A.NEEDS_ACTION, A.PENDING, A.UNKNOWN, A.SUCCEEDED, A.FAILED]
ATTEMPT = machine(
    "collection_attempt",
    "billing_collectionattempt",
    AttemptState,
    {
        "": [A.PLANNED],
        A.PLANNED: [A.RUNNING, A.CLOSED],
        A.RUNNING: _ANSWERS,
        A.NEEDS_ACTION: [A.PENDING, A.UNKNOWN, A.SUCCEEDED, A.FAILED],
        A.PENDING: [A.NEEDS_ACTION, A.UNKNOWN, A.SUCCEEDED, A.FAILED],
        A.UNKNOWN: [A.NEEDS_ACTION, A.PENDING, A.SUCCEEDED, A.FAILED],
    },
)
P = PolicyState
POLICY = machine("dunning_policy", "billing_dunningpolicy", PolicyState, {"": [P.IN_FORCE], P.IN_FORCE: [P.REPLACED]})
