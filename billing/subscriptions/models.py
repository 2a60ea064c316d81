"""Subscriptions, what waits on them, and the renewal batch."""

from django.db import models
from django.db.models import F, Q

from backoffice.kit.ids import PublicIdField
from billing.customers.models import Customer
from billing.plans.models import CollectionPolicy, Coupon, Price
from billing.plans.periods import Anchor
from billing.subscriptions.states import AdvanceState, BatchState, ChangeState, ItemState, SubscriptionStatus


class TrialEnd(models.TextChoices):
    BILL = "bill", "bill as usual"
    PAUSE = "pause", "pause where nothing could pay"
    CANCEL = "cancel", "cancel where nothing could pay"


class Proration(models.TextChoices):
    INVOICE_NOW = "invoice_now", "invoice the difference now"
    NEXT_INVOICE = "next_invoice", "put the difference on the next invoice"
    NONE = "none", "no difference; the new price from the next period on"
    RESET = "reset", "begin a full new period now"


class Subscription(models.Model):
    """A customer on a price. [current_period_start, current_period_end) is what is invoiced; `next_at` is when the next thing is due, None for never."""

    public_id = PublicIdField(prefix="sub")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+")
    seats = models.PositiveIntegerField(default=1)
    method = models.CharField(max_length=20, choices=CollectionPolicy.choices)
    status = models.CharField(max_length=20, choices=SubscriptionStatus.choices)
    anchor = models.CharField(max_length=12, choices=Anchor.choices)
    anchor_at = models.DateTimeField()
    start_at = models.DateTimeField()
    trial_days = models.PositiveSmallIntegerField(default=0)
    trial_end = models.CharField(max_length=8, choices=TrialEnd.choices, default=TrialEnd.BILL)
    current_period_start = models.DateTimeField()
    current_period_end = models.DateTimeField()
    usage_since = models.DateTimeField(help_text="What was sold from here on is not invoiced yet.")
    last_minor = models.BigIntegerField(default=0, help_text="What the last full period came to before tax.")
    latest_invoice = models.CharField(max_length=40, blank=True, db_collation="C")
    cancel_at_period_end = models.BooleanField(default=False)
    cancel_at = models.DateTimeField(null=True, blank=True)
    pause_at_period_end = models.BooleanField(default=False)
    resumes_at = models.DateTimeField(null=True, blank=True)
    collection_paused = models.BooleanField(default=False, help_text="Invoices are made, nobody collects them.")
    paused_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="Why it was paused or cancelled.")
    next_at = models.DateTimeField(null=True, blank=True)
    made_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(current_period_end__gt=F("current_period_start")), name="subscription_period"),
            models.CheckConstraint(condition=Q(seats__gte=1, seats__lte=1_000_000), name="subscription_seats"),
            models.CheckConstraint(
                condition=Q(status__in=["canceled", "incomplete_expired"], next_at__isnull=True, ended_at__isnull=False)
                | (~Q(status__in=["canceled", "incomplete_expired"]) & Q(ended_at__isnull=True)),
                name="subscription_ended_is_quiet",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at", "id"], name="subscription_due", condition=Q(next_at__isnull=False)),
            models.Index(fields=["status", "-id"], name="subscription_status"),
        ]

    def __str__(self) -> str:
        return self.public_id


class SubscriptionChange(models.Model):
    """A change of price or seats: applied at once, waiting for its payment, or for the end of the period. One waits at a time."""

    public_id = PublicIdField(prefix="sch")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="changes")
    from_price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+")
    from_seats = models.PositiveIntegerField()
    to_price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+")
    to_seats = models.PositiveIntegerField()
    proration = models.CharField(max_length=12, choices=Proration.choices)
    status = models.CharField(max_length=18, choices=ChangeState.choices)
    invoice = models.CharField(max_length=40, blank=True, db_collation="C")
    expires_at = models.DateTimeField(null=True)
    made_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"], condition=Q(status__in=["awaiting_payment", "at_period_end"]), name="one_change_waits"
            ),
        ]
        indexes = [models.Index(fields=["invoice"], name="change_invoice", condition=~Q(invoice=""))]

    def __str__(self) -> str:
        return self.public_id


