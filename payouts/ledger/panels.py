"""How other rooms' pages show postings: what a row booked, and a posting by its name."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.safestring import SafeString

from backoffice.kit.admin import Column, Look, Table, display
from payouts.ledger.models import Posting


def posting_link(posting: Posting | None) -> str | SafeString:
    """Return a posting as a link, called by its template in words; a dash where there is none."""
    return display.link(posting, posting.template.replace("_", " ")) if posting else display.EMPTY


def postings_of(kind: str, row: models.Model, look: Look, empty: str = "Nothing was booked.") -> Table:
    """Return what a row booked: the postings whose source it is."""
    rows, older = look.slice_of(Posting.objects.filter(source_kind=kind, source_id=row.pk))
    people = display.people(one.actor for one in rows)
    cells: list[tuple[Any, ...]] = [
        (
            posting_link(one),
            display.instant(one.recorded_at),
            display.instant(one.effective_at),
            people.get(one.actor, one.actor),
            one.reason,
        )
        for one in rows
    ]
    columns = [Column("Posting"), Column("Recorded"), Column("Effective", wide=True), Column("By"), Column("Reason")]
    return Table(columns, cells, empty=empty, older=older)
