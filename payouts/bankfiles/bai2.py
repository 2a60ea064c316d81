"""Read BAI2, the statement of North American banks: records of comma-separated fields, amounts in minor units without a point.

Every account, group and file states its own sum and count (49, 98, 99); all are held to. Source: BAI Cash Management Balance Reporting
Specifications, version 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from backoffice.kit.money import AMOUNT_MINOR_MAX, Money, MoneyError, exponent_of
from payouts.bankfiles.camt import number_lines
from payouts.bankfiles.errors import UnreadableFile
from payouts.bankfiles.records import Balance, Direction, EntryDetail, EntryStatus, Statement, StatementEntry

_AMOUNT = re.compile(r"([+-]?)(\d{1,18})", re.ASCII)
# Ledger balances are booked, available ones are not; what else a bank sums up in an 03 is held to its lines where it can be.
_BALANCES = {"010": "OPBD", "015": "CLBD", "040": "OPAV", "045": "CLAV"}
_TOTALS: dict[str, Direction] = {"100": "CRDT", "400": "DBIT"}
_FINAL = {"", "2", "4"}  # as-of-date modifier: 1 and 3 are interim, and come again


@dataclass(slots=True)
class _Record:
    """One record with the continuations (88) that belong to it; `rows` counts the lines it takes."""

    code: str
    line: int
    fields: list[str]
    rows: int = 1

    def fail(self, code: str, sentence: str) -> UnreadableFile:
        return UnreadableFile(code, sentence, f"line {self.line}, record {self.code}")

    def at(self, place: int) -> str:
        return self.fields[place].strip() if place < len(self.fields) else ""

    def amount(self, text: str) -> int:
        match = _AMOUNT.fullmatch(text.strip())
        if match is None:
            raise self.fail("bad_amount", "An amount is not a whole number of minor units.")
        return -int(match.group(2)) if match.group(1) == "-" else int(match.group(2))

    def count(self, place: int) -> int:
        text = self.at(place)
        if not (text.isascii() and text.isdigit() and len(text) <= 12):
            raise self.fail("bad_value", "A control count is not a number.")
        return int(text)

    def day(self, text: str) -> date:
        try:
            return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:6])) if len(text) == 6 else date.fromisoformat("")
        except ValueError:
            raise self.fail("bad_date", "The date is not a day written YYMMDD.") from None


@dataclass(slots=True)
class _Group:
    """What the 02 record says of the accounts behind it, and the sums that its 98 is compared with."""

    record: _Record
    as_of: date
    currency: str
    final: bool
    total: int = 0
    accounts: int = 0
    rows: int = 1


@dataclass(slots=True)
class _Account:
    """One 03 with its lines."""

    record: _Record
    currency: str
    sums: list[tuple[str, int, int | None]]
    lines: list[_Record] = field(default_factory=list)
    total: int = 0
    rows: int = 0


def read_statements(data: bytes) -> tuple[str, tuple[Statement, ...]]:
    """Return the file's own name for itself and every statement in it; raises UnreadableFile with the line."""
    records = list(_records(_decode(data)))
    if records[0].code != "01":
        raise records[0].fail("missing_field", "The file does not begin with an 01 record.")
    if records[-1].code != "99":
        raise records[-1].fail("truncated", "The file has no 99 record at its end: it breaks off.")
    head = records[0]
    name = "-".join(part for part in (head.at(0), head.at(2), head.at(3), head.at(4)) if part)
    statements = tuple(_statements(records))
    if not statements:
        raise head.fail("missing_field", "The file holds no account (03).")
    return name, statements


