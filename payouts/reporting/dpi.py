"""The OECD's DPI message (version 1.0, as DAC7 uses it): one ReportableSeller per seller and currency, written with lxml and checked on the way out.

Amounts are whole units of their currency, rounded half up by quarter, as MonAmnt_Type wants them; the CSV beside it has the cents. Source: OECD,
Model Reporting Rules for Digital Platforms: XML Schema User Guide (2022); namespaces urn:oecd:ties:dpi:v1 and urn:oecd:ties:dpistf:v1.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from lxml import etree

from backoffice.kit.errors import Refusal
from backoffice.kit.money import exponent_of
from payouts.compliance.tax_answers import birth_place_of
from payouts.reporting.figures import quarters
from payouts.reporting.identity import Identity
from payouts.reporting.models import TaxReport, TaxReportLine
from payouts.reporting.states import ReportKind

DPI, STF = "urn:oecd:ties:dpi:v1", "urn:oecd:ties:dpistf:v1"
NEW, CORRECTED, DELETED, RESENT = 1, 2, 3, 0
SCHEMA = Path(__file__).parent / "schemas" / "dpi.xsd"
_CENTRAL = ZoneInfo("Europe/Brussels")  # the message's clock is CET, whoever sends it
# The registered office of the operator, the address of an entity, the home of a person.
_OFFICE, _BUSINESS, _HOME = "OECD304", "OECD303", "OECD302"


class MessageInvalid(Refusal):
    code = "message_invalid"
    sentence = "The message does not fit the structure of DPI 1.0, so it was not made: {why}"


@dataclass(frozen=True, slots=True)
class Operator:
    """Who reports: the marketplace, from the settings PLATFORM_*."""

    name: str
    country: str
    tin: str
    vat: str
    address: str
    registration: str

    @classmethod
    def of_settings(cls) -> Operator:
        return cls(
            settings.PLATFORM_NAME, settings.PLATFORM_COUNTRY, settings.PLATFORM_TIN, settings.PLATFORM_VAT_NUMBER, settings.PLATFORM_ADDRESS,
            settings.PLATFORM_DAC7_ID,
        )  # fmt: skip


def write_message(
    report: TaxReport, lines: Sequence[tuple[TaxReportLine, int]], *, part: str, operator: Operator, at: datetime
) -> bytes:
    """Return the bytes of one message; `lines` come with what each is (NEW, CORRECTED, DELETED), and `part` tells messages of one report apart.

    A message holds either new lines or corrections and deletions. Refuses: MessageInvalid.
    """
    corrects = any(what != NEW for _, what in lines)
    root = etree.Element(_dpi("DPI_OECD"), nsmap={None: DPI, "stf": STF}, version="1.0")
    indicator = "DPI402" if corrects else "DPI401" if lines else "DPI403"
    root.append(_message_spec(report, part, indicator, operator, at))
    body = _under(root, "DPIBody")
    body.append(_operator(report, operator, RESENT if report.kind == ReportKind.CORRECTED else NEW))
    for line, what in lines:
        body.append(_seller(line, what))
    check(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _message_spec(report: TaxReport, part: str, indicator: str, operator: Operator, at: datetime) -> Any:
    spec = etree.Element(_dpi("MessageSpec"))
    for name, text in (
        ("SendingEntityIN", operator.registration or operator.tin),
        ("TransmittingCountry", operator.country),
        ("ReceivingCountry", operator.country),
        ("MessageType", "DPI"),
        ("MessageRefId", f"{reference_prefix(report, operator)}-{report.public_id}-{part}"),
        ("MessageTypeIndic", indicator),
        ("ReportingPeriod", date(report.year, 12, 31).isoformat()),
        ("Timestamp", f"{at.astimezone(_CENTRAL):%Y-%m-%dT%H:%M:%S}"),
    ):
        _text(spec, name, text)
    return spec


def reference_prefix(report: TaxReport, operator: Operator) -> str:
    """Return what every reference begins with: sending country, year, receiving country."""
    return f"{operator.country}{report.year}{operator.country}"


def _operator(report: TaxReport, operator: Operator, what: int) -> Any:
    node = etree.Element(_dpi("PlatformOperator"))
    _text(node, "ResCountryCode", operator.country)
    _text(node, "TIN", operator.tin, issuedBy=operator.country)
    if operator.registration:
        _text(node, "IN", operator.registration, issuedBy=operator.country, INType="IIN")
    if operator.vat:
        _text(node, "VAT", operator.vat)
    _text(node, "Name", operator.name)
    _text(node, "PlatformBusinessName", operator.name)
    _address(node, operator.country, operator.address, _OFFICE)
    _text(node, "Nexus", "RPONEX1")
    _text(node, "AssumedReporting", "false")
    # resent, the operator keeps the name it had in the first message
    _doc_spec(node, what, f"{reference_prefix(report, operator)}-operator-{_first_of(report).public_id}")
    return node


def _first_of(report: TaxReport) -> TaxReport:
    while report.corrects is not None:
        report = report.corrects
    return report


def _seller(line: TaxReportLine, what: int) -> Any:
    identity = Identity.opened(line.identity)
    node = etree.Element(_dpi("ReportableSeller"))
    kind = _under(_under(node, "Identity"), "EntitySeller" if identity.is_entity else "IndividualSeller")
    standard = _under(kind, "Standard")
    party = _under(standard, "EntSellerID" if identity.is_entity else "IndSellerID")
    (_entity if identity.is_entity else _individual)(party, identity)
    if identity.account:
        account = _under(standard, "FinancialIdentifier")
        _text(account, "Identifier", identity.account, AccountNumberType=identity.account_kind)
        if identity.account_holder and identity.account_holder != identity.name:
            _text(account, "AccountHolderName", identity.account_holder)
    _activities(_under(_under(node, "RelevantActivities"), "SaleOfGoods"), line)
    _doc_spec(node, what, line.doc_ref, line.corrects_ref)
    return node


def _entity(party: Any, identity: Identity) -> None:
    _text(party, "ResCountryCode", identity.country)
    _tin(party, identity)
    if identity.registration:
        _text(party, "IN", identity.registration, issuedBy=identity.country, INType="BRN")
    if identity.vat:
        _text(party, "VAT", identity.vat)
    _text(party, "Name", identity.name)
    _address(party, identity.country, identity.address, _BUSINESS)


def _individual(party: Any, identity: Identity) -> None:
    _text(party, "ResCountryCode", identity.country)
    _tin(party, identity)
    if identity.vat:
        _text(party, "VAT", identity.vat)
    name = _under(party, "Name")
    # one field here holds the whole name; the last word is taken for the family name
    first, _, last = identity.name.rpartition(" ")
    _text(name, "FirstName", first or "NFN")
    _text(name, "LastName", last)
    _address(party, identity.country, identity.address, _HOME)
    birth = _under(party, "BirthInfo")
    _text(birth, "BirthDate", identity.birth_on)
    if identity.birth_place:
        city, country = birth_place_of(identity.birth_place)
        place = _under(birth, "BirthPlace")
        _text(place, "City", city)
        _text(_under(place, "CountryInfo"), "CountryCode", country)


def _tin(party: Any, identity: Identity) -> None:
    if identity.tin:
        _text(party, "TIN", identity.tin, issuedBy=identity.country)
    else:
        _text(party, "TIN", "NOTIN", unknown="true")


def _activities(node: Any, line: TaxReportLine) -> None:
    _quarters(node, "Consideration", "Cons", whole_units(line.consideration, line.currency), line.currency)
    _quarters(node, "NumberOfActivities", "Numb", quarters(line.activities), "")
    _quarters(node, "Fees", "Fees", whole_units(line.fees, line.currency), line.currency)
    _quarters(node, "Taxes", "Tax", whole_units(line.taxes, line.currency), line.currency)


def _quarters(node: Any, name: str, prefix: str, amounts: Sequence[int], currency: str) -> None:
    container = _under(node, name)
    for number, amount in enumerate(amounts, 1):
        _text(container, f"{prefix}Q{number}", str(amount), **({"currCode": currency} if currency else {}))


def whole_units(months: Sequence[int], currency: str) -> list[int]:
    """Return the quarters in whole units, rounded half up away from zero."""
    unit = 10 ** exponent_of(currency)
    return [(abs(amount) * 2 + unit) // (2 * unit) * (1 if amount >= 0 else -1) for amount in quarters(months)]


def _address(node: Any, country: str, text: str, kind: str) -> None:
    address = _under(node, "Address", legalAddressType=kind)
    _text(address, "CountryCode", country)
    _text(address, "AddressFree", text)


def _doc_spec(node: Any, what: int, reference: str, corrects: str = "") -> None:
    spec = _under(node, "DocSpec")
    _text(spec, f"{{{STF}}}DocTypeIndic", f"OECD{'' if settings.TAX_REPORTS_ARE_REAL else '1'}{what}")
    _text(spec, f"{{{STF}}}DocRefId", reference)
    if corrects:
        _text(spec, f"{{{STF}}}CorrDocRefId", corrects)


def _dpi(name: str) -> str:
    return f"{{{DPI}}}{name}"


def _under(node: Any, name: str, **attributes: str) -> Any:
    return etree.SubElement(node, name if name.startswith("{") else _dpi(name), **attributes)


def _text(node: Any, name: str, text: str, **attributes: str) -> None:
    _under(node, name, **attributes).text = text


@functools.cache
def _schema() -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    return etree.XMLSchema(etree.parse(SCHEMA, parser))


def check(root: Any) -> None:
    """Check a message against our own transcript of the structure. Refuses: MessageInvalid, naming elements and never what stands in them."""
    schema = _schema()
    if not schema.validate(root):
        first = schema.error_log[0]
        raise MessageInvalid(why=f"line {first.line}, {first.path.rpartition('/')[2]}: {first.type_name}")
