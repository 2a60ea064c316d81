"""The account devices are bought on, the tier consumers are opened in, what of a trade-in stays as it was, and who may do what."""

from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent.parent / "tradeins" / "rules_0043.sql").read_text()
DROP = "DROP FUNCTION trade_in_fixed CASCADE;"
ACCOUNT = "INSERT INTO ledger_chart (code, normal_sign, guarded, floor_minor) VALUES ('purchase.trade_in', 1, false, NULL)"
NO_ACCOUNT = "DELETE FROM ledger_chart WHERE code = 'purchase.trade_in'"
# Paid as soon as the device is accepted, a changed account cools off like everybody's, and nobody is lent anything.
TIER = {"name": "Consumer", "delay_days": 0, "cool_off_hours": 72, "debt_limit": 0}


def write(apps, schema_editor):
    apps.get_model("payouts", "Tier").objects.get_or_create(code="consumer", defaults=TIER)


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0042_trade_ins"),
        ("backoffice", "0022_roles_of_webhooks"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(SQL, DROP),
        migrations.RunSQL(ACCOUNT, NO_ACCOUNT),
        migrations.RunPython(write, migrations.RunPython.noop),
    ]
