"""Groups finance, lead, compliance, risk, support, auditor with what each may do; anything else is denied."""

from django.db import migrations

from backoffice.staff.roles import ROLES, write_roles


def write(apps, schema_editor):
    write_roles(apps)


def remove(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0004_sign_in_memory"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(write, remove)]
