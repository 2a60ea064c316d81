"""Say what a file is by its content; its name is never asked."""

from __future__ import annotations

import re

from lxml import etree

from payouts.bankfiles import safe_xml
from payouts.bankfiles.errors import UnreadableFile
from payouts.bankfiles.records import Format
from payouts.bankfiles.safe_xml import Node

SIZE_MAX = 50 * 1024 * 1024

_MESSAGE = re.compile(r"((?:pain|camt|pacs)\.\d{3})\.(\d{3}\.\d{2}(?:\.ch\.\d{2})?)")
_BODY_NAMES = {
    "CstmrPmtStsRpt": "pain.002",
    "CstmrCdtTrfInitn": "pain.001",
    "BkToCstmrAcctRpt": "camt.052",
    "BkToCstmrStmt": "camt.053",
    "BkToCstmrDbtCdtNtfctn": "camt.054",
    "PmtRtr": "pacs.004",
}
# Some banks leave the start-of-header byte of the SWIFT line protocol in front.
_MT940_START = re.compile(rb"\A[\x01\x02\s]*(\{1:[^}]{0,80}\}.{0,400}?\{4:\s*)?:20:", re.DOTALL)
_NACHA_START = re.compile(rb"\A101[ 0-9]{10}[ 0-9A-Z]{10}\d{6}")


def detect(data: bytes, *, size_max: int = SIZE_MAX) -> Format:
    """Return the format of a bank file.

    Names: pain.001, pain.002, camt.052, camt.053, camt.054, pacs.004, mt940, bai2, nacha, csv. Raises UnreadableFile
    (`empty_file`, `file_too_large`, `unknown_format`, or what parsing the XML refuses).
    """
    guard_size(data, size_max)
    if looks_like_xml(data):
        return format_of(document_of(safe_xml.parse(data)))
    return _detect_text(data)


def guard_size(data: bytes, size_max: int) -> None:
    if len(data) > size_max:
        raise UnreadableFile("file_too_large", f"The file has {len(data):,} bytes; {size_max:,} is the limit.")
    if not data.strip():
        raise UnreadableFile("empty_file", "The file is empty.")


def looks_like_xml(data: bytes) -> bool:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableFile("wrong_charset", "The file is in UTF-16; bank files are UTF-8 or ASCII.", "line 1")
    start = data[:200].removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"\x00" in start[:40]:
        raise UnreadableFile("wrong_charset", "The file holds zero bytes: UTF-16 or binary, not a bank's text.", "line 1")
    return start.startswith(b"<")


def document_of(root: etree._Element) -> Node:
    """Return the ISO 20022 Document, also out of the envelope some banks put around it."""
    found = root if etree.QName(root).localname == "Document" else next(root.iter("{*}Document"), None)
    if found is None:
        raise UnreadableFile("unknown_format", "The file is XML, but not an ISO 20022 message.", "line 1")
    namespace = etree.QName(found).namespace
    return Node(found, f"{{{namespace}}}" if namespace else "", "Document")


def format_of(document: Node) -> Format:
    match = _MESSAGE.search(document.ns)
    if match:
        return Format(match.group(1), match.group(2))
    for child in document.el:
        name = _BODY_NAMES.get(etree.QName(child).localname)
        if name:
            return Format(name)
    raise UnreadableFile("unknown_format", "The file is XML, but not a message this product knows.", "line 1")


def _detect_text(data: bytes) -> Format:
    head = data[:4096].removeprefix(b"\xef\xbb\xbf")
    if _MT940_START.match(head) and b":25:" in data[:20_000]:
        return Format("mt940")
    if head.lstrip().startswith(b"01,") and b"\n02," in data[:20_000].replace(b"\r", b"\n"):
        return Format("bai2")
    if _NACHA_START.match(head):
        return Format("nacha")
    if _looks_like_csv(head):
        return Format("csv")
    raise UnreadableFile(
        "unknown_format",
        "The file is none of pain.002, camt.052, camt.053, camt.054, pacs.004, MT940, BAI2, NACHA, CSV.",
        "line 1",
    )


def _looks_like_csv(head: bytes) -> bool:
    if any(byte < 9 or 13 < byte < 32 for byte in head):
        return False
    lines = [line for line in head.splitlines() if line.strip()][:3]
    if len(lines) < 2:
        return False
    return any(lines[0].count(mark) >= 2 and lines[1].count(mark) >= 2 for mark in (b",", b";", b"\t"))
