"""Reviewing sellers and opening their documents are acts of their own. Written after every migrate, see 0005."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0013_roles_see_floors")]

    operations = []
