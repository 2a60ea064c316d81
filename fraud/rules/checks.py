"""A feature that a rule in use names is not taken out of the catalogue: whoever tries is told before anything runs."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import Error as DatabaseError

from fraud.features.catalogue import features
from fraud.rules.models import RuleVersion
from fraud.rules.states import EVALUATED


@register(Tags.database)
def rules_name_what_is_there(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Find versions in use that name features the catalogue no longer has."""
    if not databases:
        return []
    try:
        rows = list(RuleVersion.objects.select_related("rule").filter(state__in=EVALUATED))
    except DatabaseError:
        return []  # not migrated yet
    return [
        Error(
            f"The rule {row} names {', '.join(gone)}, which the catalogue does not have.",
            hint="Retire it first.",
            id="fraud.E001",
        )
        for row in rows
        if (gone := sorted(set(row.features) - features().keys()))
    ]
