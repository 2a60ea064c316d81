"""One row a seller, currency and night: what they could cost us, how often they are disputed, and how far that is too much."""

from django.db import models
from django.db.models import F, Q

from backoffice.kit.ids import PublicIdField
from payouts.sellers.models import Seller


class Level(models.TextChoices):
    NONE = "", "within limits"
    WARN = "warn", "warning"
    CRITICAL = "critical", "critical"


class ExposureSnapshot(models.Model):
    """The exposure of one seller in one currency at the end of a day; appended, kept for the policy's days.

    Amounts are minor units; unsettled is pending, available and in payouts. exposure = unsettled + disputed + debt + advance − reserved, zero at least. Rates are basis points of the sales of
    the policy's window: refunds by amount, chargebacks by count; None while there are too few sales to say.
    """

    public_id = PublicIdField(prefix="exp")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, db_index=False, related_name="+")
    currency = models.CharField(max_length=3)
    on = models.DateField()
    unsettled_minor = models.BigIntegerField()
    disputed_minor = models.BigIntegerField()
    debt_minor = models.BigIntegerField()
    advance_minor = models.BigIntegerField()
    reserved_minor = models.BigIntegerField()
    exposure_minor = models.BigIntegerField()
    sales_count = models.PositiveIntegerField()
    sales_minor = models.BigIntegerField()
    refunds_minor = models.BigIntegerField()
    chargebacks_count = models.PositiveIntegerField()
    refund_basis_points = models.IntegerField(null=True)
    chargeback_basis_points = models.IntegerField(null=True)
    before_minor = models.BigIntegerField(null=True, help_text="The exposure of the policy's trend days ago.")
    level = models.CharField(max_length=8, choices=Level.choices, blank=True)
    reasons = models.JSONField(default=list)
    policy_number = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller", "currency", "on"], name="exposure_once_a_night"),
            models.CheckConstraint(condition=Q(exposure_minor__gte=0), name="exposure_not_negative"),
            models.CheckConstraint(
                condition=Q(exposure_minor=0)
                | Q(
                    exposure_minor=F("unsettled_minor")
                    + F("disputed_minor")
                    + F("debt_minor")
                    + F("advance_minor")
                    - F("reserved_minor")
                ),
                name="exposure_adds_up",
            ),
        ]
        indexes = [
            models.Index(fields=["on", "currency", "-exposure_minor"], name="exposure_of_night"),
            models.Index(fields=["on", "level"], name="exposure_level", condition=~Q(level="")),
        ]

    def __str__(self) -> str:
        return f"exposure of {self.seller_id} in {self.currency} on {self.on}"


class ExposureNight(models.Model):
    """The sums of one night in one currency over all sellers, written with the snapshots: a chart of two months reads sixty rows, not six million."""

    on = models.DateField()
    currency = models.CharField(max_length=3)
    sellers = models.PositiveIntegerField()
    exposure_minor = models.BigIntegerField()
    unsettled_minor = models.BigIntegerField()
    disputed_minor = models.BigIntegerField()
    debt_minor = models.BigIntegerField()
    advance_minor = models.BigIntegerField()
    reserved_minor = models.BigIntegerField()
    warn = models.PositiveIntegerField()
    critical = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["currency", "on"], name="exposure_night_once")]

    def __str__(self) -> str:
        return f"exposure in {self.currency} on {self.on}"
