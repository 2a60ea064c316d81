"""Endpoints of partners, what is delivered to them, and every attempt."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from backoffice.kit.outbox import Event
from backoffice.partners.models import Partner
from backoffice.partners.outgoing.states import DeliveryStatus, EndpointStatus


class WebhookEndpoint(models.Model):
    """An address of a partner that is told of its events. `event_types` are patterns such as `payout.*`; none means all."""

    public_id = PublicIdField(prefix="whe")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="webhook_endpoints")
    url = models.CharField("URL", max_length=500)
    description = models.CharField(max_length=120, blank=True)
    event_types = ArrayField(models.CharField(max_length=60), default=list)
    status = models.CharField(max_length=20, choices=EndpointStatus.choices, default=EndpointStatus.ENABLED)
    secret = SealedField()
    previous_secret = SealedField(blank=True, default="")
    previous_until = models.DateTimeField(null=True)
    failures_in_row = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    noticed_at = models.DateTimeField(null=True)
    paused_until = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["failing_since"], name="endpoint_failing", condition=models.Q(failing_since__isnull=False))
        ]

    def __str__(self) -> str:
        return self.public_id


class WebhookDelivery(models.Model):
    """One event for one endpoint. `sequence` counts the events of its subject; `tries` counts the attempts since it was (re)started."""

    public_id = PublicIdField(prefix="del")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+")
    sequence = models.PositiveBigIntegerField()
    status = models.CharField(max_length=12, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    claim = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    last_code = models.CharField(max_length=40, blank=True)
    ended_at = models.DateTimeField(null=True)
    replays = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [models.UniqueConstraint(fields=["endpoint", "event"], name="delivery_once")]
        indexes = [
            models.Index(fields=["endpoint", "next_attempt_at"], name="delivery_due", condition=models.Q(status="pending")),
            models.Index(fields=["lease_until"], name="delivery_leased", condition=models.Q(status="sending")),
            models.Index(fields=["endpoint", "id"], name="delivery_of_endpoint"),
            models.Index(fields=["ended_at"], name="delivery_failed", condition=models.Q(status="failed")),
        ]

    def __str__(self) -> str:
        return self.public_id


class DeliveryAttempt(models.Model):
    """One request and what came of it. `http_status` is null where there was no answer; `code` says why then. Appended, never edited."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    ms = models.PositiveIntegerField()
    http_status = models.PositiveSmallIntegerField(null=True)
    code = models.CharField(max_length=40)
    answer = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="attempt_numbered_once")]
        indexes = [models.Index(fields=["started_at"], name="attempt_to_forget", condition=~models.Q(answer=""))]

    def __str__(self) -> str:
        return f"{self.number}: {self.code}"
