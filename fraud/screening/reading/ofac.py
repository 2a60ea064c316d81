"""OFAC's list of Specially Designated Nationals: sdn.csv with alt.csv, add.csv and sdn_comments.csv beside it, or sdn.xml.

Source: https://ofac.treasury.gov/specially-designated-nationals-list-data-formats-data-schemas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lxml import etree

from fraud.screening.reading.entries import ReadEntry, UnreadableList, births_in, country_code, country_codes, identifier
from fraud.screening.reading.streams import csv_rows, local_name, opened, xml_elements

_KINDS = {"individual": "person", "vessel": "vessel", "aircraft": "aircraft", "entity": "entity", "": "entity"}
_NOTHING = "-0-"
_BIRTH = re.compile(r"\bDOB (?:circa |between )?([^;.]{4,40})")
_WEAK = re.compile(r"\ba\.k\.a\. ['\"]([^;]{1,200}?)['\"](?=[;.]|$)")
_COUNTRY = re.compile(r"\b(?:nationality|citizen|alt\. nationality|alt\. citizen) ([A-Z][A-Za-z', ()-]{2,60}?)(?=[;.]|$)")
_NUMBER = re.compile(
    r"\b(?:Passport|SSN|National ID No\.|Registration (?:Number|ID)|Tax ID No\.|C\.U\.I\.T\.|Cedula No\.|D-U-N-S Number|"
    r"UK Company Number|Company Number|Legal Entity Number|Identification Number|Commercial Registry Number|SWIFT/BIC|IMO) "
    r"([A-Za-z0-9][A-Za-z0-9./-]{3,40})"
)


def read(path: Path) -> Iterator[ReadEntry]:
    """Yield the entries with their aliases. An alias whose main record is not in the file stays, as an entry of its own: a listed name is never lost."""
    with opened(path) as source:
        is_xml = source.peek(64)[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"
    yield from (_read_xml(path) if is_xml else _read_csv(path))


def _read_csv(path: Path) -> Iterator[ReadEntry]:
    aliases = _beside(path, "alt", 4)
    addresses = _beside(path, "add", 5)
    comments = _beside(path, "sdn_comments", 2)
    for line, cells in csv_rows(path):
        if len(cells) < 12 or not cells[0].strip().isdigit():
            raise UnreadableList("a line of sdn.csv has twelve cells and begins with a number", place=f"{path.name}, line {line}")
        values = [_value(cell) for cell in cells]
        source_id = values[0]
        entry = ReadEntry(source_id, _KINDS.get(values[2].lower(), "unknown"), programmes=re.split(r"[\]\[;\s]+", values[3]))
        entry.add_name(values[1].replace(";", " "))
        remarks = " ".join([values[11], *(row[1] for row in comments.pop(source_id, []))])
        _add_remarks(entry, remarks)
        _add_rows(entry, aliases.pop(source_id, []), addresses.pop(source_id, []))
        yield entry.checked(f"{path.name}, line {line}")
    for source_id, rows in sorted(aliases.items()):
        entry = ReadEntry(source_id, "unknown")
        _add_rows(entry, rows, addresses.pop(source_id, []))
        yield entry.checked(f"alt.csv, id {source_id}")


def _add_rows(entry: ReadEntry, aliases: list[list[str]], addresses: list[list[str]]) -> None:
    for row in aliases:
        entry.add_name(row[3].replace(";", " "), weak="weak" in " ".join(row[4:]).lower())
    entry.countries += country_codes(row[4] for row in addresses)


def _add_remarks(entry: ReadEntry, remarks: str) -> None:
    for found in _WEAK.findall(remarks):
        entry.add_name(found, weak=True)
    for found in _BIRTH.findall(remarks):
        entry.births += _days(found)
    entry.countries += [code for found in _COUNTRY.findall(remarks) if (code := country_code(found))]
    entry.identifiers += [identifier(found) for found in _NUMBER.findall(remarks)]


def _days(text: str) -> list[str]:
    try:
        return [datetime.strptime(text.strip(), "%d %b %Y").date().isoformat()]  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return births_in(text)


def _beside(path: Path, name: str, cells: int) -> dict[str, list[list[str]]]:
    """Return the rows of a file that stands beside the main one, by id; {} where there is none."""
    prefix = path.name.lower().removesuffix(".gz").removesuffix(".csv").removesuffix("sdn")
    found: dict[str, list[list[str]]] = {}
    wanted = {f"{prefix}{name}.csv", f"{prefix}{name}.csv.gz"}
    for other in sorted(path.parent.iterdir()):
        if other.name.lower() in wanted:
            for line, row in csv_rows(other):
                if len(row) < cells or not row[0].strip().isdigit():
                    raise UnreadableList(f"a line has fewer than {cells} cells", place=f"{other.name}, line {line}")
                found.setdefault(row[0].strip(), []).append([_value(cell) for cell in row])
    return found


def _value(cell: str) -> str:
    plain = " ".join(cell.split())
    return "" if plain == _NOTHING else plain


def _read_xml(path: Path) -> Iterator[ReadEntry]:
    for element in xml_elements(path, "sdnList", ("sdnEntry",)):
        entry = ReadEntry(_child(element, "uid"), _KINDS.get(_child(element, "sdnType").lower(), "unknown"))
        entry.add_name(_person(element))
        for alias in _all(element, "aka"):
            entry.add_name(_person(alias), weak=_child(alias, "category") == "weak")
        for birth in _all(element, "dateOfBirthItem"):
            entry.births += _days(_child(birth, "dateOfBirth").removeprefix("circa "))
        for name in ("nationality", "citizenship", "address"):
            entry.countries += country_codes(_child(one, "country") for one in _all(element, name))
        entry.identifiers = [identifier(_child(one, "idNumber")) for one in _all(element, "id")]
        entry.programmes = [" ".join((one.text or "").split()) for one in _all(element, "program")]
        yield entry.checked(f"{path.name}, line {element.sourceline}")


def _person(element: etree._Element) -> str:
    return " ".join(filter(None, (_child(element, "firstName"), _child(element, "lastName")))).replace(";", " ")


def _all(element: etree._Element, name: str) -> list[etree._Element]:
    return [one for one in element.iter() if isinstance(one.tag, str) and local_name(one) == name]


def _child(element: etree._Element, name: str) -> str:
    return next(
        (" ".join((one.text or "").split()) for one in element if isinstance(one.tag, str) and local_name(one) == name), ""
    )
