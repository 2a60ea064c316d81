"""The EU's consolidated list of financial sanctions, CSV (both published layouts): one line a name, a birth, a document of an entity.

Source: https://webgate.ec.europa.eu/fsd/fsf, "CSV - v1.0" and "CSV - v1.1".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fraud.screening.reading.entries import ENTRIES_MAX, ReadEntry, UnreadableList, births_in, country_code, identifier
from fraud.screening.reading.streams import opened, table

# Our word → the column in v1.1, in v1.0.
_COLUMNS = {
    "id": ("entity_logicalid", "entity_logical_id"),
    "kind": ("entity_subjecttype_classificationcode", "subject_type", "entity_subjecttype"),
    "programme": ("entity_regulation_programme", "programme"),
    "reference": ("entity_eu_referencenumber", "eu_ref_num"),
    "whole": ("namealias_wholename", "naal_wholename"),
    "last": ("namealias_lastname", "naal_lastname"),
    "middle": ("namealias_middlename", "naal_middlename"),
    "first": ("namealias_firstname", "naal_firstname"),
    "birth": ("birthdate_birthdate", "birt_date"),
    "birth_year": ("birthdate_year", "birt_year"),
    "citizenship": ("citizenship_countryiso2code", "citi_country"),
    "address": ("address_countryiso2code", "addr_country"),
    "number": ("identification_number", "iden_number"),
}


def read(path: Path) -> Iterator[ReadEntry]:
    """Yield the entries, put together from their lines."""
    found: dict[str, ReadEntry] = {}
    for place, row in table(path, [_COLUMNS["id"], _COLUMNS["whole"]], delimiter=_delimiter(path)):
        values = {name: next((row[column] for column in columns if row.get(column)), "") for name, columns in _COLUMNS.items()}
        if not values["id"]:
            raise UnreadableList("the logical id is missing", place=place)
        entry = found.setdefault(values["id"], ReadEntry(values["id"]))
        if len(found) > ENTRIES_MAX:
            raise UnreadableList(f"it has more than {ENTRIES_MAX:,} entries", place=place)
        _add(entry, values)
    for entry in found.values():
        yield entry.checked(f"{path.name}, id {entry.source_id}")


def _add(entry: ReadEntry, values: dict[str, str]) -> None:
    kind = values["kind"].lower()
    if kind:
        entry.kind = "person" if kind in ("p", "person") else "entity"
    entry.add_name(values["whole"] or " ".join(filter(None, (values["first"], values["middle"], values["last"]))))
    entry.births += births_in(values["birth"]) or births_in(values["birth_year"])
    entry.countries += [code for name in ("citizenship", "address") if (code := country_code(values[name]))]
    entry.identifiers.append(identifier(values["number"]))
    entry.programmes += [values["programme"], values["reference"]]


def _delimiter(path: Path) -> str:
    with opened(path) as source:
        return ";" if source.readline(100_000).count(b";") else ","
