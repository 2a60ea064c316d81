"""Cases, what fired in them, what people wrote and decided, and reports to the authorities."""

from django.db import models
from django.db.models import F, Q

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from fraud.cases.states import CaseDecisionState, CaseState, ReportState
from fraud.decisions.models import Decision
from payouts.sellers.models import Seller


class Priority(models.IntegerChoices):
    LOW = 1, "low"
    NORMAL = 2, "normal"
    HIGH = 3, "high"
    CRITICAL = 4, "critical"


class CaseLabel(models.TextChoices):
    """What it was. `justified`: no fraud, and yet worth looking at; a rule is not blamed for it."""

    FRAUD = "fraud", "fraud"
    JUSTIFIED = "justified", "no fraud, but worth looking at"
    FALSE_ALARM = "false_alarm", "a false alarm"


class Case(models.Model):
    """Everything about one subject: a seller where one is known, else a buyer's or payment's own reference. One open case a subject.

    `at_stake` is {currency: minor units}. Whoever works on it holds it until `locked_until`; every step of theirs moves that on.
    """

    public_id = PublicIdField(prefix="cas")
    subject = models.CharField(max_length=170, db_collation="C")
    seller = models.ForeignKey(Seller, null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=CaseState.choices, default=CaseState.OPEN)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices)
    is_escalated = models.BooleanField(default=False, help_text="Taken by those who approve, not by analysts.")
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    last_alert_at = models.DateTimeField()
    alerts_count = models.PositiveIntegerField(default=0)
    at_stake = models.JSONField(default=dict)
    owner = models.CharField(max_length=80, blank=True)
    locked_until = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    label = models.CharField(max_length=12, choices=CaseLabel.choices, blank=True)
    closed_by = models.CharField(max_length=80, blank=True)
    closed_at = models.DateTimeField(null=True)
    merged_into = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="merged")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject"], condition=Q(state__in=["open", "working", "snoozed"]), name="one_open_case"
            ),
            models.CheckConstraint(condition=Q(priority__gte=1, priority__lte=4), name="case_priority"),
            models.CheckConstraint(
                condition=~Q(state="working") | (~Q(owner="") & Q(locked_until__isnull=False)), name="case_worked_by_somebody"
            ),
            models.CheckConstraint(
                condition=~Q(state="closed") | (~Q(label="") & ~Q(closed_by="") & Q(closed_at__isnull=False)),
                name="case_closed_with_label",
            ),
            models.CheckConstraint(condition=~Q(state="snoozed") | Q(snoozed_until__isnull=False), name="case_snoozed_until"),
            models.CheckConstraint(
                condition=(Q(state="merged") & Q(merged_into__isnull=False)) | (~Q(state="merged") & Q(merged_into__isnull=True)),
                name="case_merged_into_another",
            ),
        ]
        indexes = [
            models.Index(fields=["is_escalated", "-priority", "due_at"], name="case_to_take", condition=Q(state="open")),
            models.Index(fields=["due_at"], name="case_due", condition=Q(state__in=["open", "working", "snoozed"])),
            models.Index(fields=["seller", "-id"], name="case_seller"),
            models.Index(fields=["subject", "-id"], name="case_subject"),
            models.Index(fields=["closed_at"], name="case_closed", condition=Q(state="closed")),
        ]

    def __str__(self) -> str:
        return f"case {self.public_id}"


class AlertSource(models.TextChoices):
    DECISION = "decision", "a decision"
    EXPOSURE = "exposure", "exposure"
    PERSON = "person", "a person"


class Alert(models.Model):
    """One thing that fired. It stays as it was; only the case it lies in changes, by merging and splitting. `about` names the payout, sale or account."""

    public_id = PublicIdField(prefix="alr")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="alerts")
    subject = models.CharField(max_length=170, db_collation="C")
    source = models.CharField(max_length=10, choices=AlertSource.choices)
    reference = models.CharField(max_length=120, db_collation="C")
    decision = models.ForeignKey(Decision, null=True, on_delete=models.PROTECT, related_name="alerts")
    about = models.CharField(max_length=170, blank=True, db_collation="C")
    code = models.CharField(max_length=60, blank=True)
    text = models.TextField(blank=True)
    score = models.IntegerField(default=0)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices)
    amount_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, blank=True)
    is_repeat = models.BooleanField(default=False, help_text="A case of the same subject was closed as no fraud shortly before.")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "reference"], name="alert_once"),
            models.CheckConstraint(condition=Q(amount_minor=0) | ~Q(currency=""), name="alert_amount_has_currency"),
        ]
        indexes = [models.Index(fields=["at"], name="alert_at")]

    def __str__(self) -> str:
        return f"{self.get_source_display()} {self.code}".strip()


