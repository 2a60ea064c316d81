"""States of listed values, with their allowed moves."""

from django.db import models

from backoffice.kit.states import machine


class ListedState(models.TextChoices):
    WAITING = "waiting", "waits for a second person"
    ACTIVE = "active", "in force"
    REFUSED = "refused", "refused"
    ENDED = "ended", "ended"


S = ListedState
LISTED = machine(
    "listed_value",
    "fraud_listedvalue",
    ListedState,
    {"": [S.WAITING, S.ACTIVE], S.WAITING: [S.ACTIVE, S.REFUSED], S.ACTIVE: [S.ENDED]},
    column="state",
)
