"""Payments and refunds in the database: what is frozen, never more back than came, two people above the limit; the first limits, and who may do what."""

from datetime import UTC, datetime
from pathlib import Path

from django.db import migrations

from backoffice.kit.ids import new_id

SQL = (Path(__file__).parent.parent / "refunds" / "rules_0031.sql").read_text()
DROP = """
DROP FUNCTION billing_refuse_change CASCADE;
DROP FUNCTION billing_refund_guard CASCADE;
DROP FUNCTION billing_dispute_guard CASCADE;
DROP FUNCTION billing_within_captured;
DROP FUNCTION billing_refund_by_two CASCADE;
DROP FUNCTION billing_born_requested CASCADE;
"""
REASON = "The first limit: about what an operator of a shop decides alone. Two people change it."
AT = datetime(2026, 11, 21, tzinfo=UTC)
# about 200 EUR each
LIMITS = {
    "EUR": 20_000, "USD": 20_000, "GBP": 20_000, "CHF": 20_000, "JPY": 30_000, "SEK": 200_000, "DKK": 150_000, "PLN": 80_000,
    "TND": 600_000,
}  # fmt: skip


def write(apps, schema_editor):
    """Write the first limits with their history, unless there are any."""
    limit = apps.get_model("billing", "RefundLimit")
    if not limit.objects.exists():
        for currency, minor in LIMITS.items():
            made = limit.objects.create(
                public_id=new_id("rfl"), currency=currency, limit_minor=minor, state="in_force", reason=REASON,
                made_by="system:migration", made_at=AT, in_force_at=AT,
            )  # fmt: skip
            apps.get_model("backoffice", "StateChange").objects.create(
                subject="refund_limit", subject_id=made.pk, from_state="", to_state="in_force", actor="system:migration",
                reason=REASON, at=AT,
            )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0030_payments_and_refunds"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunSQL(SQL, DROP), migrations.RunPython(write, migrations.RunPython.noop)]
