"""Read a file of sellers line by line: each becomes a checked line or a rejection with its place and code. Writes nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from backoffice.kit.errors import InputError
from payouts.sellers import validation
from payouts.sellers.models import PayeeKind, Tier
from payouts.sellers.profile import check_profile

COLUMNS = (
    "external_id,legal_name,entity_type,country,currency,tier,schedule,"
    "account_holder,iban,bic,us_routing_number,us_account_number"
).split(",")
OPTIONAL_COLUMNS = ["email", "town"]
LINE_BYTES_MAX = 1024 * 1024  # a physical line beyond this is skipped unread, so that no file decides how much memory is used


class UnusableFile(InputError):
    code = "unusable_file"
    sentence = "The file cannot be read: {why}."


class MissingColumns(InputError):
    code = "missing_columns"
    sentence = "The first line must name the columns; missing: {missing}; not known: {unknown}."


class UnreadableLine(InputError):
    code = "unreadable_line"
    sentence = "The line is not CSV: {why}."


class LineTooLong(InputError):
    code = "line_too_long"
    sentence = "The line is longer than a megabyte."


class NotUtf8(InputError):
    code = "not_utf8"
    sentence = "The line is not UTF-8 text."


class WrongNumberOfFields(InputError):
    code = "wrong_number_of_fields"
    sentence = "The line has {found} fields, the first line names {expected}."


class TwoPayeeAccounts(InputError):
    code = "two_payee_accounts"
    sentence = "The line names an IBAN and a US account; a seller is paid to one of them."


@dataclass(frozen=True, slots=True)
class SellerLine:
    """One line that could be imported; `payee` is None where it names no account. `bic_given`: the file says the BIC itself."""

    line_no: int
    profile: dict[str, Any]
    payee: validation.ParsedPayee | None = None
    holder: str = ""
    bic_given: bool = False

    @property
    def external_id(self) -> str:
        return str(self.profile["external_id"])


@dataclass(frozen=True, slots=True)
class RejectedSellerLine:
    line_no: int
    external_id: str
    code: str
    reason: str


class _Lines:
    """Physical lines as text. Bytes that are not UTF-8 become lone surrogates, which are found once the fields are apart."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.too_long: set[int] = set()

    def __iter__(self) -> Iterator[str]:
        number = 0
        while raw := self.stream.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(raw) > LINE_BYTES_MAX:
                self._skip_rest(raw)
                self.too_long.add(number)
                yield "\n"
                continue
            yield (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).decode("utf-8", "surrogateescape")

    def _skip_rest(self, raw: bytes) -> None:
        while raw and not raw.endswith(b"\n"):
            raw = self.stream.readline(LINE_BYTES_MAX)


def read_sellers(path: Path, tiers: Mapping[str, Tier]) -> Iterator[SellerLine | RejectedSellerLine]:
    """Yield every line that is not blank, in order, in bounded memory. Refuses: UnusableFile, MissingColumns."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UnusableFile(why=(error.strerror or "it is not there").lower()) from None
    with stream:
        lines = _Lines(stream)
        reader = csv.reader(iter(lines), strict=True)
        header = _header(reader)
        while True:
            line_no = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _rejected(line_no, "", UnreadableLine(why=str(error)))
                continue
            if lines.too_long:
                lines.too_long.clear()
                yield _rejected(line_no, "", LineTooLong())
            elif row:
                yield _line(line_no, header, row, tiers)


def _header(reader: Any) -> list[str]:
    try:
        header = [name.strip() for name in next(reader)]
    except StopIteration:
        raise UnusableFile(why="it is empty") from None
    except csv.Error:
        raise UnusableFile(why="its first line is not CSV") from None
    if any("\x00" in name or _not_utf8(name) for name in header):
        raise UnusableFile(why="it is not UTF-8 text")
    missing = [name for name in COLUMNS if name not in header]
    unknown = [name[:40] for name in header if name not in COLUMNS and name not in OPTIONAL_COLUMNS]
    if missing or unknown or len(set(header)) != len(header):
        raise MissingColumns(missing=", ".join(missing) or "none", unknown=", ".join(unknown) or "none")
    return header


def _line(line_no: int, header: list[str], row: list[str], tiers: Mapping[str, Tier]) -> SellerLine | RejectedSellerLine:
    external_id = row[header.index("external_id")] if len(row) == len(header) else ""
    try:
        if any(_not_utf8(value) for value in row):
            raise NotUtf8()
        if len(row) != len(header):
            raise WrongNumberOfFields(found=len(row), expected=len(header))
        given = {name: value.strip(" ") for name, value in zip(header, row, strict=True)}
        profile = check_profile(given, tiers)
        payee = _payee(given)
        holder = validation.clean_holder(given["account_holder"]) if payee else ""
    except InputError as refusal:
        return _rejected(line_no, external_id, refusal)
    return SellerLine(line_no, profile, payee, holder, bool(given["bic"]))


def _payee(given: Mapping[str, str]) -> validation.ParsedPayee | None:
    """Return the account a line names, or None; sellers of countries without either kind come without one."""
    us_account = given["us_account_number"] or given["us_routing_number"]
    if given["iban"] and us_account:
        raise TwoPayeeAccounts()
    if given["iban"]:
        return validation.parse_payee(PayeeKind.IBAN, given["iban"], given["bic"], country=given["country"])
    if not us_account:
        return None
    validation.check_kind_fits(PayeeKind.US_ACCOUNT, given["currency"])
    return validation.parse_payee(
        PayeeKind.US_ACCOUNT,
        given["us_account_number"],
        routing_number=given["us_routing_number"],
        country=given["country"],
    )


def _not_utf8(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


def _rejected(line_no: int, external_id: str, refusal: InputError) -> RejectedSellerLine:
    return RejectedSellerLine(line_no, external_id[:120], refusal.code, str(refusal))
