"""Inbound events: one index fewer to write at the door."""

from django.db import migrations

# Django adds a second index for LIKE to every unique text column. This one sorts by bytes (COLLATE "C"), so the unique index serves LIKE itself.
DROP_TWIN = "DROP INDEX IF EXISTS billing_inboundevent_public_id_f787a2cb_like"
BACK = "CREATE INDEX billing_inboundevent_public_id_f787a2cb_like ON billing_inboundevent (public_id varchar_pattern_ops)"


class Migration(migrations.Migration):
    dependencies = [("billing", "0051_reconciliation_rules")]

    operations = [migrations.RunSQL(DROP_TWIN, BACK)]
