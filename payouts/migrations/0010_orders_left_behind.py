"""Crashed and unknown orders are found without walking past a queue of fresh ones."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0009_imports_in_shares"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="paymentorder",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False), ("status__in", ["sending", "unknown"])),
                fields=["next_try_at"],
                name="order_left_behind",
            ),
        ),
    ]
