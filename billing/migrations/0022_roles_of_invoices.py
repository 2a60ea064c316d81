"""Who may see customers, invoices and credit notes, and who may act on them."""

from django.db import migrations

from backoffice.staff.roles import write_roles


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0021_invoice_rules"),
        ("backoffice", "0020_roles_of_compliance"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(lambda apps, schema_editor: write_roles(apps), migrations.RunPython.noop)]
