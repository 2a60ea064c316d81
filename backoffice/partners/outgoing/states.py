"""States of an endpoint and of a delivery, with their allowed moves."""

from django.db import models

from backoffice.kit.states import machine


class EndpointStatus(models.TextChoices):
    """DEGRADED is tried one delivery at a time; the three DISABLED ones get nothing until somebody enables them."""

    ENABLED = "enabled", "enabled"
    DEGRADED = "degraded", "degraded"
    DISABLED_AUTO = "disabled_auto", "disabled after days of failures"
    DISABLED_BY_USER = "disabled_by_user", "disabled"
    DISABLED_GONE = "disabled_gone", "gone: it answered 410"


class DeliveryStatus(models.TextChoices):
    """PENDING waits for its time, SENDING is leased, FAILED used all its tries, SKIPPED met a disabled endpoint."""

    PENDING = "pending", "to be sent"
    SENDING = "sending", "being sent"
    SUCCEEDED = "succeeded", "delivered"
    FAILED = "failed", "given up"
    SKIPPED = "skipped", "skipped"


E = EndpointStatus
LIVE = (E.ENABLED, E.DEGRADED)
DISABLED = (E.DISABLED_AUTO, E.DISABLED_BY_USER, E.DISABLED_GONE)
ENDPOINT = machine(
    "webhook_endpoint",
    "backoffice_webhookendpoint",
    EndpointStatus,
    {
        "": [E.ENABLED],
        E.ENABLED: [E.DEGRADED, *DISABLED],
        E.DEGRADED: [E.ENABLED, *DISABLED],
        E.DISABLED_AUTO: [E.ENABLED, E.DISABLED_BY_USER],
        E.DISABLED_GONE: [E.ENABLED, E.DISABLED_BY_USER],
        E.DISABLED_BY_USER: [E.ENABLED],
    },
)

D = DeliveryStatus
ENDED = (D.SUCCEEDED, D.FAILED, D.SKIPPED)
DELIVERY = machine(
    "webhook_delivery",
    "backoffice_webhookdelivery",
    DeliveryStatus,
    {
        "": [D.PENDING],
        D.PENDING: [D.SENDING, D.SKIPPED],
        D.SENDING: [D.SUCCEEDED, D.PENDING, D.FAILED, D.SKIPPED],
        **{ended: [D.PENDING] for ended in ENDED},
    },
)
