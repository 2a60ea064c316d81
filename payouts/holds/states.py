"""States of holds and reserve plans, with their allowed moves, and why money is released."""

from django.db import models

from backoffice.kit.states import machine


class HoldState(models.TextChoices):
    ACTIVE = "active", "active"
    RELEASED = "released", "released"
    CONSUMED = "consumed", "consumed by a refund or dispute"


class PlanState(models.TextChoices):
    ACTIVE = "active", "active"
    DISABLED = "disabled", "disabled"
    EXPIRED = "expired", "expired"


class ReleaseReason(models.TextChoices):
    """Stripe's reserve release reasons, and ours for one-off holds."""

    BULK_HOLD_EXPIRY = "bulk_hold_expiry", "its time was over"
    HOLD_RELEASED_EARLY = "hold_released_early", "released early by a person"
    HOLD_REVERSED = "hold_reversed", "the hold was reversed"
    PLAN_DISABLED = "plan_disabled", "its plan was disabled"
    CONSUMED_BY_REFUND = "consumed_by_refund", "used for a refund of the same sale"
    CONSUMED_BY_DISPUTE = "consumed_by_dispute", "used for a dispute of the same sale"
    CONDITION_MET = "condition_met", "its release condition was met"


H = HoldState
HOLD = machine(
    "hold",
    "payouts_hold",
    HoldState,
    {"": [H.ACTIVE], H.ACTIVE: [H.RELEASED, H.CONSUMED]},
    column="state",
)
P = PlanState
PLAN = machine(
    "reserve_plan",
    "payouts_reserveplan",
    PlanState,
    {"": [P.ACTIVE], P.ACTIVE: [P.DISABLED, P.EXPIRED], P.DISABLED: [P.ACTIVE]},
    column="state",
)
