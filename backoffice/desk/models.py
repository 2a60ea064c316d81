"""What the desk remembers: the verdicts of the books."""

from django.db import models

from backoffice.kit.ids import PublicIdField


class BooksCheck(models.Model):
    """One run of every truth: when, by whom, and what each of them said."""

    public_id = PublicIdField(prefix="chk")
    checked_at = models.DateTimeField()
    checked_by = models.CharField(max_length=80)
    is_clean = models.BooleanField()
    broken = models.PositiveIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(default=0)
    verdicts = models.JSONField(default=list)

    class Meta:
        verbose_name = "check of the books"
        verbose_name_plural = "checks of the books"

    def __str__(self) -> str:
        return "The books are clean" if self.is_clean else f"{self.broken} truths are broken"
