"""Payments, card set-ups, and the attempts behind every call to a gateway."""

from django.db import models
from django.db.models import F, Q

from backoffice.kit.ids import PublicIdField
from billing.customers.models import Customer
from billing.gateways.port import Outcome
from billing.payments.states import AttemptStatus, PaymentStatus, SetupStatus
from payouts.sellers.models import Seller


class Payment(models.Model):
    """One amount to be taken from one customer for one purpose. `captured_minor` is what was taken, `surplus_minor` what of it nobody owed."""

    public_id = PublicIdField(prefix="pmt")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="payments")
    seller = models.ForeignKey(
        Seller, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="Whose sale a purchase pays for."
    )
    purpose = models.CharField(
        max_length=120, blank=True, db_collation="C", help_text="An invoice's id, or the order's reference."
    )
    gateway = models.CharField(max_length=20)
    method_ref = models.CharField(max_length=120, blank=True)
    amount_minor = models.BigIntegerField()
    captured_minor = models.BigIntegerField(default=0)
    surplus_minor = models.BigIntegerField(default=0)
    disputed_minor = models.BigIntegerField(default=0, help_text="In disputes that are open or lost; not to be refunded.")
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=200, blank=True)
    off_session = models.BooleanField(default=False)
    return_url = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=24, choices=PaymentStatus.choices, default=PaymentStatus.CREATED)
    decline_code = models.CharField(max_length=100, blank=True)
    retryable = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    action_url = models.CharField(max_length=1000, blank=True)
    provider_ref = models.CharField(max_length=120, blank=True, db_collation="C")
    charge_ref = models.CharField(max_length=120, blank=True, db_collation="C")
    next_look_at = models.DateTimeField(null=True, help_text="When the gateway is asked again; empty: never.")
    looks = models.PositiveSmallIntegerField(default=0)
    made_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payment_positive"),
            models.CheckConstraint(
                condition=Q(captured_minor__gte=0, surplus_minor__gte=0, disputed_minor__gte=0)
                & Q(surplus_minor__lte=F("captured_minor"))
                & Q(disputed_minor__lte=F("captured_minor")),
                name="payment_parts",
            ),
            models.CheckConstraint(condition=Q(captured_minor__gt=0) | ~Q(status="succeeded"), name="payment_captured_when_paid"),
            models.UniqueConstraint(fields=["gateway", "provider_ref"], condition=~Q(provider_ref=""), name="payment_ref_once"),
            models.UniqueConstraint(
                fields=["customer", "purpose"],
                condition=~Q(purpose="")
                & Q(
                    status__in=[
                        "created",
                        "unknown",
                        "requires_confirmation",
                        "requires_action",
                        "processing",
                        "requires_capture",
                    ]
                ),
                name="one_open_payment",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "id"], name="payment_status"),
            models.Index(fields=["purpose", "id"], name="payment_purpose"),
            models.Index(fields=["next_look_at"], name="payment_to_ask", condition=Q(next_look_at__isnull=False)),
            models.Index(fields=["created_at"], name="payment_unknown", condition=Q(status="unknown")),
            models.Index(fields=["gateway", "charge_ref"], name="payment_charge", condition=~Q(charge_ref="")),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.public_id


class CardSetup(models.Model):
    """One invitation to put a card on file, on the gateway's own page."""

    public_id = PublicIdField(prefix="cst")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="card_setups")
    gateway = models.CharField(max_length=20)
    return_url = models.CharField(max_length=500)
    status = models.CharField(max_length=24, choices=SetupStatus.choices, default=SetupStatus.CREATED)
    reason = models.TextField(blank=True)
    action_url = models.CharField(max_length=1000, blank=True)
    provider_ref = models.CharField(max_length=120, blank=True, db_collation="C")
    next_look_at = models.DateTimeField(null=True)
    made_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["next_look_at"], name="setup_to_ask", condition=Q(next_look_at__isnull=False))]

    def __str__(self) -> str:
        return self.public_id


class Attempt(models.Model):
    """One call of a gateway, on record before it is made: what is asked, under which key, and what is known of the outcome.

    `target` is the public id of the payment, refund or other subject; at most one attempt of a kind is open for it. Leases are by the database clock.
    """

    public_id = PublicIdField(prefix="gat")
    kind = models.CharField(max_length=12)
    target = models.CharField(max_length=40, db_collation="C")
    target_id = models.BigIntegerField()
    number = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=120, unique=True, db_collation="C")
    gateway = models.CharField(max_length=20)
    request = models.JSONField(default=dict, help_text="What is asked; no personal data.")
    request_hash = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=AttemptStatus.choices, default=AttemptStatus.READY)
    outcome = models.CharField(max_length=12, blank=True, choices=[(one.value, one.value.replace("_", " ")) for one in Outcome])
    code = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True)
    provider_ref = models.CharField(max_length=120, blank=True, db_collation="C")
    claim = models.UUIDField(null=True)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(null=True, help_text="By the database clock; empty: nothing to do.")
    tries = models.PositiveSmallIntegerField(default=0)
    called = models.BooleanField(default=False, help_text="A call may have left us: ask before any other.")
    first_called_at = models.DateTimeField(null=True)
    last_called_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "target", "number"], name="attempt_number_once"),
            models.UniqueConstraint(
                fields=["kind", "target"], condition=Q(status__in=["ready", "calling", "unknown"]), name="one_open_attempt"
            ),
            models.CheckConstraint(condition=Q(status="answered") | Q(outcome=""), name="attempt_outcome_when_answered"),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="attempt_due",
                condition=Q(status__in=["ready", "calling", "unknown"], next_try_at__isnull=False),
            ),
            models.Index(fields=["created_at"], name="attempt_unknown", condition=Q(status="unknown")),
            models.Index(fields=["target", "id"], name="attempt_target"),
        ]

    def __str__(self) -> str:
        return self.key