class Joining(models.TextChoices):
    MERGE = "merge", "merged"
    SPLIT = "split", "split off"


class CaseJoin(models.Model):
    """That alerts went from one case to another, and why. Appended only."""

    kind = models.CharField(max_length=5, choices=Joining.choices)
    from_case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="given")
    to_case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="taken")
    alerts = models.JSONField()
    actor = models.CharField(max_length=80)
    reason = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(from_case=F("to_case")), name="join_of_two_cases")]

    def __str__(self) -> str:
        return f"{self.kind} {self.from_case_id} → {self.to_case_id}"


class CaseNote(models.Model):
    """What somebody wrote down. Sealed, because notes name people. Appended only."""

    public_id = PublicIdField(prefix="cnt")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notes")
    text = SealedField()
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.public_id


class CaseFile(models.Model):
    """One paper of a case. Its bytes are sealed under a key of their own, and that key by the key ring in the row."""

    public_id = PublicIdField(prefix="cfl")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="files")
    what = models.CharField(max_length=120)
    media_type = models.CharField(max_length=40)
    size_bytes = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    data_key = SealedField()
    sealed = models.BinaryField()
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "sha256"], name="case_file_once")]

    def __str__(self) -> str:
        return self.public_id


class Kind(models.TextChoices):
    RELEASE = "release", "release"
    HOLD = "hold", "hold money"
    PAUSE = "pause", "pause payouts"
    RESERVE = "reserve", "reserve a share"
    BLOCK = "block", "block the seller"
    CLOSE_SELLER = "close_seller", "close the seller"
    REFUND = "refund", "refund a payment"


class CaseDecision(models.Model):
    """What is to be done about money or a seller. It takes a second person by the policy it was made under, bound to exactly its content.

    `target` names what it is about (pay_…, hld_…, acc_…, pmt_…), `made` what the verb it called answered with.
    """

    public_id = PublicIdField(prefix="cdn")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="decisions")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    target = models.CharField(max_length=170, blank=True, db_collation="C")
    amount_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, blank=True)
    terms = models.JSONField(default=dict)
    reason = models.TextField()
    seller_text = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=CaseDecisionState.choices)
    takes_two = models.BooleanField()
    policy_number = models.PositiveIntegerField()
    content_hash = models.CharField(max_length=64)
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    approved_by = models.CharField(max_length=80, blank=True)
    done_at = models.DateTimeField(null=True)
    made = models.CharField(max_length=60, blank=True, db_collation="C")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind", "target"], condition=Q(state="waiting"), name="one_waiting_case_decision"
            ),
            models.CheckConstraint(condition=~Q(made_by=F("approved_by")), name="case_decision_by_two"),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "done"]) | Q(takes_two=False) | ~Q(approved_by=""),
                name="case_decision_has_checker",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="case_decision_amount"),
        ]
        indexes = [
            models.Index(fields=["made_at"], name="case_decision_waiting", condition=Q(state="waiting")),
            models.Index(fields=["target"], name="case_decision_target"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.target}".strip()


class SuspicionReport(models.Model):
    """A report of a suspicion to the financial intelligence unit. Facts, narrative and file are sealed; who opens them stands in the audit.

    The file is frozen with its hash when it is ready; another person than its writer files exactly those bytes.
    """

    public_id = PublicIdField(prefix="sar")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="reports")
    state = models.CharField(max_length=10, choices=ReportState.choices, default=ReportState.DRAFT)
    facts = SealedField()
    narrative = SealedField(blank=True, default="")
    indicators = models.JSONField(default=list)
    xml = SealedField(blank=True, default="")
    sha256 = models.CharField(max_length=64, blank=True)
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    frozen_by = models.CharField(max_length=80, blank=True)
    frozen_at = models.DateTimeField(null=True)
    filed_by = models.CharField(max_length=80, blank=True)
    filed_at = models.DateTimeField(null=True)
    filed_ref = models.CharField(max_length=120, blank=True, db_collation="C")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case"], condition=Q(state__in=["draft", "frozen"]), name="one_open_report"),
            models.CheckConstraint(
                condition=~Q(state__in=["frozen", "filed"]) | (~Q(sha256="") & ~Q(xml="")), name="report_frozen_whole"
            ),
            models.CheckConstraint(
                condition=~Q(state="filed") | (~Q(filed_by="") & ~Q(filed_by=F("frozen_by")) & Q(filed_at__isnull=False)),
                name="report_filed_by_another",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id
