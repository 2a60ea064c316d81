"""Payment orders (attempts), the files of file rails, and what banks answered."""

from django.db import models

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from payouts.dispatch.states import BankFileState, EntryState, FileState, OrderStatus
from payouts.runs.models import Payout, PayoutRun
from payouts.sellers.models import PayeeAccount


class RailFile(models.Model):
    """A file for a bank: bytes and SHA-256 stored once, never rebuilt, never changed (a trigger says so)."""

    public_id = PublicIdField(prefix="fil")
    run = models.ForeignKey(PayoutRun, null=True, on_delete=models.PROTECT, related_name="files")
    rail = models.CharField(max_length=20)
    bank_profile = models.CharField(max_length=40)
    file_name = models.CharField(max_length=120)
    message_id = models.CharField(max_length=35, unique=True)
    sha256 = models.CharField(max_length=64)
    sealed = models.BinaryField()
    sealed_sha256 = models.CharField(max_length=64)
    data_key = SealedField()
    orders_count = models.PositiveIntegerField()
    control_sum_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    execute_on = models.DateField()
    state = models.CharField(max_length=16, choices=FileState.choices, default=FileState.BUILT)
    state_reason = models.TextField(blank=True)
    created_at = models.DateTimeField()
    validated_at = models.DateTimeField(null=True)
    handed_over_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.file_name


class PaymentOrder(models.Model):
    """One instruction on one rail for one payout: an attempt. The key is made of ids and stored before any call."""

    public_id = PublicIdField(prefix="ord")
    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="orders")
    attempt = models.PositiveSmallIntegerField()
    rail = models.CharField(max_length=20)
    payee_account = models.ForeignKey(PayeeAccount, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    end_to_end_id = models.CharField(max_length=35, unique=True, db_collation="C")
    key = models.CharField(max_length=80, unique=True, db_collation="C")
    request_hash = models.CharField(max_length=64)
    status = models.CharField(max_length=12, choices=OrderStatus.choices, default=OrderStatus.APPROVED)
    code = models.CharField(max_length=40, blank=True)
    reason = models.TextField(blank=True)
    raw_code = models.CharField(max_length=60, blank=True)
    provider_ref = models.CharField(max_length=120, blank=True, db_collation="C")
    rail_file = models.ForeignKey(RailFile, null=True, on_delete=models.PROTECT, related_name="orders")
    claim = models.UUIDField(null=True)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(null=True, help_text="By the database clock; empty: nothing to do or to ask.")
    tries = models.PositiveSmallIntegerField(default=0)
    called = models.BooleanField(default=False, help_text="A call may have left us: look up before any other.")
    first_called_at = models.DateTimeField(null=True)
    last_called_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payout", "attempt"], name="order_attempt_once"),
            models.UniqueConstraint(
                fields=["payout"],
                condition=models.Q(status__in=["approved", "sending", "unknown", "sent"]),
                name="one_live_order",
            ),
            models.UniqueConstraint(
                fields=["rail", "provider_ref"], condition=~models.Q(provider_ref=""), name="provider_ref_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at", "id"],
                name="order_due",
                condition=models.Q(status__in=["approved", "sending", "unknown"]),
            ),
            models.Index(
                fields=["next_try_at", "id"],
                name="order_left_behind",
                condition=models.Q(status__in=["sending", "unknown"], next_try_at__isnull=False),
            ),
            models.Index(
                fields=["next_try_at", "id"],
                name="order_to_ask",
                condition=models.Q(status__in=["sent", "completed"], next_try_at__isnull=False),
            ),
            models.Index(fields=["status", "id"], name="order_status"),
        ]

    def __str__(self) -> str:
        return self.public_id


class BankFile(models.Model):
    """A file a bank sent us, kept once by content."""

    public_id = PublicIdField(prefix="bkf")
    sha256 = models.CharField(max_length=64, unique=True)
    file_name = models.CharField(max_length=200)
    format = models.CharField(max_length=30)
    identity = models.CharField(max_length=200, unique=True, help_text="What the file says it is: account, kind, message id.")
    sealed = models.BinaryField()
    sealed_sha256 = models.CharField(max_length=64)
    data_key = SealedField()
    summary = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=BankFileState.choices)
    received_at = models.DateTimeField()
    received_by = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.file_name


class BankStatement(models.Model):
    """One statement of one of our accounts, as the bank numbered it: what the next one has to follow on from."""

    bank_file = models.ForeignKey(BankFile, on_delete=models.PROTECT, related_name="statements")
    kind = models.CharField(max_length=10)
    account_iban = models.CharField(max_length=34, db_collation="C")
    statement_id = models.CharField(max_length=80)
    sequence = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    from_on = models.DateField(null=True)
    to_on = models.DateField(null=True)
    opening_minor = models.BigIntegerField(null=True)
    closing_minor = models.BigIntegerField(null=True)
    entries_count = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["account_iban", "kind", "-to_on"], name="statement_by_account")]

    def __str__(self) -> str:
        return f"{self.kind} {self.statement_id}"


class BankFileEntry(models.Model):
    """One line of a bank file and what became of it; what could not be placed waits here with an age and an owner."""

    public_id = PublicIdField(prefix="bke")
    bank_file = models.ForeignKey(BankFile, on_delete=models.PROTECT, related_name="entries")
    position = models.PositiveIntegerField()
    line_ref = models.CharField(
        max_length=200, db_collation="C", help_text="Statement or message, and the line's reference in it."
    )
    servicer_ref = models.CharField(
        max_length=80, blank=True, db_collation="C", help_text="The bank's own reference of the booking."
    )
    kind = models.CharField(max_length=20, help_text="status, booking, return or notice.")
    account_iban = models.CharField(max_length=34, blank=True)
    end_to_end_id = models.CharField(max_length=35, blank=True, db_index=True)
    amount_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    direction = models.CharField(max_length=4, blank=True)
    booked_on = models.DateField(null=True)
    code = models.CharField(max_length=40, blank=True)
    text = models.TextField(blank=True)
    payment_order = models.ForeignKey(PaymentOrder, null=True, on_delete=models.PROTECT, related_name="bank_answers")
    state = models.CharField(max_length=10, choices=EntryState.choices)
    outcome = models.CharField(max_length=60, blank=True)
    owner = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "bank entry"
        verbose_name_plural = "bank entries"
        constraints = [
            models.UniqueConstraint(fields=["bank_file", "position"], name="bank_entry_position"),
        ]
        indexes = [
            models.Index(fields=["id"], name="bank_entry_unplaced", condition=models.Q(state="unplaced")),
            models.Index(fields=["account_iban", "line_ref"], name="bank_entry_line"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.line_ref}"
