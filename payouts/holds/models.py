"""Holds and reserve plans."""

from django.db import models

from backoffice.kit.ids import PublicIdField
from payouts.earnings.models import Earning
from payouts.holds.states import HoldState, PlanState, ReleaseReason
from payouts.sellers.models import Seller


class PlanKind(models.TextChoices):
    ROLLING = "rolling", "rolling: each sale's share for some days"
    FIXED = "fixed", "fixed: everything until one date"


class HoldKind(models.TextChoices):
    MANUAL = "manual", "one-off hold"
    RESERVE = "reserve", "reserve"
    PAUSE = "pause", "pause of all payouts"


class ReservePlan(models.Model):
    """Keep a share of what becomes available: a percentage for some days (rolling) or until a date (fixed), up to a cap."""

    public_id = PublicIdField(prefix="rsv")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="reserve_plans")
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=10, choices=PlanKind.choices)
    basis_points = models.PositiveIntegerField()
    days = models.PositiveSmallIntegerField(default=0, help_text="Rolling: days from availability, 180 at most.")
    release_on = models.DateField(null=True, blank=True, help_text="Fixed: the day everything is released.")
    cap_minor = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=PlanState.choices, default=PlanState.ACTIVE)
    reason = models.TextField()
    seller_text = models.TextField()
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(basis_points__gt=0, basis_points__lte=10_000), name="plan_share"),
            models.CheckConstraint(condition=models.Q(days__lte=180), name="plan_days_max"),
            models.UniqueConstraint(
                fields=["seller", "currency", "kind"], condition=models.Q(state="active"), name="one_active_plan"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.basis_points / 100:g} %"


class Hold(models.Model):
    """Money (or, as a pause, all payouts) held back, with owner, reason, review date, text for the seller and how it ends.

    `amount_minor` is what was set aside, `remaining_minor` what still is (0 for a pause). Several holds stack.
    """

    public_id = PublicIdField(prefix="hld")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="holds")
    currency = models.CharField(max_length=3, blank=True)
    kind = models.CharField(max_length=10, choices=HoldKind.choices)
    plan = models.ForeignKey(ReservePlan, null=True, on_delete=models.PROTECT, related_name="holds")
    earning = models.ForeignKey(Earning, null=True, on_delete=models.PROTECT, related_name="holds")
    amount_minor = models.BigIntegerField(default=0)
    remaining_minor = models.BigIntegerField(default=0)
    owner = models.CharField(max_length=80)
    code = models.CharField(max_length=40)
    reason = models.TextField()
    seller_text = models.TextField()
    release_condition = models.CharField(max_length=200, blank=True)
    review_on = models.DateField(null=True, blank=True)
    release_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=HoldState.choices, default=HoldState.ACTIVE)
    release_reason = models.CharField(max_length=24, choices=ReleaseReason.choices, blank=True)
    changed_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(remaining_minor__gte=0, remaining_minor__lte=models.F("amount_minor")),
                name="hold_remaining",
            ),
            models.CheckConstraint(condition=models.Q(state="active") | models.Q(remaining_minor=0), name="hold_ended_is_empty"),
        ]
        indexes = [
            models.Index(fields=["seller", "currency"], name="hold_live", condition=models.Q(state="active")),
            models.Index(fields=["release_at"], name="hold_due", condition=models.Q(state="active")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.public_id}"
