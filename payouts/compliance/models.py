"""What a seller has to show, who stands behind it, the papers that prove it, and what it may do meanwhile."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from payouts.compliance.states import DocumentState, RefusalReason, RequirementState
from payouts.sellers.models import Seller


class PersonKind(models.TextChoices):
    PERSON = "person", "person"
    COMPANY = "company", "company"


class Role(models.TextChoices):
    OWNER = "owner", "owner"
    DIRECTOR = "director", "director"
    REPRESENTATIVE = "representative", "legal representative"
    SIGNATORY = "signatory", "signatory"


class Person(models.Model):
    """Somebody, or a company, behind a seller. What identifies them is sealed; look-ups go by blind index."""

    public_id = PublicIdField(prefix="per")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="persons")
    kind = models.CharField(max_length=10, choices=PersonKind.choices)
    roles = ArrayField(models.CharField(max_length=20, choices=Role.choices), default=list)
    name = SealedField()
    name_index = models.CharField(max_length=64, db_index=True)
    birth_on = SealedField(blank=True, help_text="ISO date of birth.")
    address = SealedField(blank=True)
    address_index = models.CharField(max_length=64, blank=True, db_index=True)
    phone = SealedField(blank=True)
    phone_index = models.CharField(max_length=64, blank=True, db_index=True)
    country = models.CharField(max_length=2, help_text="Nationality, or where a company is registered.")
    removed_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["seller", "id"], name="person_of_seller")]

    def __str__(self) -> str:
        return self.public_id


class Stake(models.Model):
    """That a person or company holds a share of the seller, or of a company above it, in basis points."""

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="stakes")
    holder = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="stakes")
    company = models.ForeignKey(
        Person, null=True, on_delete=models.PROTECT, related_name="held_by", help_text="Empty: the seller."
    )
    basis_points = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(basis_points__gte=1, basis_points__lte=10_000), name="stake_share"),
            models.CheckConstraint(condition=~models.Q(holder=models.F("company")), name="stake_not_in_itself"),
            models.UniqueConstraint(fields=["seller", "holder", "company"], nulls_distinct=False, name="one_stake_each"),
        ]

    def __str__(self) -> str:
        return f"{self.basis_points / 100:g} %"


class Requirement(models.Model):
    """One thing a seller has to show: why, what it keeps them from meanwhile, where it stands and until when.

    `gating` says that it keeps its capabilities off until it is met; without it they stay on until the deadline has passed.
    """

    public_id = PublicIdField(prefix="req")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="requirements")
    person = models.ForeignKey(Person, null=True, on_delete=models.PROTECT, related_name="requirements")
    code = models.CharField(max_length=40)
    catalogue = models.CharField(max_length=40, help_text="Country and version of the catalogue the rule came from.")
    evidence = models.CharField(max_length=40)
    by_person = models.BooleanField(default=True, help_text="A reviewer decides; otherwise the check does.")
    title = models.CharField(max_length=120)
    seller_text = models.TextField()
    why = models.TextField()
    source = models.CharField(max_length=240)
    alternatives = models.JSONField(default=list)
    capabilities = ArrayField(models.CharField(max_length=20))
    gating = models.BooleanField(default=True)
    valid_days = models.PositiveIntegerField(default=0)
    grace_days = models.PositiveSmallIntegerField(default=30)
    state = models.CharField(max_length=24, choices=RequirementState.choices)
    deadline_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_text = models.TextField(blank=True)
    value = SealedField(blank=True)
    value_index = models.CharField(max_length=64, blank=True, db_index=True)
    provided_by = models.CharField(max_length=80, blank=True)
    provided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=80, blank=True)
    decided_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller", "code", "person"], nulls_distinct=False, name="one_requirement_each"),
            models.CheckConstraint(
                condition=~models.Q(state="past_due") | models.Q(deadline_at__isnull=False), name="past_due_had_deadline"
            ),
        ]
        indexes = [
            models.Index(fields=["deadline_at"], name="requirement_deadline", condition=models.Q(state="currently_due")),
            models.Index(fields=["expires_at"], name="requirement_expiry", condition=models.Q(state="satisfied")),
            models.Index(fields=["provided_at"], name="requirement_to_review", condition=models.Q(state="pending_verification")),
        ]

    def __str__(self) -> str:
        return self.title


class SellerCapabilities(models.Model):
    """What a seller may do, derived from the requirement rows in the transaction that changes them; never set by hand.

    An empty code is on. `pay_out_ends_at` is the next deadline behind which paying out is off, with `pay_out_ends_code`.
    """

    seller = models.OneToOneField(Seller, primary_key=True, on_delete=models.CASCADE, related_name="capabilities")
    sell_code = models.CharField(max_length=30, blank=True)
    accrue_code = models.CharField(max_length=30, blank=True)
    pay_out_code = models.CharField(max_length=30, blank=True)
    change_payee_code = models.CharField(max_length=30, blank=True)
    pay_out_ends_at = models.DateTimeField(null=True)
    pay_out_ends_code = models.CharField(max_length=30, blank=True, db_default="")
    catalogue = models.CharField(max_length=40, blank=True, help_text="The catalogue its rows were last compared with.")
    derived_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "seller capabilities"
        indexes = [models.Index(fields=["pay_out_code"], name="capability_off", condition=~models.Q(pay_out_code=""))]

    def __str__(self) -> str:
        return self.pay_out_code or "payable"


class RiskRating(models.Model):
    """How risky a seller is, by one version of the scorecard, point by point; or by two people until a day. Appended, never edited."""

    public_id = PublicIdField(prefix="rrt")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="risk_ratings")
    version = models.CharField(max_length=40)
    score = models.PositiveSmallIntegerField()
    level = models.CharField(max_length=20)
    points = models.JSONField(default=dict)
    override_until = models.DateField(null=True)
    reason = models.TextField(blank=True)
    next_review_on = models.DateField()
    is_current = models.BooleanField(default=True)
    rated_by = models.CharField(max_length=80)
    rated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller"], condition=models.Q(is_current=True), name="one_rating_in_force"),
        ]
        indexes = [models.Index(fields=["next_review_on"], name="rating_review", condition=models.Q(is_current=True))]

    def __str__(self) -> str:
        return f"{self.level} ({self.score})"


class Document(models.Model):
    """One paper that somebody sent to prove a requirement. The bytes are sealed in storage under a key of their own."""

    public_id = PublicIdField(prefix="doc")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="documents")
    requirement = models.ForeignKey(Requirement, on_delete=models.PROTECT, related_name="documents")
    kind = models.CharField(max_length=40)
    media_type = models.CharField(max_length=40)
    size_bytes = models.PositiveIntegerField()
    pages = models.PositiveSmallIntegerField(default=1)
    sha256 = models.CharField(max_length=64, db_index=True)
    storage_name = models.CharField(max_length=200, blank=True)
    data_key = SealedField(help_text="The key the stored bytes are sealed with, itself sealed.")
    state = models.CharField(max_length=20, choices=DocumentState.choices, default=DocumentState.CREATED)
    refusal = models.CharField(max_length=40, choices=RefusalReason.choices, blank=True)
    refusal_text = models.TextField(blank=True)
    expires_on = models.DateField(null=True)
    uploaded_by = models.CharField(max_length=80)
    uploaded_at = models.DateTimeField()
    decided_by = models.CharField(max_length=80, blank=True)
    decided_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["seller", "id"], name="document_of_seller")]

    def __str__(self) -> str:
        return self.public_id


class DocumentBytes(models.Model):
    """The sealed bytes of a document until a worker has put them into storage: nothing foreign is called inside a transaction."""

    document = models.OneToOneField(Document, primary_key=True, on_delete=models.CASCADE, related_name="waiting_bytes")
    sealed = models.BinaryField()

    def __str__(self) -> str:
        return f"bytes of {self.document_id}"


class DocumentPreview(models.Model):
    """A small picture of an image that was sent, drawn anew by the worker and sealed under the document's own key."""

    document = models.OneToOneField(Document, primary_key=True, on_delete=models.CASCADE, related_name="preview")
    sealed = models.BinaryField()

    def __str__(self) -> str:
        return f"preview of {self.document_id}"


class ReviewMessage(models.Model):
    """What a reviewer asked a seller for, kept as it was sent."""

    public_id = PublicIdField(prefix="msg")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="review_messages")
    requirement = models.ForeignKey(Requirement, null=True, on_delete=models.PROTECT, related_name="messages")
    text = models.TextField()
    sent_by = models.CharField(max_length=80)
    sent_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.public_id


class Claim(models.Model):
    """That a reviewer works on a seller now; ends by itself, so that nobody's holiday blocks a seller."""

    seller = models.OneToOneField(Seller, primary_key=True, on_delete=models.CASCADE, related_name="review_claim")
    claimed_by = models.CharField(max_length=80)
    claimed_at = models.DateTimeField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return self.claimed_by
