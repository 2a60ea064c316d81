"""Roles again: checking the books, changing tiers, seeing bank statements."""

from django.db import migrations

from backoffice.staff.roles import write_roles


def write(apps, schema_editor):
    write_roles(apps)


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0006_books_check")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
