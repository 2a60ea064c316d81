"""A further attempt after the second needs an approval by two in the database, too."""

from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent.parent / "dispatch" / "rules_0011.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("payouts", "0010_orders_left_behind"), ("backoffice", "0012_roles_for_second_looks")]

    operations = [migrations.RunSQL(SQL, "DROP FUNCTION payment_order_absent_by_two CASCADE")]
