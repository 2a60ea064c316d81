"""The provider's own lines of its payouts have an index: they were looked for among all its lines, once for each payout."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0052_no_twin_of_event_ids"),
        ("payouts", "0041_capabilities_named"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="stagedline",
            index=models.Index(
                condition=models.Q(("kind__in", ["payout", "payout_failure", "payout_cancel"]), ("source", "provider")),
                fields=["holder", "provider_ref"],
                name="staged_line_of_payout",
            ),
        ),
    ]
