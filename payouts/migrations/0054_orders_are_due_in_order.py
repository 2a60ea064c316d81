"""Keep due orders in the very order they are taken up: a run makes 100,000 of them due at one moment, and each claim sorted them all."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0053_payouts_are_found_by_stage"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="paymentorder",
            name="order_due",
        ),
        migrations.RemoveIndex(
            model_name="paymentorder",
            name="order_to_ask",
        ),
        migrations.RemoveIndex(
            model_name="paymentorder",
            name="order_left_behind",
        ),
        migrations.AddIndex(
            model_name="paymentorder",
            index=models.Index(
                condition=models.Q(("status__in", ["approved", "sending", "unknown"])),
                fields=["next_try_at", "id"],
                name="order_due",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentorder",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False), ("status__in", ["sending", "unknown"])),
                fields=["next_try_at", "id"],
                name="order_left_behind",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentorder",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False), ("status__in", ["sent", "completed"])),
                fields=["next_try_at", "id"],
                name="order_to_ask",
            ),
        ),
    ]
