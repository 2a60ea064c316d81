"""Refunds, and the limits above which two people decide."""

from django.db import models
from django.db.models import Q

from backoffice.kit.ids import PublicIdField
from billing.customers.models import Customer
from billing.payments.models import Payment
from billing.refunds.states import LimitState, RefundSource, RefundStatus
from payouts.ledger.models import Posting
from payouts.sellers.models import Seller


class Refund(models.Model):
    """One amount on its way back: of a payment, or of what a seller's balance paid. `surplus_minor` of it nobody had owed.

    `share_minor` is what the seller gave back of the sale (net), `share_taken` whether it is booked; `short_by_choice` that a lead let it go though
    the seller's balance was short.
    """

    public_id = PublicIdField(prefix="ref")
    payment = models.ForeignKey(Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="refunds")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="refunds")
    seller = models.ForeignKey(Seller, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=120, blank=True, db_collation="C")
    source = models.CharField(max_length=8, choices=RefundSource.choices, default=RefundSource.CARD)
    amount_minor = models.BigIntegerField()
    surplus_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    cause = models.CharField(max_length=30, default="requested_by_customer")
    reason = models.TextField(help_text="Why, in the words of who asked.")
    status = models.CharField(max_length=16, choices=RefundStatus.choices, default=RefundStatus.REQUESTED)
    code = models.CharField(max_length=100, blank=True)
    detail = models.TextField(blank=True)
    maker = models.CharField(max_length=80)
    checker = models.CharField(max_length=80, blank=True)
    share_minor = models.BigIntegerField(default=0)
    share_taken = models.BooleanField(default=False)
    short_by_choice = models.BooleanField(default=False)
    posting = models.ForeignKey(Posting, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    provider_ref = models.CharField(max_length=120, blank=True, db_collation="C")
    next_look_at = models.DateTimeField(null=True)
    looks = models.PositiveSmallIntegerField(default=0)
    looked_after_at = models.DateTimeField(null=True, help_text="When a person dealt with its failure.")
    requested_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, surplus_minor__gte=0, surplus_minor__lte=models.F("amount_minor")),
                name="refund_positive",
            ),
            models.CheckConstraint(
                condition=Q(source="card", payment__isnull=False)
                | Q(source="balance", payment__isnull=True, seller__isnull=False),
                name="refund_goes_somewhere",
            ),
            models.CheckConstraint(condition=~Q(maker=models.F("checker")), name="refund_by_two"),
        ]
        indexes = [
            models.Index(fields=["status", "id"], name="refund_status"),
            models.Index(fields=["purpose", "id"], name="refund_purpose", condition=~Q(purpose="")),
            models.Index(fields=["next_look_at"], name="refund_to_ask", condition=Q(next_look_at__isnull=False)),
            models.Index(fields=["provider_ref"], name="refund_ref", condition=~Q(provider_ref="")),
        ]

    def __str__(self) -> str:
        return self.public_id


class RefundLimit(models.Model):
    """Up to how much of one payment goes back on one person's word, per currency. The newest in force counts; none means none."""

    public_id = PublicIdField(prefix="rfl")
    currency = models.CharField(max_length=3)
    limit_minor = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=LimitState.choices, default=LimitState.PROPOSED)
    reason = models.TextField()
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    approved_by = models.CharField(max_length=80, blank=True)
    in_force_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(limit_minor__gte=0), name="refund_limit_not_negative"),
            models.UniqueConstraint(fields=["currency"], condition=Q(state="in_force"), name="one_refund_limit"),
            models.UniqueConstraint(fields=["currency"], condition=Q(state="proposed"), name="one_proposed_refund_limit"),
            models.CheckConstraint(condition=~Q(made_by=models.F("approved_by")), name="refund_limit_by_two"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.limit_minor}"
