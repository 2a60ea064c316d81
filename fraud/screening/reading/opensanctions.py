"""OpenSanctions' simplified targets, CSV. Source: https://www.opensanctions.org/docs/bulk/csv/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fraud.screening.reading.entries import ReadEntry, births_in, country_code, identifier
from fraud.screening.reading.streams import table

_KINDS = {"person": "person", "company": "entity", "organization": "entity", "legalentity": "entity", "publicbody": "entity"}
_KINDS |= {"vessel": "vessel", "airplane": "aircraft"}


def read(path: Path) -> Iterator[ReadEntry]:
    """Yield one entry a line."""
    for place, row in table(path, [("id",), ("schema",), ("name",)]):
        entry = ReadEntry(row.get("id", ""), _KINDS.get(row.get("schema", "").lower(), "unknown"))
        entry.add_name(row.get("name", "").replace(";", " "))
        entry.add_name(row.get("aliases", ""))
        entry.births = births_in(row.get("birth_date", ""))
        entry.countries = [code for text in row.get("countries", "").split(";") if (code := country_code(text))]
        entry.identifiers = [identifier(text) for text in row.get("identifiers", "").split(";")]
        entry.programmes = [text.strip() for text in (row.get("program_ids") or row.get("dataset", "")).split(";")]
        yield entry.checked(place)
