"""Write a pain.001.001.09: sepaxml makes the nodes, this module makes them reproducible and refuses what a bank would.

sepaxml 2.7 draws random message and payment ids, reads the clock, knows neither InstrId nor SCT Inst, and keeps the whole tree until the
end (issue size: 100,000 transfers). So each transfer's node is taken out as soon as it is made, completed and written; the frame around
them comes from sepaxml too, with ids, times and totals replaced. The same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from lxml import etree
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException
from sepaxml import SepaTransfer

from backoffice.kit.errors import InputError
from payouts.rails.bank_profiles import BankProfile
from payouts.rails.calendars import is_business_day
from payouts.rails.sepa_text import ID_MAX, NAME_MAX, REMITTANCE_MAX, TOWN_MAX, is_sepa_id, to_sepa_text

# SEPA credit transfer rulebook: 0.01 to 999,999,999.99 EUR.
AMOUNT_MINOR_MAX = 99_999_999_999


class PaymentNotExpressible(InputError):
    """One transfer cannot be written as SEPA wants it; `end_to_end_id` names it and `field` says what of it."""

    code = "payment_not_expressible"
    sentence = "The payment {end_to_end_id} cannot be written to a SEPA file ({field}): {detail}"

    def __init__(self, end_to_end_id: str, field: str, sentence: str) -> None:
        super().__init__(end_to_end_id=end_to_end_id[:60], field=field, detail=sentence)
        self.end_to_end_id, self.field = end_to_end_id, field


class FileNotExpressible(InputError):
    """The file as a whole cannot be written: a header field, an empty file, or more than the bank takes."""

    code = "file_not_expressible"
    sentence = "The payment file cannot be written ({field}): {detail}"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(field=field, detail=sentence)
        self.field = field


class FileNotValid(InputError):
    """The bytes are not a valid pain.001.001.09; `line` is the line, `end_to_end_id` the payment where it is inside one."""

    code = "file_not_valid"
    sentence = "Line {line}: {detail}"

    def __init__(self, line: int, sentence: str, end_to_end_id: str | None = None) -> None:
        super().__init__(line=line, detail=sentence)
        self.line, self.end_to_end_id = line, end_to_end_id


@dataclass(frozen=True, slots=True)
class Debtor:
    """Us, as the bank knows us."""

    name: str
    iban: str
    bic: str | None = None
    country: str | None = None
    town: str | None = None


@dataclass(frozen=True, slots=True)
class CreditTransfer:
    """One transfer; the ids must already be in the SEPA set (see sepa_text.to_reference), the name and remittance fit (fit_name, ...)."""

    end_to_end_id: str
    instruction_id: str
    amount_minor: int
    creditor_name: str
    creditor_iban: str
    creditor_bic: str | None = None
    remittance: str = ""
    creditor_country: str | None = None
    creditor_town: str | None = None
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class PaymentGroup:
    """Transfers of one execution day and one service level: one PmtInf."""

    payment_info_id: str
    execute_on: date
    instant: bool
    transfers: Sequence[CreditTransfer]


@dataclass(frozen=True, slots=True)
class BuiltFile:
    data: bytes
    sha256: str
    count: int
    control_sum_minor: int


def build_pain001(
    *, message_id: str, created_at: datetime, debtor: Debtor, profile: BankProfile, groups: Sequence[PaymentGroup]
) -> BuiltFile:
    """Write one payment file and return its bytes with their hash, count and sum.

    Amounts are EUR cents; `created_at` an instant. Deterministic: the same arguments give the same bytes. Not validated against the
    schema here (see `validate_pain001`). Raises PaymentNotExpressible, FileNotExpressible.
    """
    _check_file(message_id, created_at, debtor, profile, groups)
    count = sum(len(group.transfers) for group in groups)
    total = sum(transfer.amount_minor for group in groups for transfer in group.transfers)

    out = io.BytesIO()
    header, footer = _document_frame(message_id, created_at, debtor, profile, count, total)
    out.write(header)
    seen: set[str] = set()
    for group in groups:
        head, tail = _group_frame(debtor, profile, group)
        out.write(head)
        for transfer, node in _transfer_nodes(debtor, profile, group):
            if transfer.end_to_end_id in seen:
                raise PaymentNotExpressible(transfer.end_to_end_id, "end_to_end_id", "it stands twice in the file.")
            seen.add(transfer.end_to_end_id)
            out.write(b"\n")
            out.write(node)
        out.write(tail)
    out.write(footer)

    data = out.getvalue()
    return BuiltFile(data, hashlib.sha256(data).hexdigest(), count, total)


# --- what a bank would refuse ---


def _check_file(
    message_id: str, created_at: datetime, debtor: Debtor, profile: BankProfile, groups: Sequence[PaymentGroup]
) -> None:
    if created_at.tzinfo is None:
        raise FileNotExpressible("created_at", "the creation time names no time zone.")
    if not is_sepa_id(message_id):
        raise FileNotExpressible("message_id", f"it must be 1 to {ID_MAX} characters of the SEPA set.")
    if not 1 <= len(to_sepa_text(debtor.name)) <= NAME_MAX:
        raise FileNotExpressible("debtor.name", f"our name must be 1 to {NAME_MAX} characters in the SEPA set.")
    problem = _iban_problem(debtor.iban) or _bic_problem(debtor.bic)
    if problem:
        raise FileNotExpressible("debtor", problem)
    if not groups or any(not group.transfers for group in groups):
        raise FileNotExpressible("groups", "a file and each of its groups needs at least one transfer.")
    if len(groups) > 1 and not profile.many_payment_infos:
        raise FileNotExpressible("groups", f"{profile.name} takes one payment group a file.")
    if len({group.payment_info_id for group in groups}) < len(groups):
        raise FileNotExpressible("payment_info_id", "two groups have the same id.")
    for group in groups:
        _check_group(group, profile)
        for transfer in group.transfers:
            _check_amount(transfer)
    if sum(len(group.transfers) for group in groups) > profile.max_transactions:
        raise FileNotExpressible("groups", f"{profile.name} takes {profile.max_transactions} transfers a file.")
    if sum(transfer.amount_minor for group in groups for transfer in group.transfers) > profile.max_amount_minor:
        raise FileNotExpressible("groups", f"the transfers add up to more than {profile.name} takes in one file.")


def _check_group(group: PaymentGroup, profile: BankProfile) -> None:
    if not is_sepa_id(group.payment_info_id):
        raise FileNotExpressible("payment_info_id", f"it must be 1 to {ID_MAX} characters of the SEPA set.")
    if group.instant and not profile.supports_instant:
        raise FileNotExpressible("instant", f"{profile.name} takes no instant transfers.")
    if not group.instant and not is_business_day(profile.calendar, group.execute_on):
        raise FileNotExpressible("execute_on", f"{group.execute_on} is not a {profile.calendar} business day.")


def _check_amount(transfer: CreditTransfer) -> None:
    # Before anything is added up: a bool is an int to Python and a float a number, neither is an amount.
    if type(transfer.amount_minor) is not int or not 1 <= transfer.amount_minor <= AMOUNT_MINOR_MAX:
        raise PaymentNotExpressible(transfer.end_to_end_id, "amount_minor", "a SEPA transfer is 0.01 to 999,999,999.99 EUR.")


def check_transfer(transfer: CreditTransfer, profile: BankProfile) -> None:
    """Say before a file is written whether this transfer can stand in it; raises PaymentNotExpressible."""
    _check_amount(transfer)
    _check_transfer(transfer, to_sepa_text(transfer.creditor_name), to_sepa_text(transfer.remittance), profile)


def _check_transfer(transfer: CreditTransfer, name: str, remittance: str, profile: BankProfile) -> None:
    def refuse(field: str, sentence: str) -> PaymentNotExpressible:
        return PaymentNotExpressible(transfer.end_to_end_id, field, sentence)

    if not is_sepa_id(transfer.end_to_end_id):
        raise refuse("end_to_end_id", f"it must be 1 to {ID_MAX} characters of the SEPA set.")
    if not is_sepa_id(transfer.instruction_id):
        raise refuse("instruction_id", f"it must be 1 to {ID_MAX} characters of the SEPA set.")
    if transfer.currency != "EUR":
        raise refuse("currency", f"SEPA carries euro only, not {transfer.currency[:3]}.")
    if not name:
        raise refuse("creditor_name", "nothing of the name can be written in the SEPA character set.")
    if len(name) > NAME_MAX:
        raise refuse("creditor_name", f"the name has {len(name)} characters in the SEPA set; {NAME_MAX} fit.")
    if len(remittance) > REMITTANCE_MAX:
        raise refuse("remittance", f"the text has {len(remittance)} characters in the SEPA set; {REMITTANCE_MAX} fit.")
    if not remittance:
        raise refuse("remittance", "a transfer needs a text the payee can recognise.")
    problem = _iban_problem(transfer.creditor_iban)
    if problem:
        raise refuse("creditor_iban", problem)
    if profile.bic_required and not transfer.creditor_bic:
        raise refuse("creditor_bic", f"{profile.name} wants the BIC of every payee's bank.")
    problem = _bic_problem(transfer.creditor_bic)
    if problem:
        raise refuse("creditor_bic", problem)
    _check_address(transfer)


def _check_address(transfer: CreditTransfer) -> None:
    country = transfer.creditor_country
    if country is not None and not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
        raise PaymentNotExpressible(transfer.end_to_end_id, "creditor_country", "the country is not an ISO 3166 two-letter code.")
    if transfer.creditor_town and len(to_sepa_text(transfer.creditor_town)) > TOWN_MAX:
        raise PaymentNotExpressible(transfer.end_to_end_id, "creditor_town", f"the town is longer than {TOWN_MAX} characters.")


def _iban_problem(iban: str) -> str | None:
    # The IBAN itself is never part of a sentence: sentences reach logs.
    try:
        parsed = IBAN(iban)
    except SchwiftyException:
        return "the IBAN is not valid (length, structure or check digits)."
    if str(parsed) != iban:
        return "the IBAN must be written without spaces and in capitals."
    return None if parsed.in_sepa_zone else "the IBAN's country is outside the SEPA zone."


def _bic_problem(bic: str | None) -> str | None:
    if bic is None:
        return None
    try:
        BIC(bic)
    except SchwiftyException:
        return "the BIC is not valid."
    return None if bic == bic.upper().strip() else "the BIC must be written in capitals."


# --- sepaxml, node by node ---


def _generator(debtor: Debtor, profile: BankProfile) -> SepaTransfer:
    config: dict[str, object] = {"name": to_sepa_text(debtor.name), "IBAN": debtor.iban, "batch": True, "currency": "EUR"}
    if debtor.bic:
        config["BIC"] = debtor.bic
    address = _address(debtor.town, debtor.country)
    if address:
        config["address"] = address
    # clean=False: transliteration is ours, because its result has to be checked payment by payment.
    return SepaTransfer(config, schema=profile.schema, clean=False)


def _address(town: str | None, country: str | None) -> dict[str, str]:
    written = {"town": to_sepa_text(town) if town else "", "country": country or ""}
    return {key: value for key, value in written.items() if value}


def _document_frame(
    message_id: str, created_at: datetime, debtor: Debtor, profile: BankProfile, count: int, total: int
) -> tuple[bytes, bytes]:
    sepa = _generator(debtor, profile)
    header = _at(sepa._xml, "CstmrCdtTrfInitn/GrpHdr")
    _at(header, "MsgId").text = message_id
    _at(header, "CreDtTm").text = created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    _at(header, "NbOfTxs").text = str(count)
    _at(header, "CtrlSum").text = _decimal(total)
    written = ET.tostring(sepa._xml, "utf-8", short_empty_elements=False)
    written = written[written.index(b"<Document") :]
    before, mark, after = written.partition(b"</GrpHdr>")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + before + mark, b"\n" + after + b"\n"


def _group_frame(debtor: Debtor, profile: BankProfile, group: PaymentGroup) -> tuple[bytes, bytes]:
    sepa = _generator(debtor, profile)
    sepa.add_payment(_payment(group.transfers[0], group, "x", "x"))
    sepa._finalize_batch()
    node = _at(sepa._xml, "CstmrCdtTrfInitn/PmtInf")
    node.remove(_at(node, "CdtTrfTxInf"))
    _at(node, "PmtInfId").text = group.payment_info_id
    _at(node, "BtchBookg").text = "true" if profile.batch_booking else "false"
    _at(node, "NbOfTxs").text = str(len(group.transfers))
    _at(node, "CtrlSum").text = _decimal(sum(transfer.amount_minor for transfer in group.transfers))
    if group.instant:
        local = ET.SubElement(_at(node, "PmtTpInf"), "LclInstrm")
        ET.SubElement(local, "Cd").text = "INST"
    if not debtor.bic:
        other = ET.SubElement(_at(node, "DbtrAgt/FinInstnId"), "Othr")
        ET.SubElement(other, "Id").text = "NOTPROVIDED"
    written = ET.tostring(node, "utf-8")
    written = written[written.index(b"<PmtInf>") :].removesuffix(b"</PmtInf>")
    return b"\n" + written, b"\n</PmtInf>"


def _transfer_nodes(debtor: Debtor, profile: BankProfile, group: PaymentGroup) -> Iterator[tuple[CreditTransfer, bytes]]:
    sepa = _generator(debtor, profile)
    for transfer in group.transfers:
        name, remittance = to_sepa_text(transfer.creditor_name), to_sepa_text(transfer.remittance)
        _check_transfer(transfer, name, remittance, profile)
        sepa.add_payment(_payment(transfer, group, name, remittance))
        # sepaxml has put the node into its only batch: take it out, or the tree grows with the run.
        node = sepa._batches.popitem()[1][0]
        sepa._batch_totals.clear()
        instruction = ET.Element("InstrId")
        instruction.text = transfer.instruction_id
        _at(node, "PmtId").insert(0, instruction)
        yield transfer, ET.tostring(node, "us-ascii").removeprefix(b"<?xml version='1.0' encoding='us-ascii'?>\n")


def _payment(transfer: CreditTransfer, group: PaymentGroup, name: str, remittance: str) -> dict[str, object]:
    payment: dict[str, object] = {
        "name": name,
        "IBAN": transfer.creditor_iban,
        "amount": transfer.amount_minor,
        "description": remittance,
        "execution_date": group.execute_on,
        "endtoend_id": transfer.end_to_end_id,
    }
    if transfer.creditor_bic:
        payment["BIC"] = transfer.creditor_bic
    address = _address(transfer.creditor_town, transfer.creditor_country)
    if address:
        payment["address"] = address
    return payment


def _at(node: ET.Element, path: str) -> ET.Element:
    found = node.find(path)
    if found is None:
        raise RuntimeError(f"sepaxml no longer writes {path}: this module is made for 2.7.")
    return found


def _decimal(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


# --- the schema ---


@lru_cache(maxsize=1)
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "pain.001.001.09.xsd"))


def validate_pain001(data: bytes) -> None:
    """Hold the bytes against the ISO schema; raises FileNotValid with line and payment. Meant for a worker: about 2 s per 100,000 transfers."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        tree = etree.fromstring(data, parser).getroottree()
    except etree.XMLSyntaxError as error:
        raise FileNotValid(error.lineno or 1, "the file is not well-formed XML.") from None
    schema = _schema()
    if schema.validate(tree):
        return
    raise _not_valid(tree, schema.error_log)


def _not_valid(tree: etree._ElementTree, log: Iterable[etree._LogEntry]) -> FileNotValid:
    first = next(iter(log))
    # The schema's own message quotes the value; only the place and the kind of fault are passed on.
    kind = first.type_name.removeprefix("SCHEMAV_").lower().replace("_", " ")
    found = tree.xpath(first.path)[0] if first.path else tree.getroot()
    way = [found, *found.iterancestors()]
    names = [etree.QName(node).localname for node in way]
    if "CdtTrfTxInf" not in names:
        return FileNotValid(first.line, f"{'/'.join(reversed(names[:-1])) or names[0]} breaks the schema ({kind}).")
    depth = names.index("CdtTrfTxInf")
    end_to_end_id = way[depth].findtext("{*}PmtId/{*}EndToEndId")
    return FileNotValid(first.line, f"{'/'.join(reversed(names[: depth + 1]))} breaks the schema ({kind}).", end_to_end_id)
