"""What is kept of reserves, rules and nights; the sums of the nights there are; and the sales that still wait for their decision."""

from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent.parent / "decisions" / "rules_0026.sql").read_text()
DROP = """
DROP TRIGGER risk_reserve_kept ON fraud_riskreserve;
DROP TRIGGER risk_reserve_frozen ON fraud_riskreserve;
DROP TRIGGER rule_version_reserve_frozen ON fraud_ruleversion;
DROP TRIGGER exposure_night_frozen ON fraud_exposurenight;
"""
NIGHTS = """
INSERT INTO fraud_exposurenight ("on", currency, sellers, exposure_minor, unsettled_minor, disputed_minor, debt_minor, advance_minor, reserved_minor,
                                warn, critical)
SELECT "on", currency, count(*), sum(exposure_minor), sum(unsettled_minor), sum(disputed_minor), sum(debt_minor), sum(advance_minor), sum(reserved_minor),
       count(*) FILTER (WHERE level = 'warn'), count(*) FILTER (WHERE level = 'critical')
  FROM fraud_exposuresnapshot GROUP BY 1, 2
"""
# Sales came to their decision by a mark before; behind it, and pending, they wait from now on. Without a rule about sales none did.
WAITING = """
INSERT INTO fraud_saletodecide (earning_id, asked_at, tries, error)
SELECT e.id, now(), 0, '' FROM payouts_earning e JOIN fraud_fraudevent v ON v.ref = left(e.source || ':' || e.external_id, 250)
 WHERE e.kind = 'sale' AND e.pending_minor > 0 AND v.id > (SELECT mark FROM fraud_feed WHERE name = 'sales_decided')
   AND EXISTS (SELECT 1 FROM fraud_ruleversion r JOIN fraud_rule n ON n.id = r.rule_id
                WHERE n.point = 'sale' AND r.state IN ('shadow', 'waiting', 'approved', 'live'))
   AND NOT EXISTS (SELECT 1 FROM fraud_decision d WHERE d.event_id = v.id)
"""


class Migration(migrations.Migration):
    dependencies = [("fraud", "0025_gates_reserves_trainings_nights")]

    operations = [
        migrations.RunSQL(SQL, DROP),
        migrations.RunSQL(NIGHTS, "DELETE FROM fraud_exposurenight"),
        migrations.RunSQL(WAITING, "DELETE FROM fraud_saletodecide"),
    ]
