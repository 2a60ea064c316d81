"""Indexes of events and decisions: windows summed from the index alone, and none that repeats another."""

import django.db.models.deletion
from django.db import migrations, models

# Django adds a second index for LIKE to every unique text column. These columns sort by bytes (COLLATE "C"), so the unique index itself serves
# LIKE, and the second one only makes each insert dearer.
DROP_TWINS = """
DROP INDEX IF EXISTS fraud_fraudevent_public_id_0797205b_like, fraud_fraudevent_ref_1818df49_like, fraud_decision_public_id_1d58c46d_like;
"""
BACK = """
CREATE INDEX fraud_fraudevent_public_id_0797205b_like ON fraud_fraudevent (public_id varchar_pattern_ops);
CREATE INDEX fraud_fraudevent_ref_1818df49_like ON fraud_fraudevent (ref varchar_pattern_ops);
CREATE INDEX fraud_decision_public_id_1d58c46d_like ON fraud_decision (public_id varchar_pattern_ops);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("fraud", "0021_case_rules"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="fraudevent",
            name="event_of_seller",
        ),
        migrations.RemoveIndex(
            model_name="fraudevent",
            name="event_of_country",
        ),
        migrations.AlterField(
            model_name="decision",
            name="rule_set",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="fraud.ruleset"
            ),
        ),
        migrations.AddIndex(
            model_name="fraudevent",
            index=models.Index(
                condition=models.Q(("kind", "sale"), models.Q(("seller", ""), _negated=True)),
                fields=["seller", "at"],
                include=("id", "amount_minor", "currency"),
                name="event_of_seller",
            ),
        ),
        migrations.AddIndex(
            model_name="fraudevent",
            index=models.Index(
                condition=models.Q(("kind", "sale"), models.Q(("country", ""), _negated=True)),
                fields=["country", "at"],
                include=("id", "amount_minor", "currency"),
                name="event_of_country",
            ),
        ),
        migrations.RunSQL(DROP_TWINS, BACK),
    ]
