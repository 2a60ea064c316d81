"""Plans, their prices, coupons."""

from django.db import models

from backoffice.kit.ids import PublicIdField
from billing.plans.periods import Interval
from billing.plans.rating import Component, components_of
from billing.plans.states import Offer


class CollectionPolicy(models.TextChoices):
    BALANCE_THEN_CARD = "balance_then_card", "from the balance, the rest by card"
    BALANCE_ONLY = "balance_only", "from the balance only"
    CARD_ONLY = "card_only", "by card only"
    CARD_THEN_BALANCE = "card_then_balance", "by card, from the balance where it fails"


class Duration(models.TextChoices):
    ONCE = "once", "one invoice"
    REPEATING = "repeating", "some invoices"
    FOREVER = "forever", "every invoice"


class Plan(models.Model):
    """A product one subscribes to: what it is called, how it is taxed, how its money is collected."""

    public_id = PublicIdField(prefix="pln")
    code = models.CharField(max_length=40, unique=True, db_collation="C")
    name = models.CharField(max_length=80)
    description = models.TextField(blank=True)
    tax_code = models.CharField(max_length=40, default="standard")
    collection = models.CharField(max_length=20, choices=CollectionPolicy.choices, default=CollectionPolicy.BALANCE_THEN_CARD)
    dunning = models.CharField(
        max_length=40, default="standard", help_text="The dunning policy's code; its version in force counts."
    )
    due_days = models.PositiveSmallIntegerField(default=0, help_text="Days from the invoice until it is due.")
    status = models.CharField(max_length=10, choices=Offer.choices, default=Offer.OFFERED)
    made_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Price(models.Model):
    """One version of what a plan costs in one currency and rhythm. Never changed: another price is another row, and nobody moves by himself."""

    public_id = PublicIdField(prefix="prc")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="prices")
    version = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    interval = models.CharField(max_length=5, choices=Interval.choices)
    interval_count = models.PositiveSmallIntegerField(default=1)
    components = models.JSONField(help_text="As billing/plans/rating.py checks them.")
    status = models.CharField(max_length=10, choices=Offer.choices, default=Offer.OFFERED)
    made_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "currency", "interval", "interval_count", "version"], name="price_version_once"
            ),
            models.UniqueConstraint(
                fields=["plan", "currency", "interval", "interval_count"],
                condition=models.Q(status="offered"),
                name="one_price_offered",
            ),
            models.CheckConstraint(
                condition=models.Q(interval_count__gte=1, interval_count__lte=24), name="price_interval_count"
            ),
        ]

    def __str__(self) -> str:
        every = f"a {self.interval}" if self.interval_count == 1 else f"every {self.interval_count} {self.interval}s"
        return f"{self.plan.name}, {self.currency} {every}, v{self.version}"

    @property
    def parts(self) -> tuple[Component, ...]:
        return components_of(self.components)


class Coupon(models.Model):
    """A discount with a code: percent or amount, for some invoices, for so many customers, until a day."""

    public_id = PublicIdField(prefix="cpn")
    code = models.CharField(max_length=40, unique=True, db_collation="C")
    basis_points = models.PositiveIntegerField(default=0, help_text="Percent off, in hundredths; 0 for an amount.")
    amount_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, blank=True)
    duration = models.CharField(max_length=10, choices=Duration.choices)
    invoices = models.PositiveSmallIntegerField(default=1, help_text="Repeating: on how many invoices.")
    plan = models.ForeignKey(Plan, null=True, blank=True, on_delete=models.PROTECT, related_name="coupons")
    redemptions_max = models.PositiveIntegerField(null=True, blank=True)
    redemptions = models.PositiveIntegerField(default=0)
    redeem_by = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Offer.choices, default=Offer.OFFERED)
    made_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(basis_points__gt=0, basis_points__lte=10_000, amount_minor=0, currency="")
                | (models.Q(basis_points=0, amount_minor__gt=0) & ~models.Q(currency="")),
                name="coupon_percent_or_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(redemptions_max__isnull=True) | models.Q(redemptions__lte=models.F("redemptions_max")),
                name="coupon_within_limit",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def off_minor(self, total_minor: int) -> int:
        """Return what it takes off a total, never more than all of it."""
        if self.basis_points:
            return (max(0, total_minor) * self.basis_points + 5_000) // 10_000
        return max(0, min(self.amount_minor, total_minor))
