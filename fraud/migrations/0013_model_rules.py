"""Models and wanted holds in the database: what is frozen, what takes two people, and who may train and approve."""

from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent.parent / "model" / "rules_0013.sql").read_text()
DROP = """
DROP TRIGGER model_version_not_deleted ON fraud_modelversion;
DROP TRIGGER model_version_frozen ON fraud_modelversion;
DROP FUNCTION fraud_model_by_two CASCADE;
DROP TRIGGER wanted_hold_kept ON fraud_wantedhold;
DROP TRIGGER wanted_hold_frozen ON fraud_wantedhold;
"""


class Migration(migrations.Migration):
    dependencies = [("fraud", "0012_models_and_wanted_holds")]

    operations = [migrations.RunSQL(SQL, DROP)]
