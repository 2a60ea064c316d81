"""Compare the frozen columns of a payout only when an update names one of them."""

from pathlib import Path

from django.db import migrations

ROOM = Path(__file__).parent.parent / "runs"
SQL = (ROOM / "rules_0052.sql").read_text()
DROP = "DROP TRIGGER payout_content_frozen ON payouts_payout;"


class Migration(migrations.Migration):
    dependencies = [("payouts", "0051_files_of_banks_are_sealed")]

    operations = [
        migrations.RunSQL(
            DROP + SQL,
            DROP + SQL.replace(SQL[SQL.index("BEFORE UPDATE OF") : SQL.index("ON payouts_payout")], "BEFORE UPDATE "),
        )
    ]