def _decode(data: bytes) -> str:
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _records(text: str) -> Iterator[_Record]:
    """Yield logical records: an 88 continues the one before it."""
    current: _Record | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        row = raw.strip()
        if not row:
            continue
        code, _, rest = row.partition(",")
        if not (len(code) == 2 and code.isdigit()):
            raise UnreadableFile("malformed", "The line does not begin with a record code of BAI2.", f"line {number}")
        ended = rest.endswith("/")
        fields = rest.removesuffix("/").rstrip().split(",")
        if code != "88":
            if current is not None:
                yield current
            current = _Record(code, number, fields)
        elif current is None:
            raise UnreadableFile("malformed", "The file begins with a continuation (88).", f"line {number}")
        else:
            # an amount list goes on with its next field, a text with its next words
            current.fields += fields if ended or current.code != "16" else [" ".join(fields)]
            current.rows += 1
    if current is None:
        raise UnreadableFile("empty_file", "The file holds no record.")
    yield current


def _statements(records: list[_Record]) -> Iterator[Statement]:
    group: _Group | None = None
    account: _Account | None = None
    file_total, groups, rows = 0, 0, 0
    seen: dict[tuple[str, date], int] = {}
    for record in records:
        rows += record.rows
        if record.code == "02":
            group = _group(record)
        elif record.code == "99":
            _hold(record, file_total, groups, rows)
        elif record.code == "01":
            continue
        elif group is None:
            raise record.fail("malformed", "The record stands outside a group (02).")
        elif record.code == "98":
            _hold(record, group.total, group.accounts, group.rows + record.rows)
            file_total, groups, group = file_total + group.total, groups + 1, None
        elif record.code == "03":
            account = _account(record, group)
        elif account is None:
            raise record.fail("malformed", "The record stands outside an account (03).")
        elif record.code == "16":
            account.lines.append(record)
            account.total += record.amount(record.at(1) or "0")
            account.rows += record.rows
        elif record.code == "49":
            _hold_account(record, account)
            group.total, group.accounts = group.total + account.total, group.accounts + 1
            group.rows += account.rows + record.rows
            number = account.record.at(0)
            seen[number, group.as_of] = seen.get((number, group.as_of), 0) + 1
            yield _statement(account, group, seen[number, group.as_of])
            account = None
        else:
            raise record.fail("bad_value", "The record is none of 01, 02, 03, 16, 49, 88, 98, 99.")


def _group(record: _Record) -> _Group:
    status = record.at(2)
    if status != "1":
        raise record.fail(
            "bad_value",
            "The group is not an update (status 1): deletions, corrections and tests need a person, and are not booked.",
        )
    return _Group(record, record.day(record.at(3)), record.at(5) or "USD", record.at(6) in _FINAL)


def _account(record: _Record, group: _Group) -> _Account:
    currency = record.at(1) or group.currency
    try:
        exponent_of(currency)
    except MoneyError:
        raise record.fail("bad_amount", "The currency is not an ISO 4217 code.") from None
    if not record.at(0):
        raise record.fail("missing_field", "The account has no number.")
    account = _Account(record, currency, list(_sums(record)), rows=record.rows)
    account.total = sum(amount for _, amount, _ in account.sums)
    return account


def _sums(record: _Record) -> Iterator[tuple[str, int, int | None]]:
    """Yield (type code, amount, item count) of an 03 and its continuations; a code without an amount says nothing."""
    place = 2
    while place < len(record.fields):
        code, amount, count = record.at(place), record.at(place + 1), record.at(place + 2)
        funds = record.at(place + 3)
        place += 4 + _funds_fields(record, funds, place + 3)
        if code and amount:
            yield code, record.amount(amount), int(count) if count.isascii() and count.isdigit() else None


def _funds_fields(record: _Record, funds: str, place: int) -> int:
    """Return how many fields a funds type takes behind itself."""
    if funds == "S":
        return 3
    if funds == "V":
        return 2
    if funds == "D":
        return 1 + 2 * record.count(place + 1)
    if funds in ("", "Z", "0", "1", "2"):
        return 0
    raise record.fail("bad_value", "The funds type is none of Z, 0, 1, 2, V, S, D.")


def _hold_account(record: _Record, account: _Account) -> None:
    if record.amount(record.at(0) or "0") != account.total:
        raise record.fail("control_sum_mismatch", "The account's control total is not the sum of its amounts.")
    if record.at(1) and record.count(1) != account.rows + record.rows:
        raise record.fail("control_sum_mismatch", "The account counts other records than it has.")


