"""Payment orders and files in the database: sent only with four eyes, frozen, moved lawfully; and the statements banks number."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = (Path(__file__).parent.parent / "dispatch" / "rules_payment_orders.sql").read_text()

DROP = """
DROP FUNCTION payment_order_may_exist CASCADE;
DROP FUNCTION dispatch_refuse_change CASCADE;
"""

# Collation "C" already serves prefix searches; Django's second index for them costs a write per order.
DROP_PREFIX_INDEXES = """
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT indexname FROM pg_indexes
                 WHERE schemaname = current_schema() AND tablename IN ('payouts_paymentorder', 'payouts_railfile', 'payouts_bankfileentry')
                   AND indexname LIKE '%\\_like'
    LOOP
        EXECUTE format('DROP INDEX %I', name);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0004_payout_run_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="BankStatement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=10)),
                ("account_iban", models.CharField(db_collation="C", max_length=34)),
                ("statement_id", models.CharField(max_length=80)),
                ("sequence", models.CharField(blank=True, max_length=20)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("from_on", models.DateField(null=True)),
                ("to_on", models.DateField(null=True)),
                ("opening_minor", models.BigIntegerField(null=True)),
                ("closing_minor", models.BigIntegerField(null=True)),
                ("entries_count", models.PositiveIntegerField(default=0)),
            ],
            options={
                "indexes": [models.Index(fields=["account_iban", "kind", "-to_on"], name="statement_by_account")],
            },
        ),
        migrations.AddField(
            model_name="bankfileentry",
            name="servicer_ref",
            field=models.CharField(
                blank=True, db_collation="C", help_text="The bank's own reference of the booking.", max_length=80
            ),
        ),
        migrations.AddField(
            model_name="paymentorder",
            name="last_called_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="bankfileentry",
            name="line_ref",
            field=models.CharField(
                db_collation="C", help_text="Statement or message, and the line's reference in it.", max_length=200
            ),
        ),
        migrations.AlterField(
            model_name="paymentorder",
            name="next_try_at",
            field=models.DateTimeField(help_text="By the database clock; empty: nothing to do or to ask.", null=True),
        ),
        migrations.AddIndex(
            model_name="paymentorder",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False), ("status__in", ["sent", "completed"])),
                fields=["next_try_at"],
                name="order_to_ask",
            ),
        ),
        migrations.AddField(
            model_name="bankstatement",
            name="bank_file",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="statements", to="payouts.bankfile"
            ),
        ),
        migrations.RunSQL(DROP_PREFIX_INDEXES, migrations.RunSQL.noop),
        migrations.RunSQL(SQL, DROP),
    ]
