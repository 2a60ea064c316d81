"""Who may see customers, invoices and credit notes, and who may act on them. Written after every migrate, see backoffice 0005."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0021_invoice_rules"),
        ("backoffice", "0020_roles_of_compliance"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = []
