"""Listed values and the versions of the lists."""

from django.db import models
from django.db.models import F, Q

from backoffice.kit.crypto import SealedField
from backoffice.kit.ids import PublicIdField
from fraud.lists.states import ListedState


class ListKind(models.TextChoices):
    ALLOWED = "allowed", "allowed"
    BLOCKED = "blocked", "blocked"
    WATCHED = "watched", "watched"


class ValueKind(models.TextChoices):
    EMAIL = "email", "email address"
    PHONE = "phone", "phone number"
    DEVICE = "device", "device"
    IBAN = "iban", "bank account"
    PERSON = "person", "person"
    COUNTRY = "country", "country"
    SELLER = "seller", "seller"
    BUYER = "buyer", "buyer"


class ListedValue(models.Model):
    """One value on one list. The value is sealed and found by its blind index; screens show `shown`.

    An allowed value always ends and was let in by a second person; an absolute block is beaten by nothing.
    """

    public_id = PublicIdField(prefix="lsv")
    list = models.CharField(max_length=8, choices=ListKind.choices)
    kind = models.CharField(max_length=8, choices=ValueKind.choices)
    value = SealedField()
    value_index = models.CharField(max_length=64, db_collation="C")
    shown = models.CharField(max_length=80)
    absolute = models.BooleanField(default=False)
    reason = models.TextField()
    owner = models.CharField(max_length=80)
    expires_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=8, choices=ListedState.choices)
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()
    approved_by = models.CharField(max_length=80, blank=True)
    since_version = models.BigIntegerField(null=True)
    ended_version = models.BigIntegerField(null=True)
    ended_by = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(list="allowed") | Q(expires_at__isnull=False), name="allowed_ends"),
            models.CheckConstraint(
                condition=~(Q(list="allowed") & Q(state__in=["active", "ended"]))
                | (~Q(approved_by="") & ~Q(approved_by=F("made_by"))),
                name="allowed_by_two",
            ),
            models.CheckConstraint(condition=Q(list="blocked") | Q(absolute=False), name="only_blocks_are_absolute"),
            models.CheckConstraint(condition=~Q(reason=""), name="listed_with_reason"),
            models.UniqueConstraint(
                fields=["list", "kind", "value_index"], condition=Q(state__in=["waiting", "active"]), name="listed_once"
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "value_index"], name="listed_look_up", condition=Q(state="active")),
            models.Index(fields=["expires_at"], name="listed_ends", condition=Q(state="active", expires_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.get_list_display()} {self.get_kind_display()} {self.shown}"


class ListsVersion(models.Model):
    """One change of the lists; decisions name the version they saw."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    added = models.PositiveIntegerField(default=0)
    ended = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"lists {self.pk}"
