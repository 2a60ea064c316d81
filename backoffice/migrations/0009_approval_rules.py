"""Approvals and histories in the database: decided by a second person, spent once, never edited."""

from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent.parent / "kit" / "approvals_0009.sql").read_text()
DROP = "DROP FUNCTION kit_refuse_change CASCADE;"


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0008_job_runs")]

    operations = [migrations.RunSQL(SQL, DROP)]
