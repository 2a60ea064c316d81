"""Bank XML, hardened: no DOCTYPE, no entity, no network, depth below libxml2's 256 and tags of bounded length; then a small typed view that ignores namespace versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from lxml import etree

from backoffice.kit.money import Money, MoneyError, exponent_of, to_minor
from payouts.bankfiles.errors import UnreadableFile

# A UTF-16 or UTF-7 file is a way around byte-level filters, never a bank's; ISO 20022 prescribes UTF-8, old exporters write Latin-1.
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "latin1", "windows-1252"}
_DECLARATION = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_DOCTYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST)", re.IGNORECASE)
# No start tag of a bank message is longer than a few hundred bytes; a million attributes are.
_LONG_TAG = re.compile(rb"<[A-Za-z_][^<>]{8000}")

_AMOUNT_SENTENCES = {
    "unknown_currency": "The currency is not an ISO 4217 code.",
    "wrong_exponent": "The amount has more decimals than its currency.",
    "amount_too_large": "The amount is larger than any this system books.",
}

_PLAIN_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,17})?", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(Z|[+-]\d{2}:\d{2})?", re.ASCII)

# libxml2's error numbers that mean "these bytes are not that charset" and "the file ends too early".
_CHARSET_ERRORS = {
    etree.ErrorTypes.ERR_INVALID_CHAR,
    etree.ErrorTypes.ERR_INVALID_ENCODING,
    etree.ErrorTypes.ERR_UNSUPPORTED_ENCODING,
    etree.ErrorTypes.ERR_UNKNOWN_ENCODING,
    etree.ErrorTypes.I18N_CONV_FAILED,
}
_END_ERRORS = {
    etree.ErrorTypes.ERR_DOCUMENT_EMPTY,
    etree.ErrorTypes.ERR_DOCUMENT_END,
    etree.ErrorTypes.ERR_TAG_NOT_FINISHED,
    etree.ErrorTypes.ERR_GT_REQUIRED,
    etree.ErrorTypes.ERR_LTSLASH_REQUIRED,
    etree.ErrorTypes.ERR_ATTRIBUTE_NOT_FINISHED,
}


def parse(data: bytes) -> etree._Element:
    """Return the root element of a bank's XML; raises UnreadableFile with the line, and never resolves, fetches or expands anything."""
    _refuse_tricks(data)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _unreadable(data, error) from None
    if root.getroottree().docinfo.doctype:
        raise UnreadableFile("doctype_refused", "A bank file declares no document type; this one does.")
    return root


def _refuse_tricks(data: bytes) -> None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:4]:
        raise UnreadableFile("wrong_charset", "The file is in UTF-16 or UTF-32; bank files are UTF-8.", "line 1")
    declared = _DECLARATION.match(data.removeprefix(b"\xef\xbb\xbf"))
    if declared and declared.group(1).decode("ascii").lower() not in _CHARSETS:
        raise UnreadableFile(
            "wrong_charset", f"The file declares the charset {declared.group(1).decode('ascii')}; bank files are UTF-8.", "line 1"
        )
    trick = _DOCTYPE.search(data)
    if trick:
        raise UnreadableFile(
            "doctype_refused", "A bank file declares no document type and no entity; this one does.", line_at(data, trick.start())
        )
    long_tag = _LONG_TAG.search(data)
    if long_tag:
        raise UnreadableFile("too_complex", "One XML tag is longer than any bank writes.", line_at(data, long_tag.start()))


def line_at(data: bytes, offset: int) -> str:
    newlines = data.count(b"\n", 0, offset)
    return f"line {newlines + 1}"


def _unreadable(data: bytes, error: Exception) -> UnreadableFile:
    # libxml2's own message may quote content, so it is not passed on.
    number = getattr(error, "code", 0)
    line, column = getattr(error, "position", (1, 0)) or (1, 0)
    place = f"line {line}, column {column}"
    ends_early = not data.rstrip().endswith(b">") or number in _END_ERRORS
    if number in _CHARSET_ERRORS:
        return UnreadableFile("wrong_charset", "These bytes are not text in the charset the file declares.", place)
    if "depth" in str(error).lower() or "huge" in str(error).lower():
        return UnreadableFile("too_complex", "The XML is nested deeper or longer than any bank file.", place)
    if ends_early:
        return UnreadableFile("truncated", "The file breaks off before its end.", place)
    return UnreadableFile("malformed", "The file is not well-formed XML.", place)


