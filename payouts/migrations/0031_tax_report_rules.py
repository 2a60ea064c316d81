"""What was frozen stays, two people file, and each seller's next deadline says with which code payouts stop; and who may do what."""

from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent.parent / "reporting" / "rules_0030.sql").read_text()
DROP = """
DROP FUNCTION tax_report_open CASCADE;
DROP FUNCTION tax_report_guard CASCADE;
DROP TRIGGER tax_file_sealed ON payouts_taxreportfile;
DROP TRIGGER tax_file_kept ON payouts_taxreportfile;
"""
# Every deadline known so far is one of the catalogue's.
ENDS = "UPDATE payouts_sellercapabilities SET pay_out_ends_code = 'requirements_past_due' WHERE pay_out_ends_at IS NOT NULL"


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0030_tax_reports"),
        ("backoffice", "0020_roles_of_compliance"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(SQL, DROP),
        migrations.RunSQL(ENDS, migrations.RunSQL.noop),
    ]
