"""A list of our own, CSV: `source_id,name` and, as far as known, `kind,aliases,birth_date,countries,identifiers,programme`; several by semicolons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fraud.screening.reading.entries import KINDS, ReadEntry, UnreadableList, births_in, country_code, identifier
from fraud.screening.reading.streams import table


def read(path: Path) -> Iterator[ReadEntry]:
    """Yield one entry a line; a value nobody could compare is refused, because its author believes it works."""
    for place, row in table(path, [("source_id", "id"), ("name",)]):
        kind = row.get("kind", "").lower() or "unknown"
        if kind not in KINDS:
            raise UnreadableList(f"the kind is one of {', '.join(KINDS)}", place=place)
        entry = ReadEntry(row.get("source_id") or row.get("id", ""), kind)
        entry.add_name(row.get("name", "").replace(";", " "))
        entry.add_name(row.get("aliases", ""))
        entry.births = _each(row, "birth_date", place, births_in)
        entry.countries = _each(row, "countries", place, lambda text: [code] if (code := country_code(text)) else [])
        entry.identifiers = _each(row, "identifiers", place, lambda text: [code] if (code := identifier(text)) else [])
        entry.programmes = [text.strip() for text in row.get("programme", "").split(";")]
        yield entry.checked(place)


def _each(row: dict[str, str], column: str, place: str, read_one: object) -> list[str]:
    found: list[str] = []
    for text in filter(None, (text.strip() for text in row.get(column, "").split(";"))):
        values = read_one(text)  # type: ignore[operator]
        if not values:
            raise UnreadableList(f"the {column} {text[:40]!r} cannot be compared", place=place)
        found += values
    return found
