"""Find payouts by a stage the database derives, so that moves of their status write no index (decision 96)."""

from pathlib import Path

from django.db import migrations, models

ROOM = Path(__file__).parent.parent / "runs"
EARLIER = (ROOM / "rules_payout_runs.sql").read_text()
BY_TWO = EARLIER[EARLIER.index("CREATE FUNCTION payout_approved_by_two") : EARLIER.index("CREATE TRIGGER payout_approved_by_two")]


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0052_frozen_content_is_watched_when_named"),
    ]

    operations = [
        # before the column, whose addition writes the table anew: half of every page stays free for the next version of its rows
        migrations.RunSQL("ALTER TABLE payouts_payout SET (fillfactor = 45)", "ALTER TABLE payouts_payout RESET (fillfactor)"),
        migrations.RemoveConstraint(
            model_name="payout",
            name="one_open_payout",
        ),
        migrations.RemoveIndex(
            model_name="payout",
            name="payout_status",
        ),
        migrations.RemoveIndex(
            model_name="payout",
            name="payout_paid",
        ),
        migrations.AddField(
            model_name="payout",
            name="stage",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(
                        status__in=["needs_approval", "approved", "held", "pending", "in_transit"], then=models.Value("open")
                    ),
                    models.When(status="paid", then=models.Value("paid")),
                    default=models.Value("ended"),
                ),
                output_field=models.CharField(
                    choices=[("open", "under way"), ("paid", "paid"), ("ended", "ended unpaid")], max_length=5
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(fields=["stage", "id"], name="payout_stage"),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(condition=models.Q(("stage", "paid")), fields=["paid_at"], name="payout_paid"),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.UniqueConstraint(
                condition=models.Q(("stage", "open")), fields=("seller", "currency"), name="one_open_payout"
            ),
        ),
        migrations.RunSQL((ROOM / "rules_0053.sql").read_text(), BY_TWO.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")),
    ]
