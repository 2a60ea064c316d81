"""The audit trail: each privileged act, once, chained by hashes."""

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
        indexes = [
            models.Index(fields=["subject", "id"], name="audit_subject"),
            models.Index(fields=["actor", "id"], name="audit_actor"),
            models.Index(fields=["id"], name="audit_unsealed", condition=models.Q(chain_no__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
