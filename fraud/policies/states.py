"""States of policies."""

from django.db import models

from backoffice.kit.states import machine


class FraudPolicyState(models.TextChoices):
    PROPOSED = "proposed", "waiting for a second person"
    IN_FORCE = "in_force", "in force"
    REPLACED = "replaced", "replaced"
    REFUSED = "refused", "refused"


S = FraudPolicyState
FRAUD_POLICY = machine(
    "fraud_policy",
    "fraud_fraudpolicy",
    FraudPolicyState,
    {"": [S.PROPOSED, S.IN_FORCE], S.PROPOSED: [S.IN_FORCE, S.REFUSED, S.REPLACED], S.IN_FORCE: [S.REPLACED]},
    column="state",
)
