"""The rules of the ledger in the database: balance per statement, immutability, periods, rights, and the one writer."""

from pathlib import Path

from django.conf import settings
from django.db import migrations

SQL = (Path(__file__).parent.parent / "ledger" / "rules_0002.sql").read_text()

DROP = """
DROP FUNCTION ledger_post CASCADE;
DROP FUNCTION ledger_refuse_change CASCADE;
DROP FUNCTION ledger_keep_account CASCADE;
DROP FUNCTION ledger_entries_balance CASCADE;
DROP FUNCTION ledger_period_open CASCADE;
DROP TABLE ledger_chart;
"""


def revoke_rights(apps, schema_editor):
    """Take UPDATE, DELETE and TRUNCATE on posted rows from the role that works; where that role does not exist the triggers stand alone."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_APP_ROLE])
        if cursor.fetchone():
            role = schema_editor.quote_name(settings.DATABASE_APP_ROLE)
            schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON payouts_posting, payouts_entry FROM {role}")


class Migration(migrations.Migration):
    dependencies = [("payouts", "0001_initial"), ("backoffice", "0002_kit_functions")]

    operations = [
        migrations.RunSQL(SQL, DROP),
        migrations.RunPython(revoke_rights, migrations.RunPython.noop),
    ]
