"""Rules, their versions, and the sets of versions that decided together."""

from django.db import models
from django.db.models import F, Q

from backoffice.kit.ids import PublicIdField
from fraud.features.models import Point
from fraud.rules.states import RuleState


class Effect(models.TextChoices):
    """What a hit does, from the weakest: an override beats a block, never an absolute one."""

    SCORE = "score", "adds to the score"
    REVIEW = "review", "asks for a review"
    HOLD = "hold", "holds"
    BLOCK = "block", "blocks, unless allowed"
    ABSOLUTE = "absolute", "blocks absolutely"


class Rule(models.Model):
    """A rule by name, at one decision point; what it says stands in its versions."""

    public_id = PublicIdField(prefix="rul")
    name = models.SlugField(max_length=60, unique=True)
    point = models.CharField(max_length=14, choices=Point.choices)
    owner = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class RuleVersion(models.Model):
    """One wording of a rule. Frozen once it left the draft; live only when a second person approved exactly this content."""

    public_id = PublicIdField(prefix="rlv")
    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    expression = models.TextField()
    effect = models.CharField(max_length=8, choices=Effect.choices, default=Effect.SCORE)
    score = models.PositiveSmallIntegerField(default=0)
    code = models.CharField(max_length=40)
    operator_text = models.TextField()
    seller_text = models.TextField()
    expected_basis_points = models.PositiveIntegerField(help_text="The share of decisions it should hit at most; more stops it.")
    daily_ceiling = models.PositiveIntegerField(help_text="The hits a day it may make at most; more stops it.")
    review_days = models.PositiveSmallIntegerField(default=3)
    reserve_basis_points = models.PositiveIntegerField(
        default=0, help_text="The share of what the seller earns that a hit asks to be kept."
    )
    reserve_days = models.PositiveSmallIntegerField(default=0, help_text="How long each sale's share is kept.")
    shadow_hours = models.PositiveIntegerField(default=24)
    features = models.JSONField(default=list)
    catalogue_version = models.CharField(max_length=16)
    content_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=RuleState.choices, default=RuleState.DRAFT)
    stopped_because = models.TextField(blank=True)
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    shadow_at = models.DateTimeField(null=True)
    approved_by = models.CharField(max_length=80, blank=True)
    live_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "number"], name="rule_version_once"),
            models.UniqueConstraint(fields=["rule"], condition=Q(state="live"), name="one_live_version"),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "live", "replaced"]) | (~Q(approved_by="") & ~Q(approved_by=F("made_by"))),
                name="rule_approved_by_two",
            ),
            models.CheckConstraint(condition=Q(score__lte=1000), name="rule_score_bounded"),
            models.CheckConstraint(
                condition=Q(reserve_basis_points=0, reserve_days=0)
                | Q(reserve_basis_points__gt=0, reserve_basis_points__lte=10_000, reserve_days__gt=0, reserve_days__lte=180),
                name="rule_reserve_whole",
            ),
        ]
        indexes = [models.Index(fields=["state", "id"], name="rule_version_state")]

    def __str__(self) -> str:
        return f"{self.rule.name} v{self.number}"


class RuleSet(models.Model):
    """Which versions were asked together, from one change to the next; a decision names its set. `members`: id, point, mode."""

    members = models.JSONField()
    policy_version = models.CharField(max_length=16)
    made_at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    why = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"rule set {self.pk}"
