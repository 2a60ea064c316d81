"""Build the file of a suspicion report in goAML's structure, and check it.

Checked is our own writing of the part we use of the public goAML 4 structure (`goaml.xsd`: names, order, lengths, number and date forms). A
financial intelligence unit has its own code lists and stricter rules on top, and has the last word when the file is uploaded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from backoffice.kit.errors import InputError

SCHEMA = Path(__file__).parent / "goaml.xsd"
SHOWN_MAX = 10
# How money moved and in what form are lists of each country; the comment beside says it in words.
OTHER = "O"
UNKNOWN = "Unknown"
# ISO 3166 leaves ZZ to its users; it says that no country is known.
NO_COUNTRY = "ZZ"
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


@dataclass(frozen=True, slots=True)
class Account:
    """Where a payout went: an account of our client."""

    institution: str
    number: str
    currency: str
    holder: str
    bic: str = ""
    is_iban: bool = False


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that reached the party: `amount` in units of the local currency, from us (a payout) or from somebody we know by a reference only."""

    number: str
    at: datetime
    amount: str
    what: str
    mode: str
    sender: str
    sender_is_entity: bool
    sender_country: str
    reference: str = ""
    posted_at: datetime | None = None
    account: Account | None = None
    comment: str = ""


@lru_cache(maxsize=1)
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMA), parser=_parser()))


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def build(
    *,
    reporter: dict[str, Any],
    reference: str,
    at: datetime,
    reason: str,
    action: str,
    party: Party,
    indicators: list[str],
    transfers: Sequence[Transfer] = (),
) -> bytes:
    """Return the file about one party: a report of transactions (STR) where there are any, else of an activity (SAR).

    Refuses: ReportInvalid with what is wrong and where.
    """
    root = etree.Element("report")
    _text(root, "rentity_id", str(reporter["rentity_id"]))
    _text(root, "rentity_branch", reporter["rentity_branch"])
    _text(root, "submission_code", "E")
    _text(root, "report_code", "STR" if transfers else "SAR")
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
    for transfer in transfers:
        _transaction(root, transfer, party)
    if not transfers:
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
    _subject(one, party, "entity" if party.is_entity else "person")
    _text(one, "significance", "10")
    _text(one, "reason", party.reason)


def _subject(parent: Any, party: Party, name: str) -> None:
    """Write the party under the name its place asks for: report_party, to_entity, t_entity and so on."""
    one = etree.SubElement(parent, name)
    if party.is_entity:
        _text(one, "name", party.name)
        _text(one, "incorporation_number", party.registered_no)
        _address(one, party)
        _text(one, "incorporation_country_code", party.country)
    else:
        first, _, last = party.name.rpartition(" ")
        _text(one, "first_name", first or last)
        _text(one, "last_name", last)
        _text(one, "birthdate", f"{party.birth_on}T00:00:00" if party.birth_on else "")
        _text(one, "id_number", party.registered_no)
        _address(one, party)
        _text(one, "residence", party.country)
    _text(one, "comments", f"Seller {party.reference}")


def _transaction(root: Any, transfer: Transfer, party: Party) -> None:
    one = etree.SubElement(root, "transaction")
    _text(one, "transactionnumber", transfer.number)
    _text(one, "internal_ref_number", transfer.reference[:50])
    _text(one, "transaction_location", "online")
    _text(one, "transaction_description", transfer.what)
    _text(one, "date_transaction", f"{transfer.at:%Y-%m-%dT%H:%M:%S}")
    _text(one, "date_posting", f"{transfer.posted_at:%Y-%m-%dT%H:%M:%S}" if transfer.posted_at else "")
    _text(one, "transmode_code", OTHER)
    _text(one, "transmode_comment", transfer.mode[:50])
    _text(one, "amount_local", transfer.amount)
    _sent_by(etree.SubElement(one, "t_from"), transfer)
    _received_by(etree.SubElement(one, "t_to_my_client"), transfer, party)
    _text(one, "comments", transfer.comment)


def _sent_by(side: Any, transfer: Transfer) -> None:
    _text(side, "from_funds_code", OTHER)
    _text(side, "from_funds_comment", transfer.mode[:255])
    if transfer.sender_is_entity:
        _text(etree.SubElement(side, "from_entity"), "name", transfer.sender)
    else:
        # who bought is known to us by a reference of the marketplace's: the structure asks for both names all the same
        person = etree.SubElement(side, "from_person")
        _text(person, "first_name", UNKNOWN)
        _text(person, "last_name", UNKNOWN)
        _text(person, "comments", f"Buyer {transfer.sender}" if transfer.sender else "Buyer without a reference")
    _text(side, "from_country", transfer.sender_country or NO_COUNTRY)


def _received_by(side: Any, transfer: Transfer, party: Party) -> None:
    _text(side, "to_funds_code", OTHER)
    _text(side, "to_funds_comment", transfer.mode[:255])
    if transfer.account is None:
        _subject(side, party, "to_entity" if party.is_entity else "to_person")
    else:
        _account(side, transfer.account, party)
    _text(side, "to_country", party.country)


def _account(side: Any, account: Account, party: Party) -> None:
    one = etree.SubElement(side, "to_account")
    _text(one, "institution_name", account.institution)
    _text(one, "swift", account.bic)
    _text(one, "account", account.number)
    _text(one, "currency_code", account.currency)
    _text(one, "account_name", account.holder)
    _text(one, "iban", account.number if account.is_iban else "")
    _text(one, "client_number", party.reference)
    if party.is_entity:
        _subject(one, party, "t_entity")
    else:
        signatory = etree.SubElement(one, "signatory")
        _text(signatory, "is_primary", "true")
        _subject(signatory, party, "t_person")


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
