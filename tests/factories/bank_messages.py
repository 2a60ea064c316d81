"""Messages of a bank, written by hand: the few a test needs without a bank's process. Amounts are EUR cents."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date

_numbers = itertools.count(1)
ACCOUNT = "NL41MOCK0000000001"


def _amount(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def pain002(
    original: str, lines: Sequence[tuple[str, str, str]] = (), *, group: str = "", reason: str = "", message_id: str = ""
) -> bytes:
    """Return a status report on a file; lines are (EndToEndId, status, reason code)."""
    transactions = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{name}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
        + (f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>" if code else "")
        + "</TxInfAndSts>"
        for name, status, code in lines
    )
    block = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{original}P</OrgnlPmtInfId>{transactions}</OrgnlPmtInfAndSts>" if lines else ""
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>{message_id or f'STS-{next(_numbers)}'}</MsgId><CreDtTm>2026-01-21T10:00:00Z</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{original}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        + (f"<GrpSts>{group}</GrpSts>" if group else "")
        + f"{why}</OrgnlGrpInfAndSts>{block}</CstmrPmtStsRpt></Document>"
    ).encode()


def entry(
    minor: int,
    name: str = "",
    *,
    credit: bool = False,
    reason: str = "",
    on: date = date(2026, 1, 22),
    ref: str = "",
    batch: str = "",
) -> str:
    """Return one booked entry: a debit for an EndToEndId, a credit, a return with its reason, or a batch for a file's id."""
    direction = "CRDT" if credit else "DBIT"
    number = ref or f"BANK{next(_numbers):08d}"
    details = f"<Btch><PmtInfId>{batch}</PmtInfId></Btch>" if batch else ""
    if name:
        back = f"<RtrInf><Rsn><Cd>{reason}</Cd></Rsn></RtrInf>" if reason else ""
        details += (
            f"<TxDtls><Refs><EndToEndId>{name}</EndToEndId></Refs><Amt Ccy='EUR'>{_amount(minor)}</Amt>"
            f"<CdtDbtInd>{direction}</CdtDbtInd>{back}</TxDtls>"
        )
    return (
        f"<Ntry><Amt Ccy='EUR'>{_amount(minor)}</Amt><CdtDbtInd>{direction}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{on}</Dt></BookgDt><ValDt><Dt>{on}</Dt></ValDt><AcctSvcrRef>{number}</AcctSvcrRef>"
        f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
        + (f"<NtryDtls>{details}</NtryDtls>" if details else "")
        + "</Ntry>"
    )


def camt054(entries: Sequence[str], *, message_id: str = "") -> bytes:
    """Return a notification of booked entries."""
    number = message_id or f"NTF-{next(_numbers)}"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>'
        f"<GrpHdr><MsgId>{number}</MsgId><CreDtTm>2026-01-22T18:00:00Z</CreDtTm></GrpHdr><Ntfctn><Id>{number}</Id>"
        f"<CreDtTm>2026-01-22T18:00:00Z</CreDtTm><Acct><Id><IBAN>{ACCOUNT}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{''.join(entries)}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    ).encode()


def camt053(entries: Sequence[str], *, opening: int, closing: int, on: date = date(2026, 1, 22), statement_id: str = "") -> bytes:
    """Return an end-of-day statement; the balances are signed."""
    number = statement_id or f"STMT-{next(_numbers)}"

    def balance(code: str, minor: int) -> str:
        sign = "CRDT" if minor >= 0 else "DBIT"
        return (
            f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{_amount(abs(minor))}</Amt>"
            f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{on}</Dt></Dt></Bal>"
        )

    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>{number}</MsgId><CreDtTm>{on}T20:00:00Z</CreDtTm></GrpHdr><Stmt><Id>{number}</Id>"
        f"<CreDtTm>{on}T20:00:00Z</CreDtTm><FrToDt><FrDtTm>{on}T00:00:00Z</FrDtTm><ToDtTm>{on}T23:59:59Z</ToDtTm></FrToDt>"
        f"<Acct><Id><IBAN>{ACCOUNT}</IBAN></Id><Ccy>EUR</Ccy></Acct>{balance('OPBD', opening)}{balance('CLBD', closing)}"
        f"{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def pacs004(returns: Sequence[tuple[str, int, str]]) -> bytes:
    """Return a message of returns: (EndToEndId, amount, reason code)."""
    body = "".join(
        f"<TxInf><RtrId>RTR{next(_numbers)}</RtrId><OrgnlEndToEndId>{name}</OrgnlEndToEndId>"
        f"<RtrdIntrBkSttlmAmt Ccy='EUR'>{_amount(minor)}</RtrdIntrBkSttlmAmt><IntrBkSttlmDt>2026-01-26</IntrBkSttlmDt>"
        f"<RtrRsnInf><Rsn><Cd>{code}</Cd></Rsn></RtrRsnInf></TxInf>"
        for name, minor, code in returns
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.004.001.09"><PmtRtr>'
        f"<GrpHdr><MsgId>RET-{next(_numbers)}</MsgId><CreDtTm>2026-01-26T10:00:00Z</CreDtTm><NbOfTxs>{len(returns)}</NbOfTxs>"
        f"<SttlmInf><SttlmMtd>INDA</SttlmMtd></SttlmInf></GrpHdr>{body}</PmtRtr></Document>"
    ).encode()
