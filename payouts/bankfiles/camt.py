"""Read camt.052 (intraday), camt.053 (end of day) and camt.054 (notification): the same shape under three names."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import cast

from backoffice.kit.money import Money
from payouts.bankfiles.pain002 import given
from payouts.bankfiles.records import Balance, Direction, EntryDetail, EntryStatus, Statement, StatementEntry
from payouts.bankfiles.safe_xml import Node

BODIES = {
    "camt.052": ("BkToCstmrAcctRpt", "Rpt"),
    "camt.053": ("BkToCstmrStmt", "Stmt"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}

# A status of .08 and later is an external code, of .02 to .07 a fixed one; FUTR is a booking announced for another day.
_STATUS: dict[str, EntryStatus] = {"BOOK": "BOOK", "PDNG": "PDNG", "INFO": "INFO", "FUTR": "PDNG"}


def read_statements(document: Node, kind: str) -> Iterator[tuple[Node, Statement]]:
    """Yield each statement with its node (whose control totals the caller checks)."""
    body_name, item_name = BODIES[kind]
    body = document.child(body_name)
    if body is None:
        raise document.fail("missing_field", f"A {kind} has no {body_name}.")
    items = list(body.children(item_name))
    if not items:
        raise body.fail("missing_field", f"The file has no {item_name}.")
    for item in items:
        yield item, _statement(item, kind)


def _statement(item: Node, kind: str) -> Statement:
    account = item.required("Acct/Id/IBAN", "Acct/Id/Othr/Id", "Acct/Id/PrtryAcct/Id").replace(" ", "").upper()
    balances = tuple(_balance(node) for node in item.children("Bal"))
    entries = tuple(number_lines(_entry(node, account) for node in item.children("Ntry")))
    currency = item.text("Acct/Ccy") or next((balance.currency for balance in balances), None)
    return Statement(
        kind=kind,
        statement_id=item.required("Id"),
        sequence=item.text("LglSeqNb", "ElctrncSeqNb"),
        account_iban=account,
        currency=currency or (entries[0].amount.currency if entries else None),
        from_on=item.day("FrToDt/FrDtTm", "FrToDt/FrDt"),
        to_on=item.day("FrToDt/ToDtTm", "FrToDt/ToDt"),
        created_at=item.instant("CreDtTm"),
        opening=_pick(balances, "OPBD", "PRCD"),
        closing=_pick(balances, "CLBD", "ITBD" if kind == "camt.052" else "CLBD"),
        balances=balances,
        entries=entries,
    )


def _pick(balances: Iterable[Balance], *codes: str) -> Balance | None:
    by_code = {balance.code: balance for balance in reversed(list(balances))}
    return next((by_code[code] for code in codes if code in by_code), None)


def _balance(node: Node) -> Balance:
    amount = node.required_money("Amt")
    sign = -1 if _direction(node) == "DBIT" else 1
    code = node.required("Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry")
    return Balance(code, sign * amount.amount_minor, amount.currency, node.day("Dt/Dt", "Dt/DtTm"))


def _direction(node: Node) -> Direction:
    value = node.required("CdtDbtInd")
    if value not in ("CRDT", "DBIT"):
        raise node.fail("bad_value", "CdtDbtInd is neither CRDT nor DBIT.")
    return cast(Direction, value)


def _entry(node: Node, account: str) -> StatementEntry:
    amount, direction = node.required_money("Amt"), _direction(node)
    status = _STATUS.get(node.required("Sts/Cd", "Sts/Prtry", "Sts"))
    if status is None:
        raise node.fail("bad_value", "The entry's status is none of BOOK, PDNG, INFO, FUTR.")
    batch = node.child("NtryDtls/Btch")
    transactions = [tx for block in node.children("NtryDtls") for tx in block.children("TxDtls")]
    # One transaction without an amount of its own is the whole entry; of several, each must say its own.
    whole = amount if len(transactions) == 1 else None
    return StatementEntry(
        line_ref="",
        entry_ref=given(node.text("NtryRef")),
        amount=amount,
        direction=direction,
        status=status,
        reversal=node.text("RvslInd") in ("true", "1"),
        booked_on=node.day("BookgDt/Dt", "BookgDt/DtTm"),
        value_on=node.day("ValDt/Dt", "ValDt/DtTm"),
        bank_tx_code=_bank_tx_code(node),
        account_servicer_ref=given(node.text("AcctSvcrRef")),
        batch_message_id=given(batch.text("MsgId")) if batch else None,
        batch_payment_info_id=given(batch.text("PmtInfId")) if batch else None,
        number_of_txs=batch.count("NbOfTxs") if batch else None,
        additional_info=node.text("AddtlNtryInf"),
        details=tuple(_detail(tx, whole, direction, account) for tx in transactions),
    )


def _bank_tx_code(node: Node) -> str | None:
    domain = [node.text(f"BkTxCd/Domn/{path}") for path in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd")]
    return "-".join(part for part in domain if part) or node.text("BkTxCd/Prtry/Cd")


def _detail(tx: Node, whole: Money | None, entry_direction: Direction, account: str) -> EntryDetail:
    direction = _direction(tx) if tx.text("CdtDbtInd") else entry_direction
    returned = tx.child("RtrInf")
    end_to_end_id = given(tx.text("Refs/EndToEndId"))
    name, iban = _counterparty(tx, direction, account, returned is not None)
    texts = [line.el.text.strip() for line in returned.children("AddtlInf") if line.el.text] if returned else []
    return EntryDetail(
        end_to_end_id=end_to_end_id,
        instruction_id=given(tx.text("Refs/InstrId")),
        message_id=given(tx.text("Refs/MsgId")),
        payment_info_id=given(tx.text("Refs/PmtInfId")),
        amount=tx.money("Amt", "AmtDtls/TxAmt/Amt") or whole,
        direction=direction,
        counterparty_name=name,
        counterparty_iban=iban,
        remittance=_remittance(tx),
        account_servicer_ref=given(tx.text("Refs/AcctSvcrRef")),
        return_reason_code=returned.text("Rsn/Cd", "Rsn/Prtry") if returned else None,
        return_reason_text=" ".join(text for text in texts if text) or None,
        original_end_to_end_id=end_to_end_id if returned else None,
    )


def _counterparty(tx: Node, direction: Direction, account: str, returned: bool) -> tuple[str | None, str | None]:
    # We are the debtor of what leaves and the creditor of what arrives; a return keeps the roles of the transfer it undoes.
    # Banks that name only one side name the other party, and an account that is ours is never the other party's.
    likely = ("Cdtr", "Dbtr") if (direction == "DBIT") != returned else ("Dbtr", "Cdtr")
    for side in likely:
        name = tx.text(f"RltdPties/{side}/Pty/Nm", f"RltdPties/{side}/Nm", f"RltdPties/{side}/Agt/FinInstnId/Nm")
        iban = tx.text(f"RltdPties/{side}Acct/Id/IBAN", f"RltdPties/{side}Acct/Id/Othr/Id")
        iban = iban.replace(" ", "").upper() if iban else None
        if (name or iban) and iban != account:
            return name, iban
    return None, None


def _remittance(tx: Node) -> str:
    lines = [node.el.text.strip() for node in tx.children("RmtInf/Ustrd") if node.el.text and node.el.text.strip()]
    for structured in tx.children("RmtInf/Strd"):
        reference = structured.text("CdtrRefInf/Ref", "RfrdDocInf/Nb")
        lines += [reference] if reference else []
    return " ".join(lines)


def number_lines(entries: Iterable[StatementEntry]) -> Iterator[StatementEntry]:
    """Give each entry its `line_ref`, unique within the statement and the same in every file that repeats the line."""
    seen: Counter[str] = Counter()
    for entry in entries:
        base = entry.account_servicer_ref or entry.entry_ref or _digest(entry)
        seen[base] += 1
        yield replace(entry, line_ref=base if seen[base] == 1 else f"{base}#{seen[base]}")


def _digest(entry: StatementEntry) -> str:
    parts: list[str | int | date | None] = [
        entry.booked_on,
        entry.value_on,
        entry.signed_minor,
        entry.amount.currency,
        entry.bank_tx_code,
        entry.batch_message_id,
        entry.batch_payment_info_id,
        entry.additional_info,
    ]
    for detail in entry.details:
        parts += [detail.end_to_end_id, detail.instruction_id, detail.counterparty_iban, detail.remittance]
    return "x" + hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()[:32]
