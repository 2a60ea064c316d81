"""The demo's bank: reads a pain.001 and answers with pain.002 and camt.053, as files, some payments refused, some returned."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from xml.sax.saxutils import escape

from lxml import etree

_PAIN002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
_CAMT053 = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


@dataclass(frozen=True)
class Transfer:
    """One credit transfer as the bank read it; amount in minor units of EUR."""

    end_to_end_id: str
    amount_minor: int
    name: str
    iban: str


@dataclass(frozen=True)
class Returned:
    transfer: Transfer
    code: str


def read_transfers(data: bytes) -> tuple[str, list[Transfer]]:
    """Return the message id and the transfers of a pain.001."""
    root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    find = root.xpath
    message_id = find("string(//*[local-name()='GrpHdr']/*[local-name()='MsgId'])")
    transfers = []
    for node in find("//*[local-name()='CdtTrfTxInf']"):
        amount = node.xpath("string(.//*[local-name()='InstdAmt'])")
        whole, _, cents = amount.partition(".")
        transfers.append(
            Transfer(
                node.xpath("string(.//*[local-name()='EndToEndId'])"),
                int(whole) * 100 + int((cents + "00")[:2]),
                node.xpath("string(.//*[local-name()='Cdtr']/*[local-name()='Nm'])"),
                node.xpath("string(.//*[local-name()='CdtrAcct']//*[local-name()='IBAN'])"),
            )
        )
    return message_id, transfers


def status_report(message_id: str, accepted: list[Transfer], refused: list[Returned], at: datetime) -> bytes:
    """Return a pain.002: PART when something is refused, ACSP otherwise."""
    lines = [_status(t, "ACSP", "") for t in accepted] + [_status(r.transfer, "RJCT", r.code) for r in refused]
    group = "PART" if refused else "ACSP"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{_PAIN002}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>STS-{_short(message_id)}</MsgId><CreDtTm>{at:%Y-%m-%dT%H:%M:%S}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{escape(message_id)}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        f"<GrpSts>{group}</GrpSts></OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{_short(message_id)}</OrgnlPmtInfId>{''.join(lines)}</OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()


def _status(transfer: Transfer, status: str, code: str) -> str:
    reason = f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>" if code else ""
    return (
        f"<TxInfAndSts><OrgnlEndToEndId>{transfer.end_to_end_id}</OrgnlEndToEndId><TxSts>{status}</TxSts>{reason}</TxInfAndSts>"
    )


def statement(
    *,
    number: int,
    iban: str,
    on: date,
    opening_minor: int,
    debits: list[Transfer],
    returns: list[Returned],
    unknown_credit_minor: int = 0,
) -> tuple[bytes, int]:
    """Return a camt.053 of one day and its closing balance in minor units."""
    entries, closing = [], opening_minor
    for transfer in debits:
        closing -= transfer.amount_minor
        entries.append(_entry(transfer, "DBIT", on, f"D{number}-{transfer.end_to_end_id}", ""))
    for returned in returns:
        closing += returned.transfer.amount_minor
        reason = f"<RtrInf><Rsn><Cd>{returned.code}</Cd></Rsn></RtrInf>"
        entries.append(_entry(returned.transfer, "CRDT", on, f"R{number}-{returned.transfer.end_to_end_id}", reason))
    if unknown_credit_minor:
        closing += unknown_credit_minor
        stray = Transfer("NOTPROVIDED", unknown_credit_minor, "Unknown remitter", "DE89370400440532013000")
        entries.append(_entry(stray, "CRDT", on, f"U{number}", "", "Thank you for the phone"))
    document = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{_CAMT053}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>STMT-{number:05d}</MsgId><CreDtTm>{on:%Y-%m-%d}T20:00:00</CreDtTm></GrpHdr>"
        f"<Stmt><Id>{iban[-6:]}-{number:05d}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb><CreDtTm>{on:%Y-%m-%d}T20:00:00</CreDtTm>"
        f"<Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{_balance('OPBD', opening_minor, on)}{_balance('CLBD', closing, on)}{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    )
    return document.encode(), closing


def _balance(kind: str, minor: int, on: date) -> str:
    sign = "CRDT" if minor >= 0 else "DBIT"
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{_decimal(abs(minor))}</Amt>'
        f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{on:%Y-%m-%d}</Dt></Dt></Bal>"
    )


def _entry(transfer: Transfer, sign: str, on: date, ref: str, reason: str, text: str = "") -> str:
    remittance = f"<RmtInf><Ustrd>{escape(text)}</Ustrd></RmtInf>" if text else ""
    party = "Cdtr" if sign == "DBIT" else "Dbtr"
    return (
        f'<Ntry><Amt Ccy="EUR">{_decimal(transfer.amount_minor)}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>{on:%Y-%m-%d}</Dt></BookgDt><ValDt><Dt>{on:%Y-%m-%d}</Dt></ValDt><AcctSvcrRef>{_short(ref)}</AcctSvcrRef>"
        f"<BkTxCd><Prtry><Cd>TRF</Cd></Prtry></BkTxCd><NtryDtls><TxDtls><Refs><EndToEndId>{transfer.end_to_end_id}</EndToEndId></Refs>"
        f'<Amt Ccy="EUR">{_decimal(transfer.amount_minor)}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        f"<RltdPties><{party}><Pty><Nm>{escape(transfer.name)}</Nm></Pty></{party}></RltdPties>{remittance}{reason}"
        "</TxDtls></NtryDtls></Ntry>"
    )


def _decimal(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _short(text: str) -> str:
    return text if len(text) <= 30 else hashlib.sha256(text.encode()).hexdigest()[:30]
