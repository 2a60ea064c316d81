"""Names the desk shows; and `clean`, which Django's models use for something else, becomes `is_clean`."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0010_leads_stand_in_for_finance")]

    operations = [
        migrations.RenameField(model_name="bookscheck", old_name="clean", new_name="is_clean"),
        migrations.AlterModelOptions(name="auditentry", options={"verbose_name_plural": "audit entries"}),
        migrations.AlterModelOptions(name="apikey", options={"verbose_name": "API key"}),
    ]
