"""Roles again: checking the books, changing tiers, seeing bank statements. Written after every migrate, see 0005."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0006_books_check")]

    operations = []
