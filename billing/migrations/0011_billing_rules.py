"""What the database itself keeps of plans, collection and subscriptions."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent.parent / "subscriptions"


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_plans_and_subscriptions"), ("backoffice", "0002_kit_functions")]

    operations = [migrations.RunSQL((HERE / "rules_0011.sql").read_text(), (HERE / "drop_0011.sql").read_text())]
