"""The life of a model's version, and of the training that makes one."""

from django.db import models

from backoffice.kit.states import machine


class ModelState(models.TextChoices):
    WAITING = "waiting", "waits for a second person"
    LIVE = "live", "live"
    REPLACED = "replaced", "replaced"
    REFUSED = "refused", "refused"
    RETIRED = "retired", "retired"


class TrainingState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"


S = ModelState
MODEL = machine(
    "model_version",
    "fraud_modelversion",
    ModelState,
    {"": [S.WAITING], S.WAITING: [S.LIVE, S.REFUSED], S.LIVE: [S.REPLACED, S.RETIRED], S.REPLACED: [S.LIVE, S.RETIRED]},
    column="state",
)
T = TrainingState
TRAINING = machine(
    "model_training",
    "fraud_training",
    TrainingState,
    {"": [T.QUEUED], T.QUEUED: [T.RUNNING], T.RUNNING: [T.DONE, T.FAILED, T.QUEUED]},
    column="state",
)
