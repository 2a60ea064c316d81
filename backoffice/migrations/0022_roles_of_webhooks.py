"""Keeping webhook endpoints and sending again are acts of their own. Written after every migrate, see 0005."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0021_webhooks_to_partners")]

    operations = []
