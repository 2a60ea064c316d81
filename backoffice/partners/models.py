"""Partners and their API keys."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from backoffice.kit.ids import PublicIdField


class Partner(models.Model):
    """Somebody whose systems call the API: a seller's own system, or a platform that runs many sellers."""

    public_id = PublicIdField(prefix="par")
    name = models.CharField(max_length=120)
    livemode = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A key of one partner: shown once, stored as a hash, carrying scopes."""

    public_id = PublicIdField(prefix="key")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="keys")
    label = models.CharField(max_length=80)
    hash = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=16)
    scopes = ArrayField(models.CharField(max_length=40), default=list)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.label})"
