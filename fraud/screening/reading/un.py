"""The consolidated list of the UN Security Council, XML. Source: https://main.un.org/securitycouncil/en/content/un-sc-consolidated-list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from fraud.screening.reading.entries import ReadEntry, births_in, country_codes, identifier
from fraud.screening.reading.streams import local_name, xml_elements

_NAMES = ("FIRST_NAME", "SECOND_NAME", "THIRD_NAME", "FOURTH_NAME")


def read(path: Path) -> Iterator[ReadEntry]:
    """Yield individuals and entities; aliases of low quality are weak."""
    for element in xml_elements(path, "CONSOLIDATED_LIST", ("INDIVIDUAL", "ENTITY")):
        entry = ReadEntry(_text(element, "DATAID"), "person" if local_name(element) == "INDIVIDUAL" else "entity")
        entry.add_name(" ".join(filter(None, (_text(element, name) for name in _NAMES))))
        entry.add_name(_text(element, "NAME_ORIGINAL_SCRIPT"))
        for kind in ("INDIVIDUAL", "ENTITY"):
            for alias in element.iterfind(f"{kind}_ALIAS"):
                entry.add_name(_text(alias, "ALIAS_NAME"), weak=_text(alias, "QUALITY").lower() == "low")
            for address in element.iterfind(f"{kind}_ADDRESS"):
                entry.countries += country_codes([_text(address, "COUNTRY")])
        for birth in element.iterfind("INDIVIDUAL_DATE_OF_BIRTH"):
            entry.births += _births(birth)
        for document in element.iterfind("INDIVIDUAL_DOCUMENT"):
            entry.identifiers.append(identifier(_text(document, "NUMBER")))
        entry.countries += country_codes(value.text or "" for value in element.iterfind("NATIONALITY/VALUE"))
        entry.programmes = [_text(element, "UN_LIST_TYPE"), _text(element, "REFERENCE_NUMBER")]
        yield entry.checked(f"{path.name}, line {element.sourceline}")


def _births(birth: etree._Element) -> list[str]:
    first, last = _text(birth, "FROM_YEAR"), _text(birth, "TO_YEAR")
    if first.isdigit() and last.isdigit() and 0 <= int(last) - int(first) <= 20:
        return [str(year) for year in range(int(first), int(last) + 1)]
    return births_in(_text(birth, "DATE")) or births_in(_text(birth, "YEAR"))


def _text(element: etree._Element, name: str) -> str:
    return " ".join((element.findtext(name) or "").split())
