"""The data of this room is read before anything runs: a rule that cannot be read is never left out in silence."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from payouts.compliance.catalogue import CatalogueWrong, catalogues
from payouts.compliance.scorecard import ScorecardWrong, scorecard


@register()
def data_can_be_read(**kwargs: Any) -> list[CheckMessage]:
    """Refuse to start with a catalogue or a scorecard that is wrong."""
    found: list[CheckMessage] = []
    for read in (catalogues, scorecard):
        try:
            read()
        except (CatalogueWrong, ScorecardWrong) as problem:
            found.append(Error(str(problem), hint="Mend the file it names.", id="payouts.E001"))
    return found
