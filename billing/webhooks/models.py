"""Inbound events as they came, what was refused at the door, and how far the healer has read."""

from django.db import models

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from billing.webhooks.states import NoticeState


class Source(models.TextChoices):
    DOOR = "door", "sent to us"
    HEALER = "healer", "found in the provider's list"


class InboundEvent(models.Model):
    """One event of a provider whose signature held. `raw` is the body, byte for byte, packed and sealed: it names people (decision 54)."""

    public_id = PublicIdField(prefix="iev")
    provider = models.CharField(max_length=20, db_collation="C")
    account = models.CharField(max_length=60, blank=True, db_collation="C")
    event_ref = models.CharField(max_length=120, db_collation="C")
    type = models.CharField(max_length=80, db_collation="C")
    kind = models.CharField(max_length=40, db_collation="C", help_text="What object it is about, such as dispute.")
    object_ref = models.CharField(max_length=120, db_collation="C")
    livemode = models.BooleanField()
    api_version = models.CharField(max_length=40, blank=True)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.DOOR)
    raw = SealedField(blank=True, default="")
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=NoticeState.choices, default=NoticeState.RECEIVED)
    claim = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField()
    code = models.CharField(max_length=60, blank=True)
    last_error = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True)
    replays = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "account", "event_ref"], name="inbound_event_once")]
        indexes = [
            models.Index(
                fields=["next_try_at", "id"], name="inbound_waiting", condition=models.Q(state__in=["received", "retry"])
            ),
            models.Index(fields=["lease_until"], name="inbound_leased", condition=models.Q(state="processing")),
            models.Index(
                fields=["provider", "kind", "object_ref"],
                name="inbound_open_object",
                condition=models.Q(state__in=["received", "processing", "retry"]),
            ),
            models.Index(fields=["ended_at"], name="inbound_dead", condition=models.Q(state="dead")),
            models.Index(fields=["object_ref", "id"], name="inbound_object"),
            models.Index(fields=["received_at"], name="inbound_to_forget", condition=~models.Q(raw="")),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_ref}"


class RefusedNotice(models.Model):
    """How many bodies were refused at the door, by day and why; nothing of them is kept."""

    provider = models.CharField(max_length=20)
    on = models.DateField()
    code = models.CharField(max_length=40)
    count = models.BigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "on", "code"], name="refused_notice_once")]

    def __str__(self) -> str:
        return f"{self.on} {self.code}"


class HealerMark(models.Model):
    """Up to when the provider's own list of events has been read, and what was found missing."""

    provider = models.CharField(max_length=20, unique=True)
    read_until = models.DateTimeField()
    read_at = models.DateTimeField()
    found = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.provider