@lru_cache(maxsize=1024)
def _expanded(namespace: str, path: str) -> str:
    return "/".join(namespace + step for step in path.split("/"))


class Node:
    """One element with the questions a reader asks: paths are local names, in the namespace the document itself uses."""

    __slots__ = ("el", "ns", "place")

    def __init__(self, el: etree._Element, ns: str, place: str) -> None:
        self.el, self.ns, self.place = el, ns, place

    def _path(self, path: str) -> str:
        return _expanded(self.ns, path)

    def children(self, path: str) -> Iterator[Node]:
        name = path.rsplit("/", 1)[-1]
        for number, child in enumerate(self.el.iterfind(self._path(path)), 1):
            yield Node(child, self.ns, f"{self.place}/{name}[{number}]")

    def child(self, *paths: str) -> Node | None:
        """Return the first of several alternative paths that exists (versions differ)."""
        for path in paths:
            found = self.el.find(self._path(path))
            if found is not None:
                return Node(found, self.ns, f"{self.place}/{path}")
        return None

    def text(self, *paths: str) -> str | None:
        """Return the trimmed text at the first path that has any, else None."""
        for path in paths:
            found: str | None = self.el.findtext(self._path(path))
            if found is not None and found.strip():
                return found.strip()
        return None

    def required(self, *paths: str) -> str:
        value = self.text(*paths)
        if value is None:
            raise UnreadableFile("missing_field", f"The field {paths[0]} is missing.", f"{self.place}, line {self.el.sourceline}")
        return value

    def fail(self, code: str, sentence: str) -> UnreadableFile:
        return UnreadableFile(code, sentence, f"{self.place}, line {self.el.sourceline}")

    def money(self, *paths: str) -> Money | None:
        """Return the amount with its Ccy at the first path that exists; refuses one that is signed or finer than its currency."""
        found = self.child(*paths)
        if found is None:
            return None
        return Money(minor_of(found, (found.el.text or "").strip(), found.el.get("Ccy") or ""), found.el.get("Ccy") or "")

    def required_money(self, *paths: str) -> Money:
        amount = self.money(*paths)
        if amount is None:
            raise UnreadableFile(
                "missing_field", f"The amount {paths[0]} is missing.", f"{self.place}, line {self.el.sourceline}"
            )
        return amount

    def number(self, path: str) -> Decimal | None:
        """Return a control sum (a plain decimal without currency)."""
        value = self.text(path)
        if value is None:
            return None
        if not _PLAIN_NUMBER.fullmatch(value):
            raise self.fail("bad_value", f"The field {path} is not a number.")
        try:
            return Decimal(value)
        except InvalidOperation:
            raise self.fail("bad_value", f"The field {path} is not a number.") from None

    def count(self, path: str) -> int | None:
        value = self.text(path)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 15):
            raise self.fail("bad_value", f"The field {path} is not a count.")
        return int(value)

    def instant(self, path: str) -> datetime | None:
        """Return a date-time in UTC; one without an offset is read as UTC."""
        value = self.text(path)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise self.fail("bad_date", f"The field {path} is not an ISO 8601 date and time.") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)

    def day(self, *paths: str) -> date | None:
        """Return a calendar day as the bank wrote it; of a date-time the day in the bank's own offset."""
        value = self.text(*paths)
        if value is None:
            return None
        match = _DATE.match(value)
        try:
            return date.fromisoformat(match.group(1)) if match else datetime.fromisoformat(value).date()
        except ValueError:
            raise self.fail("bad_date", f"The field {paths[0]} is not an ISO 8601 date.") from None


def minor_of(node: Node, text: str, currency: str) -> int:
    """Turn a bank's amount into minor units; zeros beyond the currency's exponent ('8.850' EUR) are the bank's habit and harmless."""
    try:
        whole, _, decimals = text.partition(".")
        keep = exponent_of(currency)
        if len(decimals) > keep and not decimals[keep:].strip("0"):
            decimals = decimals[:keep]
        minor = to_minor(f"{whole}.{decimals}" if decimals else whole, currency)
    except MoneyError as error:
        raise node.fail("bad_amount", _AMOUNT_SENTENCES.get(error.code, "The amount is not a decimal number.")) from None
    if minor < 0 or text.startswith(("+", "-")):
        raise node.fail("bad_amount", "A bank writes amounts without a sign and the direction beside them.")
    return minor
