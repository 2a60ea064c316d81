"""The life of a rule's version."""

from django.db import models

from backoffice.kit.states import machine


class RuleState(models.TextChoices):
    DRAFT = "draft", "draft"
    SHADOW = "shadow", "in the shadow"
    WAITING = "waiting", "waits for a second person"
    APPROVED = "approved", "approved"
    LIVE = "live", "live"
    REPLACED = "replaced", "replaced"
    STOPPED = "stopped", "stopped"
    RETIRED = "retired", "retired"


S = RuleState
RULE = machine(
    "rule_version",
    "fraud_ruleversion",
    RuleState,
    {
        "": [S.DRAFT],
        S.DRAFT: [S.SHADOW, S.RETIRED],
        S.SHADOW: [S.WAITING, S.STOPPED, S.RETIRED],
        S.WAITING: [S.APPROVED, S.SHADOW, S.RETIRED],
        S.APPROVED: [S.LIVE, S.RETIRED],
        S.LIVE: [S.REPLACED, S.STOPPED, S.RETIRED],
        S.REPLACED: [S.LIVE, S.RETIRED],
        S.STOPPED: [S.RETIRED],
    },
    column="state",
)
# Asked with every decision of their point: the live ones count, the others are only written down.
EVALUATED = (S.SHADOW, S.WAITING, S.APPROVED, S.LIVE)
