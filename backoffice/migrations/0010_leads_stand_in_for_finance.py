"""Roles again: leads may do what finance does; nobody approves their own."""

from django.db import migrations

from backoffice.staff.roles import write_roles


def write(apps, schema_editor):
    write_roles(apps)


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0009_approval_rules")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
