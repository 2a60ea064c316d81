"""The rules of payouts in the database: whole at birth, frozen, moved lawfully, approved by two; and only the indexes that are read."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = (Path(__file__).parent.parent / "runs" / "rules_payout_runs.sql").read_text()

DROP = """
DROP FUNCTION payout_born_whole CASCADE;
DROP FUNCTION payout_refuse_change CASCADE;
DROP FUNCTION payout_approved_by_two CASCADE;
DROP FUNCTION payout_run_content_hash;
DROP FUNCTION payout_day_on_or_before;
DROP FUNCTION payout_day_on_or_after;
"""

# Collation "C" already serves prefix searches; Django's second index for them costs a write per payout and status.
DROP_PREFIX_INDEXES = """
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT indexname FROM pg_indexes
                 WHERE schemaname = current_schema() AND tablename IN ('payouts_payout', 'payouts_payoutrun')
                   AND indexname LIKE '%\\_like'
    LOOP
        EXECUTE format('DROP INDEX %I', name);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0003_tiers_and_minimums")]

    operations = [
        migrations.AddField(
            "payoutrun",
            "kind",
            models.CharField(
                choices=[
                    ("scheduled", "whoever is due"),
                    ("catch_up", "everybody with money, whatever the schedule"),
                    ("single", "one seller on request"),
                ],
                default="scheduled",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            "payout",
            "payee_account",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payouts",
                to="payouts.payeeaccount",
            ),
        ),
        migrations.AlterField(
            "payout",
            "seller",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payouts",
                to="payouts.seller",
            ),
        ),
        migrations.AlterField(
            "runskip",
            "run",
            models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="skips", to="payouts.payoutrun"
            ),
        ),
        migrations.AlterField(
            "runskip",
            "seller",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="payouts.seller",
            ),
        ),
        migrations.RemoveIndex("payout", "payout_reference"),
        migrations.RunSQL(DROP_PREFIX_INDEXES, migrations.RunSQL.noop),
        migrations.RunSQL(SQL, DROP),
    ]
