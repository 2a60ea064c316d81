"""Index the names of the parties there are, so that they are found by name like those to come."""

import json

from django.db import migrations

from fraud.screening.parties import name_index

CHUNK = 1_000


def index_names(apps, schema_editor):
    """Open the sealed names once, some parties at a time; a party that has its indexes is left alone."""
    party = apps.get_model("fraud", "Party")
    last = 0
    while page := list(party.objects.filter(pk__gt=last, name_indexes=[]).exclude(facts="").order_by("pk")[:CHUNK]):
        for row in page:
            row.name_indexes = sorted({name_index(name) for name in json.loads(row.facts)["names"]})
        party.objects.bulk_update(page, ["name_indexes"])
        last = page[-1].pk


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("fraud", "0003_names_found_and_forgotten")]
    operations = [migrations.RunPython(index_names, migrations.RunPython.noop)]
