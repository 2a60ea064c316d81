"""Read a bank's CSV in one documented shape: a header, one booked movement a line, signed amounts, and the balance after each where the bank gives it.

Columns `account, booked_on, amount, currency` are required; `value_on, reference, end_to_end_id, name, iban, text, balance` are read where they
are there; others are refused, so that a shifted file is not misread. Separator comma, semicolon or tab; days ISO; amounts with a decimal point.
Each account's day is a statement of its own, so that overlapping downloads name the same line alike.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from backoffice.kit.money import Money, MoneyError, to_minor
from payouts.bankfiles.camt import number_lines
from payouts.bankfiles.errors import UnreadableFile
from payouts.bankfiles.pain002 import given
from payouts.bankfiles.records import Balance, Direction, EntryDetail, Statement, StatementEntry

REQUIRED = ("account", "booked_on", "amount", "currency")
OPTIONAL = ("value_on", "reference", "end_to_end_id", "name", "iban", "text", "balance")
_FIELD_MAX = 4_000
_SENTENCES = {
    "unknown_currency": "The currency is not an ISO 4217 code.",
    "wrong_exponent": "The amount has more decimals than its currency.",
    "amount_too_large": "The amount is larger than any this system books.",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One line with its place."""

    line: int
    cells: dict[str, str]

    def fail(self, code: str, sentence: str, column: str) -> UnreadableFile:
        return UnreadableFile(code, sentence, f"line {self.line}, column {column}")

    def day(self, column: str) -> date:
        try:
            return date.fromisoformat(self.cells[column])
        except ValueError:
            raise self.fail("bad_date", "The date is not written YYYY-MM-DD.", column) from None

    def minor(self, column: str) -> int:
        try:
            return to_minor(self.cells[column], self.cells["currency"])
        except MoneyError as error:
            raise self.fail(
                "bad_amount", _SENTENCES.get(error.code, "The amount is not a number with a decimal point."), column
            ) from None


def read_statements(data: bytes) -> tuple[Statement, ...]:
    """Read every account's days; raises UnreadableFile with line and column."""
    rows = list(_rows(_decode(data)))
    if not rows:
        raise UnreadableFile("missing_field", "The file has a header and no line.", "line 2")
    keyed = sorted(rows, key=lambda row: (row.cells["account"], row.cells["currency"], row.day("booked_on"), row.line))
    grouped = groupby(keyed, key=lambda row: (row.cells["account"], row.cells["currency"], row.day("booked_on")))
    return tuple(_statement(account, currency, on, list(lines)) for (account, currency, on), lines in grouped)


def _decode(data: bytes) -> str:
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile("wrong_charset", "The file is not UTF-8.", f"byte {error.start + 1}") from None


def _rows(text: str) -> Iterator[_Row]:
    head = text.split("\n", 1)[0]
    mark = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    names: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = _header(cells)
                continue
            if len(cells) != len(names):
                raise UnreadableFile(
                    "malformed", f"The line has {len(cells)} fields, the header {len(names)}.", f"line {reader.line_num}"
                )
            yield _row(reader.line_num, names, cells)
    except csv.Error:
        raise UnreadableFile(
            "malformed", "The line is not CSV: a quote is open or out of place.", f"line {reader.line_num}"
        ) from None


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    missing = [name for name in REQUIRED if name not in names]
    strange = [number for number, name in enumerate(names, 1) if name not in REQUIRED + OPTIONAL]
    if missing:
        raise UnreadableFile(
            "missing_field",
            f"A bank's CSV needs the columns {', '.join(REQUIRED)}; {', '.join(missing)} is not in the header.",
            "line 1",
        )
    if strange or len(set(names)) != len(names):
        place = f"line 1, column {strange[0]}" if strange else "line 1"
        raise UnreadableFile(
            "bad_value", f"A column is unknown or named twice; known are {', '.join(REQUIRED + OPTIONAL)}.", place
        )
    return names


def _row(line: int, names: list[str], cells: list[str]) -> _Row:
    found = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
    for name, cell in found.items():
        if len(cell) > _FIELD_MAX:
            raise UnreadableFile("too_complex", "A field is longer than any bank writes.", f"line {line}, column {name}")
    found["account"] = found["account"].replace(" ", "").upper()
    found["currency"] = found["currency"].upper()
    row = _Row(line, found)
    if not found["account"]:
        raise row.fail("missing_field", "The line names no account.", "account")
    return row


def _statement(account: str, currency: str, on: date, rows: list[_Row]) -> Statement:
    opening, closing = _balances(rows, currency, on)
    return Statement(
        kind="csv",
        statement_id=f"{on:%Y%m%d}-{currency}",
        sequence=None,
        account_iban=account,
        currency=currency,
        from_on=on,
        to_on=on,
        created_at=None,
        opening=opening,
        closing=closing,
        balances=tuple(one for one in (opening, closing) if one),
        entries=tuple(number_lines(_entry(row, currency, on) for row in rows)),
    )


def _balances(rows: list[_Row], currency: str, on: date) -> tuple[Balance | None, Balance | None]:
    """Return the day's opening and closing balance where every line has one; each must follow from the line before (newest first is fine)."""
    if not all(row.cells.get("balance") for row in rows):
        return None, None
    steps = [(row.minor("amount"), row.minor("balance")) for row in rows]
    if _first_break(steps) and not _first_break(steps[::-1]):
        steps = steps[::-1]
    if broken := _first_break(steps):
        raise rows[broken].fail("control_sum_mismatch", "The balance is not the one before plus the amount.", "balance")
    (amount, after), (_, last) = steps[0], steps[-1]
    return Balance("OPBD", after - amount, currency, on), Balance("CLBD", last, currency, on)


def _first_break(steps: list[tuple[int, int]]) -> int:
    """Return the place of the first balance that does not follow from the one before, 0 where all do."""
    places = range(1, len(steps))
    return next((place for place in places if steps[place - 1][1] + steps[place][0] != steps[place][1]), 0)


def _entry(row: _Row, currency: str, on: date) -> StatementEntry:
    signed = row.minor("amount")
    amount = Money(abs(signed), currency)
    direction: Direction = "CRDT" if signed >= 0 else "DBIT"
    cells = row.cells
    text = cells.get("text", "")
    detail = EntryDetail(
        given(cells.get("end_to_end_id") or None),
        *(None, None, None),
        amount,
        direction,
        cells.get("name") or None,
        cells.get("iban", "").replace(" ", "").upper() or None,
        text,
        *(None, None, None, None),
    )
    return StatementEntry(
        line_ref="",
        entry_ref=None,
        amount=amount,
        direction=direction,
        status="BOOK",
        reversal=False,
        booked_on=on,
        value_on=row.day("value_on") if cells.get("value_on") else on,
        bank_tx_code=None,
        account_servicer_ref=cells.get("reference") or None,
        batch_message_id=None,
        batch_payment_info_id=None,
        number_of_txs=None,
        additional_info=text or None,
        details=(detail,),
    )
