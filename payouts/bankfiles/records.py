"""The neutral records every bank file is read into: frozen, amounts in integer minor units, no format's vocabulary but ISO 20022's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from backoffice.kit.money import Money

Direction = Literal["CRDT", "DBIT"]
EntryStatus = Literal["BOOK", "PDNG", "INFO"]


@dataclass(frozen=True, slots=True)
class Format:
    """A recognised format: `name` such as 'camt.053', `version` such as '001.08' ('' where a format has none)."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True)
class Finding:
    """A contradiction the reader noticed and reports instead of refusing; `gap_minor` is what is missing, signed, where it is money."""

    code: str
    sentence: str
    place: str = ""
    gap_minor: int = 0
    currency: str = ""


# --- pain.002 ---


@dataclass(frozen=True, slots=True)
class StatusLine:
    """What the bank says about one credit transfer; `status` is ISO (ACCP, ACSP, ACSC, PDNG, RJCT, ...) or None where only the group has one."""

    end_to_end_id: str | None
    instruction_id: str | None
    payment_info_id: str | None
    status: str | None
    reason_code: str | None
    reason_text: str | None
    amount: Money | None


@dataclass(frozen=True, slots=True)
class PaymentInfoStatus:
    payment_info_id: str | None
    status: str | None
    reason_code: str | None
    reason_text: str | None
    number_of_txs: int | None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A pain.002. A group or payment-info status covers every transfer the report does not list by itself."""

    message_id: str
    original_message_id: str | None
    original_name_id: str | None
    group_status: str | None
    group_reason: str | None
    group_reason_text: str | None
    created_at: datetime | None
    transactions: tuple[StatusLine, ...]
    payment_infos: tuple[PaymentInfoStatus, ...]


# --- camt.052, camt.053, camt.054, MT940 ---


@dataclass(frozen=True, slots=True)
class Balance:
    """One balance; `code` is ISO (OPBD, PRCD, CLBD, ITBD, CLAV, FWAV, ...), the amount is signed: a debit balance is below zero."""

    code: str
    amount_minor: int
    currency: str
    on: date | None


@dataclass(frozen=True, slots=True)
class EntryDetail:
    """One transaction inside an entry. On a return the ids are those of the transfer we sent; `counterparty_*` is the other party, never us."""

    end_to_end_id: str | None
    instruction_id: str | None
    message_id: str | None
    payment_info_id: str | None
    amount: Money | None
    direction: Direction
    counterparty_name: str | None
    counterparty_iban: str | None
    remittance: str
    account_servicer_ref: str | None
    return_reason_code: str | None
    return_reason_text: str | None
    original_end_to_end_id: str | None

    @property
    def is_return(self) -> bool:
        return self.return_reason_code is not None or self.return_reason_text is not None


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One booked (or pending) movement; `amount` is positive and `direction` says which way, from the account holder's side.

    `line_ref` names the line for ever: the bank's own reference where it gives one, else a digest of the content, with a running
    number where the same would stand twice in one statement. (account, statement, line_ref) may be booked once.
    """

    line_ref: str
    entry_ref: str | None
    amount: Money
    direction: Direction
    status: EntryStatus
    reversal: bool
    booked_on: date | None
    value_on: date | None
    bank_tx_code: str | None
    account_servicer_ref: str | None
    batch_message_id: str | None
    batch_payment_info_id: str | None
    number_of_txs: int | None
    additional_info: str | None
    details: tuple[EntryDetail, ...]

    @property
    def signed_minor(self) -> int:
        return self.amount.amount_minor if self.direction == "CRDT" else -self.amount.amount_minor


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, report or notification of one account. `account_iban` holds the bank's own number where it gives no IBAN."""

    kind: str
    statement_id: str
    sequence: str | None
    account_iban: str
    currency: str | None
    from_on: date | None
    to_on: date | None
    created_at: datetime | None
    opening: Balance | None
    closing: Balance | None
    balances: tuple[Balance, ...]
    entries: tuple[StatementEntry, ...]


# --- pacs.004 ---


@dataclass(frozen=True, slots=True)
class ReturnLine:
    return_id: str | None
    original_end_to_end_id: str | None
    original_instruction_id: str | None
    original_message_id: str | None
    amount: Money
    original_amount: Money | None
    reason_code: str | None
    reason_text: str | None
    settled_on: date | None


@dataclass(frozen=True, slots=True)
class PaymentReturn:
    """A pacs.004: transfers that were settled and came back."""

    message_id: str
    created_at: datetime | None
    returns: tuple[ReturnLine, ...]


# --- the file ---


@dataclass(frozen=True, slots=True)
class BankFile:
    """A whole file, read: exactly one of `status_report`, `payment_return` or a non-empty `statements` is there.

    `findings` is empty unless the caller asked for gaps to be reported rather than refused.
    """

    format: Format
    sha256: str
    message_id: str
    created_at: datetime | None
    status_report: StatusReport | None = None
    payment_return: PaymentReturn | None = None
    statements: tuple[Statement, ...] = ()
    findings: tuple[Finding, ...] = ()

    def identity(self) -> tuple[str, ...]:
        """Return what makes this file the same message again, whatever its bytes: format, message id, then account and id of each statement."""
        parts = [self.format.name, self.message_id]
        for statement in self.statements:
            parts += [statement.account_iban, statement.statement_id]
        return tuple(parts)
