"""Roles again: leads may do what finance does; nobody approves their own. Written after every migrate, see 0005."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0009_approval_rules")]

    operations = []
