"""Keeping webhook endpoints and sending again are acts of their own."""

from django.db import migrations

from backoffice.staff.roles import write_roles


def write(apps, schema_editor):
    write_roles(apps)


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0021_webhooks_to_partners")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
