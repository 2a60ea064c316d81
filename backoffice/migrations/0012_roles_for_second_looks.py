"""Roles again: who confirms that a payment never arrived, and who has given-up events delivered again. Written after every migrate, see 0005."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0011_desk_names")]

    operations = []
