"""Policies: one table for the figures of several rooms, each kind checked by the room that reads it."""

from django.db import models
from django.db.models import F, Q

from backoffice.kit.ids import PublicIdField
from fraud.policies.states import FraudPolicyState


class PolicyKind(models.TextChoices):
    CASES = "cases", "work on cases"
    EXPOSURE = "exposure", "thresholds of exposure"
    REPORTS = "reports", "who reports suspicions"


class FraudPolicy(models.Model):
    """One version of one kind's figures. The one in force counts; version 1 comes with the installation and has no second person."""

    public_id = PublicIdField(prefix="fpo")
    kind = models.CharField(max_length=10, choices=PolicyKind.choices)
    number = models.PositiveIntegerField()
    content = models.JSONField()
    state = models.CharField(max_length=10, choices=FraudPolicyState.choices, default=FraudPolicyState.PROPOSED)
    reason = models.TextField()
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    approved_by = models.CharField(max_length=80, blank=True)
    in_force_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "fraud policies"
        constraints = [
            models.UniqueConstraint(fields=["kind", "number"], name="fraud_policy_number"),
            models.UniqueConstraint(fields=["kind"], condition=Q(state="in_force"), name="one_fraud_policy"),
            models.UniqueConstraint(fields=["kind"], condition=Q(state="proposed"), name="one_proposed_fraud_policy"),
            models.CheckConstraint(condition=~Q(made_by=F("approved_by")), name="fraud_policy_by_two"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, version {self.number}"
