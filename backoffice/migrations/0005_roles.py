"""Groups with what each may do once were written here; they are now what backoffice/staff/roles.py says after every migrate (backoffice/apps.py)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0004_sign_in_memory"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = []
