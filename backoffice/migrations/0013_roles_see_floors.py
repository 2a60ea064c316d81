"""Roles again: whoever reads balances reads who decided how far they may fall. Written after every migrate, see 0005."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0012_roles_for_second_looks")]

    operations = []
