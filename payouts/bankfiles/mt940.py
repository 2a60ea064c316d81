"""Read MT940, the statement of banks without camt; every statement of a file keeps its own balances.

Details come as free text (:86:); the SEPA conventions of German and Dutch banks inside it are understood, the rest is kept as remittance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from backoffice.kit.money import Money, MoneyError, exponent_of, to_minor
from payouts.bankfiles.camt import number_lines
from payouts.bankfiles.errors import UnreadableFile
from payouts.bankfiles.pain002 import given
from payouts.bankfiles.records import Balance, Direction, EntryDetail, Statement, StatementEntry

_TAG = re.compile(r":(\d{2}[A-Z]?|NS):(.*)")
_BLOCK = re.compile(r"\{[123]:[^{}]*(\{[^{}]*\}[^{}]*)*\}|\{4:|\{5:.*")
_BALANCE = re.compile(r"([CD])(\d{6})([A-Z]{3})(\d{1,15},\d{0,3})")
_LINE = re.compile(
    r"(?P<value>\d{6})(?P<booked>\d{4})?(?P<mark>R?[CD]|E[CD])(?P<funds>[A-Z])?(?P<amount>\d{1,15},\d{0,3})"
    r"(?P<type>[NFS][A-Z0-9 ]{3})(?P<ref>.{0,34}?)(//(?P<bank>.{0,34}))?"
)
_SUBFIELD = re.compile(r"\?(\d{2})")
_KEYWORD = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|IBAN|BIC)\+|MTLG:")
_SLASHED = re.compile(r"/(EREF|REMI|NAME|IBAN|RTRN)/([^/]*)")
_BALANCE_CODES = {"60F": "OPBD", "60M": "OPBD", "62F": "CLBD", "62M": "CLBD", "64": "CLAV", "65": "FWAV"}


@dataclass(slots=True)
class _Field:
    tag: str
    line: int
    rows: list[str] = field(default_factory=list)

    @property
    def first(self) -> str:
        return self.rows[0].strip()

    def fail(self, code: str, sentence: str) -> UnreadableFile:
        return UnreadableFile(code, sentence, f"line {self.line}, :{self.tag}:")


def read_statements(data: bytes) -> tuple[Statement, ...]:
    """Read every statement of an MT940 file; raises UnreadableFile with the line."""
    statements = tuple(_statement(fields) for fields in _messages(_decode(data)))
    if not statements:
        raise UnreadableFile("missing_field", "The file has no :20: and so no statement.", "line 1")
    return statements


def _decode(data: bytes) -> str:
    # SWIFT's own set is ASCII; what banks add is UTF-8 or, before that, Latin-1, which accepts every byte.
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _messages(text: str) -> Iterator[list[_Field]]:
    fields: list[_Field] = []
    for number, raw in enumerate(text.splitlines(), 1):
        row = raw.strip("\x01\x02\x03")
        row = _BLOCK.sub("", row) if row.startswith("{") else row
        match = _TAG.fullmatch(row.rstrip())
        if match and match.group(1) == "20" and fields:
            yield fields
            fields = []
        if match:
            fields.append(_Field(match.group(1), number, [match.group(2)]))
        elif row.strip() not in ("", "-", "-}") and fields:
            fields[-1].rows.append(row.rstrip("\r\n"))
    if fields:
        yield fields


def _statement(fields: list[_Field]) -> Statement:
    by_tag = {item.tag: item for item in reversed(fields)}
    opening_field, closing_field = by_tag.get("60F") or by_tag.get("60M"), by_tag.get("62F") or by_tag.get("62M")
    for tag, present in (("20", by_tag.get("20")), ("25", by_tag.get("25")), ("60F", opening_field)):
        if present is None:
            raise fields[0].fail("missing_field", f"The statement has no :{tag}:.")
    if closing_field is None:
        raise fields[-1].fail("truncated", "The statement has no closing balance (:62F:): the file breaks off, or is none.")
    balances = tuple(_balance(item) for item in fields if item.tag in _BALANCE_CODES)
    opening = next(balance for balance in balances if balance.code == "OPBD")
    closing = next(balance for balance in balances if balance.code == "CLBD")
    sequence = by_tag.get("28C") or by_tag.get("28")
    number = sequence.first if sequence else None
    return Statement(
        kind="mt940",
        statement_id="/".join(part for part in (by_tag["20"].first, number) if part),
        sequence=number,
        account_iban=by_tag["25"].first.replace(" ", "").upper(),
        currency=opening.currency,
        from_on=opening.on,
        to_on=closing.on,
        created_at=None,
        opening=opening,
        closing=closing,
        balances=balances,
        entries=tuple(number_lines(_entries(fields, opening.currency))),
    )


def _balance(item: _Field) -> Balance:
    match = _BALANCE.fullmatch(item.first)
    if match is None:
        raise item.fail("bad_value", "The balance is not written as C or D, date, currency, amount.")
    mark, day, currency, amount = match.groups()
    minor = _minor(item, amount, currency)
    return Balance(_BALANCE_CODES[item.tag], minor if mark == "C" else -minor, currency, _day(item, day))


def _minor(item: _Field, amount: str, currency: str) -> int:
    whole, _, decimals = amount.partition(",")
    try:
        keep = exponent_of(currency)
        decimals = decimals[:keep] if not decimals[keep:].strip("0") else decimals
        return to_minor(f"{whole}.{decimals}" if decimals else whole, currency)
    except MoneyError:
        raise item.fail("bad_amount", "The amount or its currency is not usable.") from None


def _day(item: _Field, text: str) -> date:
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:6]))
    except ValueError:
        raise item.fail("bad_date", "The date is not a day of the calendar.") from None


def _entries(fields: list[_Field], currency: str) -> Iterator[StatementEntry]:
    for position, item in enumerate(fields):
        if item.tag == "61":
            following = fields[position + 1] if position + 1 < len(fields) else None
            yield _entry(item, following if following and following.tag in ("86", "NS") else None, currency)


def _entry(item: _Field, info: _Field | None, currency: str) -> StatementEntry:
    match = _LINE.fullmatch(item.first)
    if match is None:
        raise item.fail("bad_value", "The statement line is not written as MT940 prescribes.")
    # C and D are plain, EC and ED expected; RC undoes a credit (money leaves), RD undoes a debit (money comes back).
    mark = match["mark"]
    direction: Direction = "CRDT" if mark in ("C", "EC", "RD") else "DBIT"
    amount = Money(_minor(item, match["amount"], currency), currency)
    value_on = _day(item, match["value"])
    reference = None if match["ref"].strip() in ("", "NONREF") else match["ref"].strip()
    return StatementEntry(
        line_ref="",
        entry_ref=None,
        amount=amount,
        direction=direction,
        status="PDNG" if mark.startswith("E") else "BOOK",
        reversal=mark.startswith("R"),
        booked_on=_booked_on(item, match["booked"], value_on),
        value_on=value_on,
        bank_tx_code=match["type"].strip(),
        account_servicer_ref=(match["bank"] or "").strip() or None,
        batch_message_id=None,
        batch_payment_info_id=None,
        number_of_txs=None,
        additional_info=" ".join(row.strip() for row in item.rows[1:]) or None,
        details=(_detail(info, amount, direction, reference),),
    )


def _booked_on(item: _Field, text: str | None, value_on: date) -> date:
    """Return the booking day, which has no year of its own: the one nearest to the value day."""
    if text is None:
        return value_on
    days = [
        _day(item, f"{(value_on.year + shift) % 100:02d}{text}")
        for shift in (-1, 0, 1)
        if text != "0229" or (value_on.year + shift) % 4 == 0
    ]
    if not days:
        raise item.fail("bad_date", "The booking date is not a day of the calendar.")
    return min(days, key=lambda day: abs((day - value_on).days))


def _detail(info: _Field | None, amount: Money, direction: Direction, reference: str | None) -> EntryDetail:
    parts = _information(info.rows) if info else {}
    end_to_end_id = given(parts.get("EREF"))
    returned = parts.get("RTRN")
    return EntryDetail(
        end_to_end_id=end_to_end_id,
        instruction_id=None,
        message_id=parts.get("KREF") or reference,
        payment_info_id=None,
        amount=amount,
        direction=direction,
        counterparty_name=parts.get("NAME"),
        counterparty_iban=parts.get("IBAN"),
        remittance=parts.get("SVWZ", ""),
        account_servicer_ref=None,
        return_reason_code=returned,
        return_reason_text=parts.get("MTLG:") if returned else None,
        original_end_to_end_id=end_to_end_id if returned else None,
    )


# German business transaction code of a returned transfer; the key extension ?34 says why. Only the two seen in real files are mapped:
# any other reason keeps the bank's own number, which no rule knows, so that a person is asked.
_RETURN_CODE = "159"
_RETURN_REASONS = {"901": "AC01", "914": "MS03"}


def _information(rows: list[str]) -> dict[str, str]:
    """Return the parts of :86: by name: EREF, KREF, SVWZ (free text), NAME, IBAN, RTRN (ISO return reason), MTLG: (message)."""
    joined = "".join(rows)
    if _SLASHED.search(joined):
        found = {name: value.strip() for name, value in _SLASHED.findall(joined) if value.strip()}
        return found | {"SVWZ": found.get("REMI", "")}
    if "?" not in joined[:6]:
        return {"SVWZ": " ".join(row.strip() for row in rows).strip()}
    pieces = _SUBFIELD.split(joined)
    sub: dict[str, str] = {}
    for name, value in zip(pieces[1::2], pieces[2::2], strict=True):
        sub[name] = sub.get(name, "") + value
    text = "".join(value for name, value in sub.items() if name[0] in "26")
    parts = _keywords(text)
    name = (sub.get("32", "") + sub.get("33", "")).strip()
    parts |= {"NAME": name} if name else {}
    parts |= {"IBAN": sub["31"].strip()} if sub.get("31", "").strip() else {}
    if pieces[0].strip() == _RETURN_CODE:
        reason = sub.get("34", "").strip()
        parts["RTRN"] = _RETURN_REASONS.get(reason, reason or "unknown")
    return parts


def _keywords(text: str) -> dict[str, str]:
    marks = list(_KEYWORD.finditer(text))
    if not marks:
        return {"SVWZ": text.strip()}
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return {mark.group(1) or "MTLG:": text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}
