"""An import counts the progress of each of its shares."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0008_desk_look_ups"),
    ]

    operations = [
        migrations.AddField(
            model_name="earningimport",
            name="shares",
            field=models.JSONField(
                default=dict, help_text="How the file is cut for booking, and how many chunks each share has done."
            ),
        ),
    ]
