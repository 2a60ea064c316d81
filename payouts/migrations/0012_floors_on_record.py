"""Floors are decided in one place, recorded with actor and reason, and follow a debt up as it shrinks."""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

SQL = (Path(__file__).parent.parent / "ledger" / "floors_0012.sql").read_text()
DROP = """
DROP FUNCTION ledger_set_floors;
DROP FUNCTION ledger_tighten_floor CASCADE;
DROP FUNCTION ledger_floor_of_chart CASCADE;
DROP TRIGGER floor_change_kept ON payouts_floorchange;
"""
SET_FLOORS = "ledger_set_floors(text[], bigint[], text[], bigint[], text, text, timestamptz)"


def take_rights(apps, schema_editor):
    """Leave the role that works the balances and the function; not the floors, their record, or the chart."""
    with schema_editor.connection.cursor() as cursor:
        # a function with its owner's rights names its schema: nobody puts a table of theirs in front of ours
        cursor.execute("SELECT quote_ident(current_schema()), 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_APP_ROLE])
        row = cursor.fetchone()
        cursor.execute("SELECT quote_ident(current_schema())")
        schema_editor.execute(f"ALTER FUNCTION {SET_FLOORS} SET search_path = {cursor.fetchone()[0]}, pg_temp")
        if row:
            role = schema_editor.quote_name(settings.DATABASE_APP_ROLE)
            schema_editor.execute(f"REVOKE ALL ON FUNCTION {SET_FLOORS} FROM PUBLIC")
            schema_editor.execute(f"GRANT EXECUTE ON FUNCTION {SET_FLOORS} TO {role}")
            schema_editor.execute(f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON payouts_floorchange, ledger_chart FROM {role}")
            schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON payouts_balance FROM {role}")
            schema_editor.execute(f"GRANT UPDATE (amount_minor) ON payouts_balance TO {role}")


def give_rights_back(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_APP_ROLE])
        if cursor.fetchone():
            role = schema_editor.quote_name(settings.DATABASE_APP_ROLE)
            schema_editor.execute(f"GRANT UPDATE, DELETE ON payouts_balance TO {role}")
            schema_editor.execute(f"GRANT INSERT, UPDATE, DELETE ON ledger_chart TO {role}")


class Migration(migrations.Migration):
    dependencies = [("payouts", "0011_absence_by_two")]

    operations = [
        migrations.AddField(
            "balance",
            "floor_wanted_minor",
            models.BigIntegerField(
                help_text="Where the floor is going: set while the balance is below it, and the floor follows up.", null=True
            ),
        ),
        migrations.CreateModel(
            name="FloorChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("floor_minor", models.BigIntegerField()),
                ("actor", models.CharField(max_length=80)),
                ("reason", models.CharField(max_length=200)),
                ("recorded_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="floor_changes", to="payouts.account"
                    ),
                ),
            ],
        ),
        migrations.RunSQL(SQL, DROP),
        migrations.RunPython(take_rights, give_rights_back),
    ]
