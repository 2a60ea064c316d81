"""The audit trail: each privileged act, once, chained by hashes; and what sign-in remembers."""

from django.conf import settings
from django.db import models

from backoffice.kit.ids import PublicIdField


class AuditEntry(models.Model):
    """Who did what to which subject and why. Inserted in the act's transaction; sealed into the chain afterwards, in batches."""

    public_id = PublicIdField(prefix="aud")
    actor = models.CharField(max_length=80)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=80)
    reason = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    at = models.DateTimeField()
    chain_no = models.BigIntegerField(null=True, unique=True)
    chain_hash = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["subject", "id"], name="audit_subject"),
            models.Index(fields=["actor", "id"], name="audit_actor"),
            models.Index(fields=["id"], name="audit_unsealed", condition=models.Q(chain_no__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class LoginAttempt(models.Model):
    """How often signing in to one account failed lately; known and unknown accounts alike, so that the answer never tells which."""

    account = models.CharField(max_length=64, unique=True, help_text="Keyed hash of what was typed as user name.")
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(db_index=True)
    locked_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.failures} failed"


class SignInLink(models.Model):
    """One way in for somebody who has no password yet: works once, and not for long. Only a hash of the link is kept."""

    public_id = PublicIdField(prefix="sil")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.public_id}"
