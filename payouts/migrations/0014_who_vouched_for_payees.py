"""Who said that a payee account can be used again, and who recorded its name check: neither approves the run that pays there."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0013_external_ids_within_partner"),
    ]

    operations = [
        migrations.AddField(
            model_name="payeeaccount",
            name="name_checked_by",
            field=models.CharField(blank=True, db_default="", max_length=80),
        ),
        migrations.AddField(
            model_name="payeeaccount",
            name="reactivated_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="payeeaccount",
            name="reactivated_by",
            field=models.CharField(blank=True, db_default="", help_text="Who last said it can be used after all.", max_length=80),
        ),
    ]
