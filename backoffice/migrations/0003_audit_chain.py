"""The audit trail cannot be rewritten: triggers, the chain's functions, and the rights of the role that works."""

from pathlib import Path

from django.conf import settings
from django.db import migrations

SQL = (Path(__file__).parent.parent / "staff" / "audit_0003.sql").read_text()

DROP = """
DROP FUNCTION audit_seal(int);
DROP FUNCTION audit_digest(text, text, text, text, text, text, jsonb, timestamptz);
DROP FUNCTION audit_born_unsealed CASCADE;
DROP FUNCTION audit_refuse_change CASCADE;
"""


def revoke_rights(apps, schema_editor):
    """Leave the role that works the right to insert and to fill in the chain, nothing else."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_APP_ROLE])
        if cursor.fetchone():
            role = schema_editor.quote_name(settings.DATABASE_APP_ROLE)
            schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON backoffice_auditentry FROM {role}")
            schema_editor.execute(f"GRANT UPDATE (chain_no, chain_hash) ON backoffice_auditentry TO {role}")


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0002_kit_functions")]

    operations = [
        migrations.RunSQL(SQL, DROP),
        migrations.RunPython(revoke_rights, migrations.RunPython.noop),
    ]
