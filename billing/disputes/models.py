"""Disputes, the money they moved, the evidence, what was sent, and the policy."""

from django.db import models

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from billing.disputes.states import DisputeStatus, PolicyState, SubmissionState, WorkState


class Purpose(models.TextChoices):
    """What the disputed payment was for; it says who bears a loss."""

    PURCHASE = "purchase", "a purchase from a seller"
    INVOICE = "invoice", "an invoice of ours"
    UNKNOWN = "unknown", "a payment we do not know"


class Dispute(models.Model):
    """One disputed payment. `status` is the provider's, `work_state` ours; `amount_minor` is what is disputed, in the payment's currency.

    `settled_minor` is what of the money taken has been charged to the seller or to us, because the dispute is lost; `settled_rounds` counts how often.
    """

    public_id = PublicIdField(prefix="dsp")
    provider = models.CharField(max_length=20)
    provider_ref = models.CharField(max_length=120, db_collation="C", help_text="Of the warning, until a dispute follows it.")
    warning_ref = models.CharField(max_length=120, blank=True, db_collation="C", help_text="The early fraud warning before it.")
    livemode = models.BooleanField()
    charge_ref = models.CharField(max_length=120, blank=True, db_collation="C")
    payment_ref = models.CharField(max_length=120, blank=True, db_collation="C")
    payment = models.CharField(max_length=40, blank=True, db_collation="C", help_text="Our payment's id.")
    purpose = models.CharField(max_length=10, choices=Purpose.choices, default=Purpose.UNKNOWN)
    seller = models.ForeignKey("payouts.Seller", null=True, on_delete=models.PROTECT, related_name="+")
    partner = models.ForeignKey("backoffice.Partner", null=True, on_delete=models.PROTECT, related_name="+")
    order_ref = models.CharField(max_length=120, blank=True, db_collation="C")
    amount_minor = models.BigIntegerField(null=True, help_text="Unknown while it is a mere warning.")
    currency = models.CharField(max_length=3, blank=True)
    reason = models.CharField(max_length=60, blank=True)
    network_code = models.CharField(max_length=20, blank=True)
    status = models.CharField(max_length=24, choices=DisputeStatus.choices)
    work_state = models.CharField(max_length=16, choices=WorkState.choices, default=WorkState.TRIAGE)
    due_by = models.DateTimeField(null=True)
    seller_due_by = models.DateTimeField(null=True)
    submission_count = models.PositiveSmallIntegerField(default=0)
    is_refundable = models.BooleanField(default=False)
    owner = models.CharField(max_length=80, blank=True)
    auto_accept_at = models.DateTimeField(null=True, help_text="Announced; any step of a person or the seller takes it off.")
    settled_minor = models.BigIntegerField(default=0)
    settled_currency = models.CharField(max_length=3, blank=True)
    settled_rounds = models.PositiveSmallIntegerField(default=0)
    settled_posting = models.BigIntegerField(null=True)
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When the provider was last asked.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_ref"], name="dispute_once"),
            models.UniqueConstraint(
                fields=["provider", "warning_ref"], name="dispute_warning_once", condition=~models.Q(warning_ref="")
            ),
            models.CheckConstraint(
                condition=models.Q(status="early_warning") | models.Q(amount_minor__gt=0, amount_minor__isnull=False),
                name="dispute_has_amount",
            ),
            models.CheckConstraint(condition=models.Q(settled_minor__gte=0), name="dispute_settled_positive"),
            models.CheckConstraint(
                condition=models.Q(settled_minor=0) | models.Q(settled_posting__isnull=False), name="dispute_settled_is_posted"
            ),
        ]
        indexes = [
            models.Index(fields=["provider", "charge_ref"], name="dispute_charge"),
            models.Index(fields=["partner", "id"], name="dispute_partner"),
            models.Index(fields=["seller", "id"], name="dispute_seller"),
            models.Index(
                fields=["due_by", "id"],
                name="dispute_due",
                condition=models.Q(work_state__in=["triage", "waiting_seller", "ready"]),
            ),
            models.Index(fields=["seen_at"], name="dispute_under_way", condition=~models.Q(work_state="closed")),
        ]

    def __str__(self) -> str:
        return self.public_id


