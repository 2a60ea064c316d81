"""Roles again: whoever reads balances reads who decided how far they may fall."""

from django.db import migrations

from backoffice.staff.roles import write_roles


def write(apps, schema_editor):
    write_roles(apps)


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0012_roles_for_second_looks")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
