"""Versions of the model: coefficients as data, with what they were trained on and how well they did."""

from django.db import models
from django.db.models import F, Q

from backoffice.kit.ids import PublicIdField
from fraud.model.states import ModelState, TrainingState


class ModelVersion(models.Model):
    """One trained model for sales. `formula` is all there is to it: an intercept, and per feature transform, mean, scale and weight.

    `review_from` is the score, of 1000, from which a sale is looked at. Frozen when written; live only when a second person approved exactly it.
    """

    public_id = PublicIdField(prefix="fmv")
    number = models.PositiveIntegerField(unique=True)
    formula = models.JSONField()
    review_from = models.PositiveSmallIntegerField()
    source = models.CharField(max_length=120, help_text="Our own history, or the name of a file.")
    trained_from = models.DateTimeField()
    trained_to = models.DateTimeField()
    tested_to = models.DateTimeField()
    rows = models.PositiveIntegerField()
    frauds = models.PositiveIntegerField()
    measured = models.JSONField(help_text="How it did on the days after those it was trained on.")
    content_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=ModelState.choices, default=ModelState.WAITING)
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    approved_by = models.CharField(max_length=80, blank=True)
    live_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state="live"), name="one_live_model"),
            models.CheckConstraint(condition=Q(review_from__gte=1, review_from__lte=1000), name="model_review_from"),
            models.CheckConstraint(
                condition=~Q(state__in=["live", "replaced"]) | (~Q(approved_by="") & ~Q(approved_by=F("made_by"))),
                name="model_approved_by_two",
            ),
        ]

    def __str__(self) -> str:
        return f"model {self.number}"


class Training(models.Model):
    """One training asked for at the desk, with how far it is and which model came out."""

    public_id = PublicIdField(prefix="fmt")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    label_delay_days = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=TrainingState.choices, default=TrainingState.QUEUED)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    model = models.OneToOneField(ModelVersion, null=True, on_delete=models.PROTECT, related_name="training")
    error = models.TextField(blank=True)
    actor = models.CharField(max_length=80)
    asked_at = models.DateTimeField()
    beat_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(state="done") | Q(model__isnull=False), name="training_made_a_model")]
        indexes = [models.Index(fields=["id"], name="training_waiting", condition=Q(state__in=["queued", "running"]))]

    def __str__(self) -> str:
        return f"training on {(self.to_at - self.from_at).days} days"
