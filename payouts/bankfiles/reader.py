"""One door for every bank file: bytes in, neutral records out, all or nothing."""

from __future__ import annotations

import hashlib
from typing import Literal

from payouts.bankfiles import bai2, bank_csv, camt, mt940, pacs004, pain002, safe_xml, totals
from payouts.bankfiles.detect import SIZE_MAX, detect, document_of, format_of, guard_size, looks_like_xml
from payouts.bankfiles.errors import UnreadableFile, UnsupportedFormat
from payouts.bankfiles.records import BankFile, Finding, Format, Statement
from payouts.bankfiles.safe_xml import Node

OnGap = Literal["refuse", "report"]


def read(data: bytes, *, size_max: int = SIZE_MAX, on_gap: OnGap = "refuse") -> BankFile:
    """Read a bank file into neutral records.

    Amounts are minor units with their currency; days are the bank's, instants UTC. `on_gap` says what to do with a statement whose
    opening balance plus entries is not its closing balance: refuse the file, or read it and name the missing money in `findings`
    (for a reconciliation that opens a break). Counts and control sums that disagree are refused either way.
    Raises UnreadableFile (codes there) and UnsupportedFormat.
    """
    guard_size(data, size_max)
    sha256 = hashlib.sha256(data).hexdigest()
    if looks_like_xml(data):
        document = document_of(safe_xml.parse(data))
        return _read_document(document, format_of(document), sha256, on_gap)
    found = detect(data, size_max=size_max)
    if found.name == "mt940":
        statements = mt940.read_statements(data)
        return BankFile(
            found, sha256, statements[0].statement_id, None, statements=statements, findings=_gaps(statements, on_gap)
        )
    if found.name == "bai2":
        name, statements = bai2.read_statements(data)
        return BankFile(found, sha256, name, None, statements=statements, findings=_gaps(statements, on_gap))
    if found.name == "csv":
        statements = bank_csv.read_statements(data)
        return BankFile(found, sha256, sha256[:32], None, statements=statements, findings=_gaps(statements, on_gap))
    raise UnsupportedFormat(
        f"This is a {found.name.upper()} file; this version reads pain.002, camt.052, camt.053, camt.054, pacs.004, MT940, BAI2 and CSV."
    )


def _read_document(document: Node, found: Format, sha256: str, on_gap: OnGap) -> BankFile:
    if found.name == "pain.002":
        report = pain002.read_status_report(document)
        return BankFile(found, sha256, report.message_id, report.created_at, status_report=report)
    if found.name == "pacs.004":
        returned = pacs004.read_payment_return(document)
        return BankFile(found, sha256, returned.message_id, returned.created_at, payment_return=returned)
    if found.name in camt.BODIES:
        return _read_camt(document, found, sha256, on_gap)
    if found.name == "pain.001":
        raise UnsupportedFormat("This is a payment file (pain.001): it goes to the bank, it does not come from it.")
    raise UnsupportedFormat(f"This is a {found} message; this version reads pain.002, camt.052, camt.053, camt.054 and pacs.004.")


def _read_camt(document: Node, found: Format, sha256: str, on_gap: OnGap) -> BankFile:
    statements: list[Statement] = []
    findings: list[Finding] = []
    for item, statement in camt.read_statements(document, found.name):
        totals.check_summary(item, statement)
        last_page, page = item.text("StmtPgntn/LastPgInd"), item.text("StmtPgntn/PgNb")
        findings += _gaps((statement,), on_gap, single_page=last_page in (None, "true", "1") and page in (None, "1"))
        statements.append(statement)
    header = document.child(camt.BODIES[found.name][0] + "/GrpHdr")
    if header is None:
        raise document.fail("missing_field", "The message has no group header.")
    return BankFile(
        found, sha256, header.required("MsgId"), header.instant("CreDtTm"), statements=tuple(statements), findings=tuple(findings)
    )


def _gaps(statements: tuple[Statement, ...], on_gap: OnGap, *, single_page: bool = True) -> tuple[Finding, ...]:
    found = [gap for statement in statements if (gap := totals.balance_gap(statement, single_page=single_page))]
    if found and on_gap == "refuse":
        raise UnreadableFile("control_sum_mismatch", found[0].sentence, found[0].place)
    return tuple(found)
