"""Decisions, the reviews they ask for, replays, and back-tests."""

from django.db import models
from django.db.models import Q

from backoffice.kit.ids import PublicIdField
from fraud.decisions.states import BacktestState, ReserveState, ReviewState, WantedState
from fraud.features.models import FraudEvent, Point
from fraud.rules.models import RuleSet, RuleVersion
from payouts.earnings.models import Earning
from payouts.holds.models import Hold, ReservePlan
from payouts.sellers.models import Seller


class Outcome(models.TextChoices):
    ALLOW = "allow", "allow"
    REVIEW = "review", "review"
    HOLD = "hold", "hold"
    BLOCK = "block", "block"


class Because(models.TextChoices):
    """Which step of the precedence said the outcome."""

    NOTHING = "nothing", "nothing spoke against it"
    ABSOLUTE = "absolute_block", "an absolute block"
    OVERRIDE = "override", "somebody allowed it, for a time"
    BLOCK = "block", "a block"
    RULE = "rule", "a rule"
    WATCHED = "watched", "a watched value"
    SCORE = "score", "the score"
    MODEL = "model", "the model"
    UNKNOWN = "unknown", "a rule could not be answered"


class Decision(models.Model):
    """One answer, with everything it was made from; never changed, so that it can be made again and compared."""

    public_id = PublicIdField(prefix="dec")
    point = models.CharField(max_length=14, choices=Point.choices)
    key = models.CharField(max_length=250, db_collation="C")
    event = models.ForeignKey(FraudEvent, on_delete=models.PROTECT, related_name="decisions")
    subject = models.CharField(max_length=170, db_collation="C")
    seller = models.CharField(max_length=170, blank=True, db_collation="C")
    partner_id = models.BigIntegerField(null=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, blank=True)
    outcome = models.CharField(max_length=6, choices=Outcome.choices)
    because = models.CharField(max_length=14, choices=Because.choices)
    code = models.CharField(max_length=40, blank=True)
    operator_text = models.TextField(blank=True)
    seller_text = models.TextField(blank=True)
    review_on = models.DateField(null=True)
    score = models.IntegerField(default=0)
    rule_set = models.ForeignKey(RuleSet, on_delete=models.PROTECT, db_index=False, related_name="+")
    policy_version = models.CharField(max_length=16)
    catalogue_version = models.CharField(max_length=16)
    lists_version = models.BigIntegerField()
    features = models.JSONField()
    missing = models.JSONField(default=dict)
    conditions = models.JSONField(default=list)
    results = models.JSONField()
    model = models.JSONField(default=dict, help_text="What the model said: version, score, strongest contributions.")
    duration_us = models.PositiveIntegerField()
    durations = models.JSONField(default=dict)
    actor = models.CharField(max_length=80)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["point", "key"], name="decision_once_a_key")]
        indexes = [
            models.Index(fields=["subject", "-id"], name="decision_subject"),
            models.Index(fields=["seller", "-id"], name="decision_seller"),
            models.Index(fields=["partner_id", "-id"], name="decision_partner"),
            models.Index(fields=["point", "decided_at"], name="decision_point"),
            models.Index(fields=["outcome", "-id"], name="decision_outcome", condition=~Q(outcome="allow")),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}: {self.get_point_display()} {self.subject}"


class RuleHit(models.Model):
    """That a version hit, or could not be answered, in one decision; what it did otherwise is counted from the decisions. Appended only."""

    version = models.ForeignKey(RuleVersion, on_delete=models.PROTECT, db_index=False, related_name="+")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="+")
    is_hit = models.BooleanField()
    counted = models.BooleanField(help_text="Whether it was live, or in the shadow.")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["version", "at"], name="rule_hit_version")]

    def __str__(self) -> str:
        return f"{self.version_id} in {self.decision_id}"


