"""The life of a model's version."""

from django.db import models

from backoffice.kit.states import machine


class ModelState(models.TextChoices):
    WAITING = "waiting", "waits for a second person"
    LIVE = "live", "live"
    REPLACED = "replaced", "replaced"
    REFUSED = "refused", "refused"
    RETIRED = "retired", "retired"


S = ModelState
MODEL = machine(
    "model_version",
    "fraud_modelversion",
    ModelState,
    {"": [S.WAITING], S.WAITING: [S.LIVE, S.REFUSED], S.LIVE: [S.REPLACED, S.RETIRED], S.REPLACED: [S.LIVE, S.RETIRED]},
    column="state",
)
