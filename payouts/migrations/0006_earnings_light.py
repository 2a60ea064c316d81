"""Earnings are written by the million: no second index on their public ids, no row-by-row check of the import they came with."""

import django.db.models.deletion
from django.db import migrations, models

# Collation "C" already serves prefix searches; Django's second index for them costs a write per row.
DROP_PREFIX_INDEXES = """
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT indexname FROM pg_indexes
                 WHERE schemaname = current_schema()
                   AND tablename IN ('payouts_earning', 'payouts_earningimport', 'payouts_rejectedline', 'payouts_hold', 'payouts_reserveplan')
                   AND indexname LIKE '%\\_like'
    LOOP
        EXECUTE format('DROP INDEX %I', name);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0005_payment_order_rules"),
    ]

    operations = [
        migrations.RunSQL(DROP_PREFIX_INDEXES, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="earning",
            name="batch",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="earnings",
                to="payouts.earningimport",
            ),
        ),
        migrations.AlterField(
            model_name="rejectedline",
            name="batch",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="rejected_lines",
                to="payouts.earningimport",
            ),
        ),
    ]