class DecisionReview(models.Model):
    """That a decision waits for a person, and what the person said. An allowed one lets the same subject pass until `allowed_until`."""

    public_id = PublicIdField(prefix="drv")
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="review")
    point = models.CharField(max_length=14, choices=Point.choices)
    subject = models.CharField(max_length=170, db_collation="C")
    seller = models.CharField(max_length=170, blank=True, db_collation="C")
    outcome = models.CharField(max_length=6, choices=Outcome.choices)
    state = models.CharField(max_length=8, choices=ReviewState.choices, default=ReviewState.OPEN)
    opened_at = models.DateTimeField()
    due_on = models.DateField()
    judged_by = models.CharField(max_length=80, blank=True)
    judged_at = models.DateTimeField(null=True)
    allowed_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["point", "subject"], condition=Q(state="open"), name="one_open_review"),
            models.CheckConstraint(
                condition=Q(state="open") | (~Q(judged_by="") & Q(judged_at__isnull=False)), name="judged_by_somebody"
            ),
        ]
        indexes = [
            models.Index(fields=["opened_at"], name="review_open", condition=Q(state="open")),
            models.Index(fields=["point", "subject", "-id"], name="review_subject"),
            models.Index(fields=["seller"], name="review_seller_open", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return f"review of {self.decision_id}"


class WantedHold(models.Model):
    """That the seller's part of a sale is to be held because of a decision: waits until the money is available, then stands in `payouts/holds`."""

    public_id = PublicIdField(prefix="whd")
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="wanted_hold")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    earning = models.OneToOneField(Earning, on_delete=models.PROTECT, related_name="+")
    hold = models.OneToOneField(Hold, null=True, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=WantedState.choices, default=WantedState.WAITING)
    asked_at = models.DateTimeField()
    ended_because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="wanted_hold_positive"),
            models.CheckConstraint(condition=~Q(state="placed") | Q(hold__isnull=False), name="wanted_hold_placed"),
        ]
        indexes = [models.Index(fields=["seller", "currency"], name="wanted_hold_live", condition=~Q(state="ended"))]

    def __str__(self) -> str:
        return f"hold wanted by {self.decision_id}"


class RiskReserve(models.Model):
    """A share of what a seller earns that a rule or a case asked to be kept, with an owner and a day on which it ends unless something speaks against it.

    The plan in `payouts/holds` keeps the money; this says why there is one and until when. `asked_by` is the id of what asked: dec_… or cdn_….
    """

    public_id = PublicIdField(prefix="rrs")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    basis_points = models.PositiveIntegerField()
    days = models.PositiveSmallIntegerField(help_text="How long each sale's share is kept.")
    decision = models.ForeignKey(Decision, null=True, on_delete=models.PROTECT, related_name="+")
    asked_by = models.CharField(max_length=40, unique=True, db_collation="C")
    plan = models.OneToOneField(ReservePlan, null=True, on_delete=models.PROTECT, related_name="+")
    owner = models.CharField(max_length=80)
    reason = models.TextField()
    seller_text = models.TextField()
    review_on = models.DateField(help_text="The day it ends, unless something still speaks against the seller.")
    state = models.CharField(max_length=8, choices=ReserveState.choices, default=ReserveState.WAITING)
    asked_at = models.DateTimeField()
    ended_because = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(basis_points__gt=0, basis_points__lte=10_000), name="risk_reserve_share"),
            models.CheckConstraint(condition=Q(days__gt=0, days__lte=180), name="risk_reserve_days"),
            models.CheckConstraint(condition=~Q(owner="") & ~Q(reason="") & ~Q(seller_text=""), name="risk_reserve_says_why"),
            models.CheckConstraint(condition=~Q(state="active") | Q(plan__isnull=False), name="risk_reserve_has_plan"),
            models.UniqueConstraint(fields=["seller", "currency"], condition=Q(state="active"), name="one_risk_reserve"),
            models.UniqueConstraint(fields=["seller", "currency"], condition=Q(state="waiting"), name="one_waiting_risk_reserve"),
        ]
        indexes = [models.Index(fields=["review_on"], name="risk_reserve_live", condition=~Q(state="ended"))]

    def __str__(self) -> str:
        return f"{self.basis_points / 100:g} % reserve"


class SaleToDecide(models.Model):
    """That a booked sale waits for its decision: written in the transaction that books it, gone when it is decided. Until then its money stays pending.

    What cannot be decided is tried again, later each time; after the last try it waits for a person. Imports write it by the million, so that it
    has no key of its own and no look-up of the earning, which the same transaction just wrote and nobody can delete.
    """

    earning = models.OneToOneField(Earning, primary_key=True, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    asked_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    gave_up_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "sales to decide"
        indexes = [models.Index(fields=["gave_up_at"], name="sale_given_up", condition=Q(gave_up_at__isnull=False))]

    def __str__(self) -> str:
        return f"decision on earning {self.earning_id}"


class Replay(models.Model):
    """One sample of decisions made again: all must come out the same."""

    at = models.DateTimeField()
    sampled = models.PositiveIntegerField()
    agreed = models.PositiveIntegerField()
    differing = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.agreed} of {self.sampled}"


class Backtest(models.Model):
    """One trial of a rule's version on our own history, with how far it is and what it found."""

    public_id = PublicIdField(prefix="bkt")
    version = models.ForeignKey(RuleVersion, on_delete=models.PROTECT, related_name="backtests")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=BacktestState.choices, default=BacktestState.QUEUED)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    answer = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    actor = models.CharField(max_length=80)
    asked_at = models.DateTimeField()
    beat_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], name="backtest_waiting", condition=Q(state__in=["queued", "running"]))]

    def __str__(self) -> str:
        return f"back-test of {self.version}"
