"""Seal the files that went to banks and came from them: they hold names and account numbers."""

import hashlib
from pathlib import Path

from django.db import migrations, models

from backoffice.kit.crypto import SealedField, new_data_key, seal_bytes

SQL = (Path(__file__).parent.parent / "dispatch" / "rules_0051.sql").read_text()
DROP = "DROP TRIGGER rail_file_sealed ON payouts_railfile; DROP TRIGGER bank_file_sealed ON payouts_bankfile;"
TABLES = ("RailFile", "BankFile")


def seal(apps, schema_editor):
    """Seal what was stored before, one file at a time: each may have megabytes."""
    for name in TABLES:
        model = apps.get_model("payouts", name)
        for file_id in list(model.objects.order_by("pk").values_list("pk", flat=True)):
            file = model.objects.get(pk=file_id)
            file.data_key = new_data_key()
            file.sealed = seal_bytes(bytes(file.sealed), file.data_key, file.public_id)
            file.sealed_sha256 = hashlib.sha256(file.sealed).hexdigest()
            file.save(update_fields=["data_key", "sealed", "sealed_sha256"])


class Migration(migrations.Migration):
    """Not reversible: what was sealed is not laid open again."""

    dependencies = [("payouts", "0043_trade_in_rules")]

    operations = [
        migrations.RunSQL(DROP),
        *(migrations.RenameField(model_name=name.lower(), old_name="data", new_name="sealed") for name in TABLES),
        *(
            migrations.AddField(
                model_name=name.lower(),
                name="sealed_sha256",
                field=models.CharField(max_length=64, default=""),
                preserve_default=False,
            )
            for name in TABLES
        ),
        *(
            migrations.AddField(model_name=name.lower(), name="data_key", field=SealedField(default=""), preserve_default=False)
            for name in TABLES
        ),
        migrations.RunPython(seal),
        migrations.RunSQL(SQL),
    ]
