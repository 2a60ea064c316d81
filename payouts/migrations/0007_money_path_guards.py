"""Further guards of the money path: postings whole at birth, runs and files moved lawfully, cool-offs and histories kept."""

from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent.parent / "runs" / "rules_0007.sql").read_text()
DROP = """
ALTER TABLE payouts_posting DROP CONSTRAINT posting_by_two;
DROP FUNCTION ledger_entries_whole CASCADE;
DROP FUNCTION money_path_refuse CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0006_earnings_light"), ("backoffice", "0009_approval_rules")]

    operations = [migrations.RunSQL(SQL, DROP)]
