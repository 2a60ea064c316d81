"""Build the file of a suspicion report in goAML's structure, and check it.

Checked is our own writing of the part we use of the public goAML 4 structure (`goaml.xsd`: names, order, lengths, number and date forms). A
financial intelligence unit has its own code lists and stricter rules on top, and has the last word when the file is uploaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from backoffice.kit.errors import InputError

SCHEMA = Path(__file__).parent / "goaml.xsd"
SHOWN_MAX = 10
# What XML 1.0 cannot hold at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class ReportInvalid(InputError):
    code = "suspicion_report_invalid"
    sentence = "The file does not have the structure it must have: {problems}"


@dataclass(frozen=True, slots=True)
class Party:
    """Whom the report is about: an entity by its name, or a person by first and last name."""

    is_entity: bool
    name: str
    country: str
    town: str
    reference: str
    registered_no: str = ""
    birth_on: str = ""
    reason: str = ""


@lru_cache(maxsize=1)
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMA), parser=_parser()))


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def build(
    *, reporter: dict[str, Any], reference: str, at: datetime, reason: str, action: str, party: Party, indicators: list[str]
) -> bytes:
    """Return the file: one activity report about one party. Refuses: ReportInvalid with what is wrong and where."""
    root = etree.Element("report")
    _text(root, "rentity_id", str(reporter["rentity_id"]))
    _text(root, "rentity_branch", reporter["rentity_branch"])
    _text(root, "submission_code", "E")
    _text(root, "report_code", "SAR")
    _text(root, "entity_reference", reference)
    _text(root, "submission_date", f"{at:%Y-%m-%dT%H:%M:%S}")
    _text(root, "currency_code_local", reporter["currency_local"])
    person = etree.SubElement(root, "reporting_person")
    for name in ("first_name", "last_name", "occupation"):
        _text(person, name, reporter["person"][name])
    location = etree.SubElement(root, "location")
    for name in ("address_type", "address", "city", "country_code"):
        _text(location, name, reporter["address"][name])
    _text(root, "reason", reason)
    _text(root, "action", action)
    _activity(root, party)
    listed = etree.SubElement(root, "report_indicators")
    for indicator in indicators:
        _text(listed, "indicator", indicator)
    data: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    check(data)
    return data


def _activity(root: Any, party: Party) -> None:
    parties = etree.SubElement(etree.SubElement(root, "activity"), "report_parties")
    one = etree.SubElement(parties, "report_party")
    if party.is_entity:
        entity = etree.SubElement(one, "entity")
        _text(entity, "name", party.name)
        _text(entity, "incorporation_number", party.registered_no)
        _address(entity, party)
        _text(entity, "incorporation_country_code", party.country)
        _text(entity, "comments", f"Seller {party.reference}")
    else:
        first, _, last = party.name.rpartition(" ")
        person = etree.SubElement(one, "person")
        _text(person, "first_name", first or last)
        _text(person, "last_name", last)
        _text(person, "birthdate", f"{party.birth_on}T00:00:00" if party.birth_on else "")
        _text(person, "id_number", party.registered_no)
        _address(person, party)
        _text(person, "residence", party.country)
        _text(person, "comments", f"Seller {party.reference}")
    _text(one, "significance", "10")
    _text(one, "reason", party.reason)


def _address(parent: Any, party: Party) -> None:
    if not party.town:
        return  # the structure asks for a whole address or none
    address = etree.SubElement(etree.SubElement(parent, "addresses"), "address")
    _text(address, "address_type", "B" if party.is_entity else "P")
    _text(address, "address", party.town)
    _text(address, "city", party.town)
    _text(address, "country_code", party.country)


def _text(parent: Any, name: str, value: str) -> None:
    """Add an element where there is something to say: the structure knows no empty ones."""
    if value:
        etree.SubElement(parent, name).text = _FORBIDDEN.sub("", value)


def check(data: bytes) -> None:
    """Hold a file to the structure. Refuses: ReportInvalid."""
    try:
        document = etree.fromstring(data, parser=_parser())
    except etree.XMLSyntaxError as error:
        raise ReportInvalid(problems=f"it is no XML ({error.msg})") from None
    if document.getroottree().docinfo.doctype:
        raise ReportInvalid(problems="it declares a document type, which no report does")
    schema = _schema()
    if not schema.validate(document):
        problems = [f"line {one.line}: {one.message}" for one in list(schema.error_log)[:SHOWN_MAX]]
        raise ReportInvalid(problems="; ".join(problems))
