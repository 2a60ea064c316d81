"""The desk keeps the verdicts of the books."""

from django.db import migrations, models

import backoffice.kit.ids


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0005_roles")]

    operations = [
        migrations.CreateModel(
            name="BooksCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    backoffice.kit.ids.PublicIdField(db_collation="C", editable=False, max_length=40, prefix="chk", unique=True),
                ),
                ("checked_at", models.DateTimeField()),
                ("checked_by", models.CharField(max_length=80)),
                ("clean", models.BooleanField()),
                ("broken", models.PositiveIntegerField(default=0)),
                ("milliseconds", models.PositiveIntegerField(default=0)),
                ("verdicts", models.JSONField(default=list)),
            ],
            options={"verbose_name": "check of the books", "verbose_name_plural": "checks of the books"},
        ),
    ]
