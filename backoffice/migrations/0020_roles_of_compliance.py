"""Reviewing sellers and opening their documents are acts of their own."""

from django.db import migrations

from backoffice.staff.roles import write_roles


def write(apps, schema_editor):
    write_roles(apps)


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0013_roles_see_floors")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
