"""Dunning policies, what is being collected, each attempt, and brakes."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from backoffice.kit.ids import PublicIdField
from billing.collection.states import ON_THE_WAY, AttemptState, CollectionState, PolicyState, Trigger
from billing.customers.models import Customer
from billing.plans.models import CollectionPolicy


class FinalAction(models.TextChoices):
    CANCEL = "cancel", "cancel the subscription"
    UNPAID = "unpaid", "leave it unpaid"
    STAY = "stay", "leave it past due"


class DunningPolicy(models.Model):
    """One version of when to try again and what follows in the end. Versions are never changed; what runs keeps the version it began with."""

    public_id = PublicIdField(prefix="dun")
    code = models.CharField(max_length=40, db_collation="C")
    version = models.PositiveIntegerField()
    days_between = ArrayField(
        models.PositiveSmallIntegerField(), help_text="Days from one attempt to the next, from the first failure on."
    )
    hard_declines = ArrayField(
        models.CharField(max_length=60), help_text="Decline codes after which the same card is not tried again."
    )
    budgets = models.JSONField(help_text="Attempts on one invoice by trigger: dunning, customer.")
    final_action = models.CharField(max_length=10, choices=FinalAction.choices)
    status = models.CharField(max_length=10, choices=PolicyState.choices, default=PolicyState.IN_FORCE)
    reason = models.TextField()
    made_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "dunning policies"
        constraints = [
            models.UniqueConstraint(fields=["code", "version"], name="dunning_version_once"),
            models.UniqueConstraint(fields=["code"], condition=models.Q(status="in_force"), name="one_dunning_in_force"),
        ]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"


class Collection(models.Model):
    """One invoice on its way to be paid. `invoice` and `origin` are public ids: the invoice, and what it is for (a subscription)."""

    public_id = PublicIdField(prefix="col")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="collections")
    invoice = models.CharField(max_length=40, unique=True, db_collation="C")
    origin = models.CharField(max_length=40, blank=True, db_collation="C")
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField(help_text="What was due when collecting began.")
    collected_minor = models.BigIntegerField(default=0)
    method = models.CharField(max_length=20, choices=CollectionPolicy.choices)
    trigger = models.CharField(max_length=14, choices=Trigger.choices)
    policy = models.ForeignKey(DunningPolicy, on_delete=models.PROTECT, related_name="collections")
    card_stopped = models.BooleanField(default=False, help_text="The card was declined for good; only another one is tried.")
    status = models.CharField(max_length=10, choices=CollectionState.choices, default=CollectionState.OPEN)
    opened_at = models.DateTimeField()
    failed_at = models.DateTimeField(null=True, help_text="When the first attempt failed; dunning counts from it.")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="collection_amount"),
            models.CheckConstraint(
                condition=models.Q(collected_minor__gte=0, collected_minor__lte=models.F("amount_minor")), name="collection_part"
            ),
        ]
        indexes = [
            models.Index(fields=["origin", "id"], name="collection_origin"),
            models.Index(
                fields=["customer", "id"], name="collection_customer", condition=models.Q(status__in=["open", "exhausted"])
            ),
            models.Index(fields=["status", "-id"], name="collection_status"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def due_minor(self) -> int:
        return self.amount_minor - self.collected_minor


class CollectionAttempt(models.Model):
    """One try, planned before it is made: when, why, and what came of it. Never counted from payments: these rows are the count."""

    public_id = PublicIdField(prefix="cat")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    trigger = models.CharField(max_length=14, choices=Trigger.choices)
    planned_at = models.DateTimeField()
    status = models.CharField(max_length=14, choices=AttemptState.choices, default=AttemptState.PLANNED)
    balance_minor = models.BigIntegerField(default=0)
    card_minor = models.BigIntegerField(default=0)
    payment = models.CharField(max_length=40, blank=True, db_collation="C")
    code = models.CharField(max_length=60, blank=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "number"], name="collection_attempt_number_once"),
            # What may be charged already must be known before anything else is tried.
            models.UniqueConstraint(
                fields=["collection"],
                condition=models.Q(status__in=[str(state) for state in ON_THE_WAY]),
                name="one_attempt_on_the_way",
            ),
        ]
        indexes = [
            models.Index(fields=["planned_at", "id"], name="collection_attempt_due", condition=models.Q(status="planned")),
            models.Index(fields=["started_at"], name="attempt_running", condition=models.Q(status="running")),
            models.Index(fields=["payment"], name="attempt_payment", condition=~models.Q(payment="")),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"


class BrakeScope(models.TextChoices):
    INVOICING = "invoicing", "no new invoices"
    COLLECTING = "collecting", "no attempts"
    ALL = "all", "neither invoices nor attempts"


class BillingBrake(models.Model):
    """A kill switch, for one customer or (without one) for all. What is due waits and is done when it is lifted."""

    public_id = PublicIdField(prefix="bbr")
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="brakes")
    scope = models.CharField(max_length=10, choices=BrakeScope.choices)
    reason = models.TextField()
    placed_by = models.CharField(max_length=80)
    placed_at = models.DateTimeField()
    lifted_by = models.CharField(max_length=80, blank=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "scope"],
                condition=models.Q(lifted_at__isnull=True),
                nulls_distinct=False,
                name="one_brake_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()}: {self.customer or 'everybody'}"
