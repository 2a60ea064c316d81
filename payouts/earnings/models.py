"""Earnings and the imports that bring them."""

from django.db import models

from backoffice.kit.ids import PublicIdField
from payouts.sellers.models import Seller


class EarningKind(models.TextChoices):
    SALE = "sale", "sale"
    REFUND = "refund", "refund"
    CHARGEBACK = "chargeback", "chargeback"
    CHARGEBACK_REVERSAL = "chargeback_reversal", "chargeback won back"
    ADJUSTMENT = "adjustment", "adjustment"


class ImportState(models.TextChoices):
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"


class EarningImport(models.Model):
    """One file of earnings: how far it got and what became of its lines. A repeated start continues behind what `shares` says is done."""

    public_id = PublicIdField(prefix="imp")
    source = models.CharField(max_length=60)
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    format = models.CharField(max_length=10)
    state = models.CharField(max_length=10, choices=ImportState.choices, default=ImportState.RUNNING)
    lines_done = models.BigIntegerField(default=0)
    shares = models.JSONField(default=dict, help_text="How the file is cut for booking, and how many chunks each share has done.")
    accepted = models.BigIntegerField(default=0)
    duplicate = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    totals = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    actor = models.CharField(max_length=80)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["source", "sha256"], name="import_by_content")]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.source})"


class Earning(models.Model):
    """What one line leaves the seller. gross, fee and net are signed: a sale is positive, a refund or chargeback negative.

    `pending_minor` is what of this line still stands in seller.pending (sales only); `uncovered_minor` is what a refund took from available
    because its sale had not arrived, and which that sale heals when it comes.
    """

    public_id = PublicIdField(prefix="ern")
    source = models.CharField(max_length=60, db_collation="C")
    external_id = models.CharField(max_length=120, db_collation="C")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, db_index=False, related_name="+")
    kind = models.CharField(max_length=20, choices=EarningKind.choices)
    order_ref = models.CharField(max_length=120, db_collation="C")
    occurred_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    currency = models.CharField(max_length=3)
    gross_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    net_minor = models.BigIntegerField()
    fingerprint = models.CharField(max_length=32, db_collation="C")
    available_at = models.DateTimeField()
    matured_at = models.DateTimeField(null=True)
    pending_minor = models.BigIntegerField(default=0)
    uncovered_minor = models.BigIntegerField(default=0)
    # written by the import alone, in the transaction that holds its row: a constraint would only look that up a million times
    batch = models.ForeignKey(
        EarningImport, null=True, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="earnings"
    )
    line_no = models.BigIntegerField(default=0)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id"], name="earning_once"),
            models.CheckConstraint(
                condition=models.Q(net_minor=models.F("gross_minor") - models.F("fee_minor")), name="earning_net"
            ),
            models.CheckConstraint(
                condition=models.Q(pending_minor__gte=0, uncovered_minor__gte=0), name="earning_parts_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["seller", "currency", "order_ref"], name="earning_sale_group"),
            models.Index(fields=["available_at"], name="earning_due", condition=models.Q(pending_minor__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id}"


class RejectedState(models.TextChoices):
    OPEN = "open", "open"
    RETRIED = "retried", "accepted on retry"
    DISMISSED = "dismissed", "dismissed"


class RejectedLine(models.Model):
    """A line that was not accepted, kept with its reason until a person deals with it."""

    public_id = PublicIdField(prefix="rej")
    batch = models.ForeignKey(EarningImport, null=True, on_delete=models.PROTECT, db_index=False, related_name="rejected_lines")
    source = models.CharField(max_length=60)
    line_no = models.BigIntegerField()
    external_id = models.CharField(max_length=120, blank=True)
    code = models.CharField(max_length=40)
    reason = models.TextField()
    raw = models.TextField()
    state = models.CharField(max_length=10, choices=RejectedState.choices, default=RejectedState.OPEN)
    closed_by = models.CharField(max_length=80, blank=True)
    closed_reason = models.TextField(blank=True)
    closed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "line_no"], name="rejected_line_once")]
        indexes = [models.Index(fields=["id"], name="rejected_open", condition=models.Q(state="open"))]

    def __str__(self) -> str:
        return f"line {self.line_no}: {self.code}"