class DisputeMovement(models.Model):
    """One balance transaction of a dispute, as the provider booked it: signed from our view, net = amount − fee. Posted once, never changed."""

    public_id = PublicIdField(prefix="dmv")
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="movements")
    provider = models.CharField(max_length=20)
    provider_ref = models.CharField(max_length=120, db_collation="C")
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    net_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    occurred_at = models.DateTimeField()
    posting = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_ref"], name="dispute_movement_once"),
            models.CheckConstraint(
                condition=models.Q(net_minor=models.F("amount_minor") - models.F("fee_minor")), name="dispute_movement_net"
            ),
        ]

    def __str__(self) -> str:
        return self.provider_ref


class EvidencePack(models.Model):
    """The answer to one dispute, as it will be sent. Texts are sealed: they name the buyer."""

    public_id = PublicIdField(prefix="evp")
    dispute = models.OneToOneField(Dispute, on_delete=models.PROTECT, related_name="pack")
    texts = SealedField(blank=True, default="", help_text="JSON: field → text.")
    changed_by = models.CharField(max_length=80)
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.public_id


class EvidenceFile(models.Model):
    """One paper of a pack, in one of the provider's places. Its bytes are sealed under a key of their own, and that key in the row."""

    public_id = PublicIdField(prefix="evf")
    pack = models.ForeignKey(EvidencePack, on_delete=models.PROTECT, related_name="files")
    field = models.CharField(max_length=40)
    media_type = models.CharField(max_length=40)
    size_bytes = models.PositiveIntegerField()
    pages = models.PositiveSmallIntegerField()
    sha256 = models.CharField(max_length=64)
    data_key = SealedField()
    sealed = models.BinaryField()
    provider_ref = models.CharField(max_length=120, blank=True, db_collation="C", help_text="The provider's id once it has it.")
    uploaded_by = models.CharField(max_length=80)
    uploaded_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pack", "field"], name="evidence_field_once", condition=models.Q(removed_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.field} ({self.media_type})"


class SubmissionKind(models.TextChoices):
    EVIDENCE = "evidence", "evidence"
    ACCEPTANCE = "acceptance", "acceptance"


class DisputeSubmission(models.Model):
    """One answer that left, or will: committed before the call, with the key of the call. `content` is what was sent, sealed."""

    public_id = PublicIdField(prefix="dsb")
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="submissions")
    kind = models.CharField(max_length=10, choices=SubmissionKind.choices)
    number = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=120, unique=True, db_collation="C")
    state = models.CharField(max_length=8, choices=SubmissionState.choices, default=SubmissionState.ASKED)
    content_hash = models.CharField(max_length=64)
    content = SealedField(blank=True, default="")
    count_before = models.PositiveSmallIntegerField()
    asked_by = models.CharField(max_length=80)
    asked_at = models.DateTimeField()
    called_at = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=80, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dispute", "number"], name="dispute_submission_number"),
            models.UniqueConstraint(
                fields=["dispute"],
                name="one_open_dispute_submission",
                condition=models.Q(state__in=["asked", "sending", "unknown"]),
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="dispute_submission_due",
                condition=models.Q(state__in=["asked", "sending", "unknown"]),
            )
        ]

    def __str__(self) -> str:
        return self.public_id


class DisputePolicy(models.Model):
    """What happens by itself: the seller's earlier deadline, and below which amount a dispute is not fought. Versions; one is in force."""

    public_id = PublicIdField(prefix="dpp")
    version = models.PositiveIntegerField(unique=True)
    seller_buffer_hours = models.PositiveSmallIntegerField(help_text="How long before the provider's deadline the seller's is.")
    auto_accept = models.BooleanField(default=False)
    limits = models.JSONField(default=dict, help_text="Currency → the largest amount accepted without a person, in minor units.")
    notice_hours = models.PositiveSmallIntegerField(default=24, help_text="How long an automatic acceptance is announced first.")
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=PolicyState.choices, default=PolicyState.PROPOSED)
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    approved_by = models.CharField(max_length=80, blank=True)
    in_force_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "dispute policies"
        constraints = [
            models.UniqueConstraint(fields=["state"], name="one_dispute_policy", condition=models.Q(state="in_force")),
            models.CheckConstraint(
                condition=models.Q(approved_by="") | ~models.Q(approved_by=models.F("made_by")), name="dispute_policy_by_two"
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"
