"""Reserves by risk, sales that wait, trainings and nights are seen by those who see decisions; ending a reserve is an act of its own."""

from django.db import migrations

from backoffice.staff.roles import write_roles


def write(apps, schema_editor):
    write_roles(apps)


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0022_roles_of_webhooks"), ("fraud", "0026_sales_wait_and_reserves_end")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