def _hold(record: _Record, total: int, parts: int, rows: int) -> None:
    """Hold a group (98) or the file (99) to its sum, its number of parts and its number of records."""
    if record.amount(record.at(0) or "0") != total:
        raise record.fail("control_sum_mismatch", "The control total is not the sum of what it covers.")
    if record.count(1) != parts or record.count(2) != rows:
        raise record.fail("control_sum_mismatch", "The record counts other parts or lines than there are.")


def _statement(account: _Account, group: _Group, ordinal: int) -> Statement:
    number, record = account.record.at(0), account.record
    entries = tuple(number_lines(_entry(line, account, group) for line in account.lines))
    _hold_to_totals(account, entries)
    balances = tuple(
        Balance(_BALANCES[code], amount, account.currency, group.as_of) for code, amount, _ in account.sums if code in _BALANCES
    )
    by_code = {balance.code: balance for balance in balances}
    name = f"{group.as_of:%Y%m%d}-{group.record.at(1)}"
    if any(abs(balance.amount_minor) > AMOUNT_MINOR_MAX for balance in balances):
        raise record.fail("bad_amount", "A balance is larger than any this system books.")
    return Statement(
        kind="bai2",
        statement_id=name if ordinal == 1 else f"{name}-{ordinal}",
        sequence=None,
        account_iban=number.replace(" ", "").upper(),
        currency=account.currency,
        from_on=group.as_of,
        to_on=group.as_of,
        created_at=None,
        opening=by_code.get("OPBD"),
        closing=by_code.get("CLBD"),
        balances=balances,
        entries=entries,
    )


def _hold_to_totals(account: _Account, entries: tuple[StatementEntry, ...]) -> None:
    """Compare the stated credit and debit totals with the lines, where the account lists any."""
    for code, amount, count in account.sums:
        direction = _TOTALS.get(code)
        found = [entry for entry in entries if entry.direction == direction]
        if direction is None or not entries:
            continue
        if amount != sum(entry.amount.amount_minor for entry in found) or count not in (None, len(found)):
            raise account.record.fail(
                "control_sum_mismatch", f"The total {code} says another sum or count than the account's lines make."
            )


def _entry(record: _Record, account: _Account, group: _Group) -> StatementEntry:
    code, funds = record.at(0), record.at(2)
    if not (len(code) == 3 and code.isdigit() and 100 <= int(code) <= 699):
        raise record.fail("bad_value", "The transaction's type code is neither a credit (100 to 399) nor a debit (400 to 699).")
    minor = record.amount(record.at(1))
    if not 0 <= minor <= AMOUNT_MINOR_MAX:
        raise record.fail("bad_amount", "The amount is below zero or larger than any this system books.")
    amount, direction = Money(minor, account.currency), "CRDT" if int(code) < 400 else "DBIT"
    behind = 3 + _funds_fields(record, funds, 2)
    value_on = record.day(record.at(3)) if funds == "V" and record.at(3) else group.as_of
    bank_ref, customer_ref = record.at(behind) or None, record.at(behind + 1) or None
    text = ",".join(record.fields[behind + 2 :]).strip()
    status: EntryStatus = "BOOK" if group.final else "INFO"
    way: Direction = "CRDT" if direction == "CRDT" else "DBIT"
    detail = EntryDetail(customer_ref, None, None, None, amount, way, None, None, text, None, None, None, None)
    return StatementEntry(
        line_ref="",
        entry_ref=None,
        amount=amount,
        direction=way,
        status=status,
        reversal=False,
        booked_on=group.as_of,
        value_on=value_on,
        bank_tx_code=code,
        account_servicer_ref=bank_ref,
        batch_message_id=None,
        batch_payment_info_id=None,
        number_of_txs=None,
        additional_info=text or None,
        details=(detail,),
    )