class Redemption(models.Model):
    """That a subscription has a coupon: on how many more invoices (None: on all)."""

    public_id = PublicIdField(prefix="rdm")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="redemptions")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="given")
    invoices_left = models.PositiveSmallIntegerField(null=True)
    redeemed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["coupon", "customer"], name="coupon_once_a_customer")]
        indexes = [models.Index(fields=["subscription"], name="redemption_live", condition=~Q(invoices_left=0))]

    def __str__(self) -> str:
        return self.public_id


class PendingLine(models.Model):
    """A line that waits for the subscription's next invoice; `invoice` says on which it stands. Amounts signed, before tax."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="pending_lines")
    description = models.CharField(max_length=250)
    quantity = models.BigIntegerField(default=1)
    unit_amount_minor = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    created_at = models.DateTimeField()
    invoice = models.CharField(max_length=40, blank=True, db_collation="C")
    invoiced_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["subscription"], name="line_waits", condition=Q(invoiced_at__isnull=True))]

    def __str__(self) -> str:
        return self.description


class RenewalBatch(models.Model):
    """One walk over what was due at an instant. It may stop anywhere and go on: its items are the work."""

    public_id = PublicIdField(prefix="rnb")
    due_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=BatchState.choices, default=BatchState.RUNNING)
    items = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    parked = models.PositiveIntegerField(default=0)
    totals = models.JSONField(default=dict, help_text="Invoiced minor units before tax, by currency.")
    made_by = models.CharField(max_length=80)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "renewal batches"

    def __str__(self) -> str:
        return self.public_id


class RenewalItem(models.Model):
    """One boundary of one subscription: (subscription, boundary) exists once, whatever batch finds it, so no period is invoiced twice."""

    public_id = PublicIdField(prefix="rni")
    batch = models.ForeignKey(RenewalBatch, on_delete=models.PROTECT, related_name="work", db_index=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="renewals", db_index=False)
    period_start = models.DateTimeField(help_text="The boundary: where the next period begins.")
    status = models.CharField(max_length=10, choices=ItemState.choices, default=ItemState.OPEN)
    what = models.CharField(max_length=12, blank=True, help_text="renewed, canceled, paused: what the boundary came to.")
    currency = models.CharField(max_length=3, blank=True)
    amount_minor = models.BigIntegerField(default=0)
    previous_minor = models.BigIntegerField(default=0)
    invoice = models.CharField(max_length=40, blank=True, db_collation="C")
    code = models.CharField(max_length=60, blank=True)
    detail = models.TextField(blank=True)
    accepted_by = models.CharField(max_length=80, blank=True, help_text="Who looked at it and let it pass the bounds.")
    worked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscription", "period_start"], name="period_once")]
        indexes = [
            models.Index(fields=["batch", "id"], name="item_open", condition=Q(status="open")),
            models.Index(fields=["batch", "-id"], name="item_of_batch"),
            models.Index(fields=["created_at"], name="item_parked", condition=Q(status="parked")),
        ]

    def __str__(self) -> str:
        return self.public_id


class ClockAdvance(models.Model):
    """A wish to move a customer's test clock; the worker walks it, boundary by boundary."""

    public_id = PublicIdField(prefix="clk")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="advances")
    to = models.DateTimeField()
    status = models.CharField(max_length=10, choices=AdvanceState.choices, default=AdvanceState.REQUESTED)
    steps = models.PositiveIntegerField(default=0)
    detail = models.TextField(blank=True)
    made_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer"], condition=Q(status="requested"), name="one_advance_at_a_time")
        ]

    def __str__(self) -> str:
        return self.public_id
