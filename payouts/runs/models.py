"""Runs, payouts and skips."""

from django.db import models

from backoffice.kit.ids import PublicIdField
from payouts.runs.states import OPEN_STATES, PayoutStage, PayoutStatus, RunStatus, SkipCode, stage_of
from payouts.sellers.models import PayeeAccount, Seller


class RunKind(models.TextChoices):
    SCHEDULED = "scheduled", "whoever is due"
    CATCH_UP = "catch_up", "everybody with money, whatever the schedule"
    SINGLE = "single", "one seller on request"


class PayoutRun(models.Model):
    """A set of payouts built together, approved by one other person, bound to a hash of its content."""

    public_id = PublicIdField(prefix="run")
    run_on = models.DateField()
    currency = models.CharField(max_length=3, blank=True, help_text="'' where the run pays every currency.")
    kind = models.CharField(max_length=10, choices=RunKind.choices, default=RunKind.SCHEDULED)
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.NEEDS_APPROVAL)
    maker = models.CharField(max_length=80)
    checker = models.CharField(max_length=80, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    payouts_count = models.PositiveIntegerField(default=0)
    skipped_count = models.PositiveIntegerField(default=0)
    totals = models.JSONField(default=dict, help_text="Minor units by currency.")
    previous = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")
    built_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)
    submitted_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Run of {self.run_on}"


class PayoutQuerySet(models.QuerySet["Payout"]):
    def in_status(self, *statuses: str) -> "PayoutQuerySet":
        """Narrow to payouts in one of these states, by the index over stages: status itself stands in no index."""
        return self.filter(status__in=statuses, stage__in=sorted({stage_of(status) for status in statuses}))


class Payout(models.Model):
    """What we owe one seller now, in one currency; made of the ledger entries of seller.available that no earlier payout took.

    Its lines are the entries of `available_account_id` with lines_after_entry_id < id <= lines_upto_entry_id, plus what was brought forward,
    less what is carried forward. Entries are immutable and the account is locked while a payout is built, so the range is the freeze.
    `lines_after_entry_id` is the previous payout's own booking (`built_entry_id`), 0 for the first.

    No index names `status`: a payout moves four times on its way, and while its stage stays, such a move writes no index (decision 96).
    """

    public_id = PublicIdField(prefix="pay")
    run = models.ForeignKey(PayoutRun, null=True, on_delete=models.PROTECT, related_name="payouts")
    # The trigger payout_born_whole proves both for a whole run at once, and neither is ever deleted: a foreign key would check and lock row by
    # row, 100,000 times. payout_seller serves look-ups by seller.
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="payouts")
    payee_account = models.ForeignKey(
        PayeeAccount, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="payouts"
    )
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    rail = models.CharField(max_length=20)
    instant = models.BooleanField(default=False)
    status = models.CharField(max_length=16, choices=PayoutStatus.choices, default=PayoutStatus.NEEDS_APPROVAL)
    stage = models.GeneratedField(
        expression=models.Case(
            models.When(status__in=[str(state) for state in OPEN_STATES], then=models.Value("open")),
            models.When(status="paid", then=models.Value("paid")),
            default=models.Value("ended"),
        ),
        output_field=models.CharField(max_length=5, choices=PayoutStage.choices),
        db_persist=True,
    )
    status_code = models.CharField(max_length=40, blank=True, help_text="The bank's or our reason, such as AC04.")
    status_reason = models.TextField(blank=True, help_text="The same in a sentence for the operator.")
    available_account_id = models.BigIntegerField()
    lines_after_entry_id = models.BigIntegerField()
    lines_upto_entry_id = models.BigIntegerField()
    built_entry_id = models.BigIntegerField(null=True)
    brought_forward_minor = models.BigIntegerField(default=0)
    carried_forward_minor = models.BigIntegerField(default=0)
    maker = models.CharField(max_length=80)
    checker = models.CharField(max_length=80, blank=True)
    # made of the public id, which is how it is looked up
    reference = models.CharField(max_length=35, blank=True, help_text="What appears on the seller's bank statement.")
    built_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    expected_arrival_on = models.DateField(null=True)
    paid_at = models.DateTimeField(null=True)
    return_window_closes_on = models.DateField(null=True)
    settled_final_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()

    objects = PayoutQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="payout_positive"),
            models.CheckConstraint(condition=models.Q(carried_forward_minor__gte=0), name="payout_carried"),
            models.UniqueConstraint(
                fields=["seller", "currency"],
                condition=models.Q(stage="open"),
                name="one_open_payout",
            ),
            models.UniqueConstraint(fields=["available_account_id", "lines_after_entry_id"], name="payout_lines_do_not_overlap"),
        ]
        indexes = [
            models.Index(fields=["stage", "id"], name="payout_stage"),
            models.Index(fields=["seller", "-id"], name="payout_seller"),
            models.Index(fields=["paid_at"], name="payout_paid", condition=models.Q(stage="paid")),
        ]

    def __str__(self) -> str:
        return f"Payout {self.public_id}"


class RunSkip(models.Model):
    """A seller the run did not pay, why, and when it would."""

    run = models.ForeignKey(PayoutRun, on_delete=models.CASCADE, db_index=False, related_name="skips")
    # written from the sellers themselves, in one statement
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+")
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    code = models.CharField(max_length=24, choices=SkipCode.choices)
    next_on = models.DateField(null=True)

    class Meta:
        indexes = [models.Index(fields=["run", "code"], name="skip_by_code")]

    def __str__(self) -> str:
        return f"{self.seller_id}: {self.code}"
