"""What the fake gateway remembers: its own truth, which no verb of ours reads but through the port."""

from django.db import models


class FakeObject(models.Model):
    """One customer, card set-up, payment, refund or dispute at the fake; `key` made it, `behaviour` says how it will go on."""

    kind = models.CharField(max_length=10)
    ref = models.CharField(max_length=40, unique=True, db_collation="C")
    key = models.CharField(max_length=120, db_collation="C")
    fingerprint = models.CharField(max_length=64)
    reference = models.CharField(max_length=60, db_collation="C")
    parent_ref = models.CharField(max_length=40, blank=True, db_collation="C")
    status = models.CharField(max_length=30)
    code = models.CharField(max_length=80, blank=True)
    behaviour = models.CharField(max_length=40, blank=True)
    method_ref = models.CharField(max_length=120, blank=True)
    customer_ref = models.CharField(max_length=120, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    amount_minor = models.BigIntegerField(default=0)
    times_asked = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="fake_object_once")]
        indexes = [
            models.Index(fields=["kind", "reference"], name="fake_object_reference"),
            models.Index(fields=["parent_ref"], name="fake_object_parent"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.ref}"
