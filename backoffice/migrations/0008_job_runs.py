"""One row a job and slot: any number of schedulers ring, one run happens."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0007_roles_of_the_desk"),
    ]

    operations = [
        migrations.CreateModel(
            name="JobRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job", models.CharField(max_length=60)),
                ("scheduled_for", models.DateTimeField()),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("ok", models.BooleanField(null=True)),
                ("answer", models.JSONField(null=True)),
                ("error", models.TextField(blank=True)),
            ],
            options={
                "indexes": [models.Index(fields=["scheduled_for"], name="job_run_age")],
                "constraints": [models.UniqueConstraint(fields=("job", "scheduled_for"), name="job_once_a_slot")],
            },
        ),
    ]
