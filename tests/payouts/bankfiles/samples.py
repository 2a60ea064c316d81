"""Small bank files of our own, written for these tests."""

from __future__ import annotations

OUR_IBAN = "NL41MOCK0000000001"
PAYEE_IBAN = "NL30MOCK0000000005"


def pain002(
    *, group: str = "PART", lines: str = "", blocks: str | None = None, header: str = "", version: str = "001.10"
) -> bytes:
    inner = blocks if blocks is not None else f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>F1-1</OrgnlPmtInfId>{lines}</OrgnlPmtInfAndSts>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.{version}"><CstmrPmtStsRpt>
<GrpHdr><MsgId>R-1</MsgId><CreDtTm>2026-11-23T10:00:00+01:00</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>F1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{header}<GrpSts>{group}</GrpSts></OrgnlGrpInfAndSts>
{inner}
</CstmrPmtStsRpt></Document>
""".encode()


def status_line(end_to_end_id: str, status: str, reason: str = "") -> str:
    given = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn><AddtlInf>why</AddtlInf></StsRsnInf>" if reason else ""
    return f"<TxInfAndSts><OrgnlInstrId>i-{end_to_end_id}</OrgnlInstrId><OrgnlEndToEndId>{end_to_end_id}</OrgnlEndToEndId><TxSts>{status}</TxSts>{given}</TxInfAndSts>"


def entry(
    amount: str,
    direction: str = "DBIT",
    *,
    reference: str = "",
    details: str = "",
    status: str = "<Cd>BOOK</Cd>",
    currency: str = "EUR",
    extra: str = "",
) -> str:
    named = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return f"""<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>{extra}<Sts>{status}</Sts>
<BookgDt><Dt>2026-11-24</Dt></BookgDt><ValDt><Dt>2026-11-24</Dt></ValDt>{named}
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>{details}</Ntry>
"""


def details(*transactions: str, batch: str = "") -> str:
    return f"<NtryDtls>{batch}{''.join(transactions)}</NtryDtls>"


def transaction(end_to_end_id: str, *, amount: str = "", returned: str = "", party: str = "", remittance: str = "") -> str:
    stated = f'<Amt Ccy="EUR">{amount}</Amt>' if amount else ""
    back = f"<RtrInf><Rsn><Cd>{returned}</Cd></Rsn><AddtlInf>came back</AddtlInf></RtrInf>" if returned else ""
    parties = (
        party
        or f"<RltdPties><Cdtr><Pty><Nm>Zoe SARL</Nm></Pty></Cdtr><CdtrAcct><Id><IBAN>{PAYEE_IBAN}</IBAN></Id></CdtrAcct></RltdPties>"
    )
    text = f"<RmtInf><Ustrd>{remittance}</Ustrd></RmtInf>" if remittance else ""
    return f"<TxDtls><Refs><MsgId>F1</MsgId><InstrId>i-{end_to_end_id}</InstrId><EndToEndId>{end_to_end_id}</EndToEndId></Refs>{stated}{parties}{text}{back}</TxDtls>"


def balance(code: str, amount: str, sign: str = "CRDT") -> str:
    return f"""<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>2026-11-24</Dt></Dt></Bal>"""


_SHAPES = {
    "camt.052": ("BkToCstmrAcctRpt", "Rpt"),
    "camt.053": ("BkToCstmrStmt", "Stmt"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}


def camt(
    entries: str = "",
    *,
    kind: str = "camt.053",
    version: str = "001.08",
    balances: str = "",
    summary: str = "",
    pages: str = "",
    number: int = 7,
) -> bytes:
    body, item = _SHAPES[kind]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{kind}.{version}"><{body}>
<GrpHdr><MsgId>C-{number}</MsgId><CreDtTm>2026-11-24T22:00:00Z</CreDtTm></GrpHdr>
<{item}><Id>S-{number}</Id>{pages}<ElctrncSeqNb>{number}</ElctrncSeqNb>
<FrToDt><FrDtTm>2026-11-24T00:00:00+01:00</FrDtTm><ToDtTm>2026-11-24T23:59:59+01:00</ToDtTm></FrToDt>
<Acct><Id><IBAN>{OUR_IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>
{balances}{summary}
{entries}</{item}></{body}></Document>
""".encode()


def pacs004(lines: str, *, header: str = "<NbOfTxs>1</NbOfTxs>") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.004.001.09"><PmtRtr>
<GrpHdr><MsgId>B-1</MsgId><CreDtTm>2026-11-27T08:00:00Z</CreDtTm>{header}<SttlmInf><SttlmMtd>INDA</SttlmMtd></SttlmInf></GrpHdr>
<OrgnlGrpInf><OrgnlMsgId>F1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId></OrgnlGrpInf>
{lines}</PmtRtr></Document>
""".encode()


def return_line(end_to_end_id: str = "e1", amount: str = "95.04", reason: str = "AC04") -> str:
    return f"""<TxInf><RtrId>r-{end_to_end_id}</RtrId><OrgnlInstrId>i-{end_to_end_id}</OrgnlInstrId><OrgnlEndToEndId>{end_to_end_id}</OrgnlEndToEndId>
<OrgnlIntrBkSttlmAmt Ccy="EUR">95.04</OrgnlIntrBkSttlmAmt><RtrdIntrBkSttlmAmt Ccy="EUR">{amount}</RtrdIntrBkSttlmAmt>
<IntrBkSttlmDt>2026-11-27</IntrBkSttlmDt><RtrRsnInf><Rsn><Cd>{reason}</Cd></Rsn><AddtlInf>account closed</AddtlInf></RtrRsnInf></TxInf>
"""


MT940 = b""":20:STMT1
:25:NL41MOCK0000000001
:28C:17/1
:60F:C261123EUR1000,00
:61:2611241124D95,04NTRFNONREF//BANKREF1
:86:166?00SEPA-UEBERW?20EREF+pay-01h455?21SVWZ+Payout week 47?31NL30MO
CK0000000005?32Zoe SARL
:61:2611241124CR95,04NTRFNONREF//BANKREF2
:86:159?00RETOURE?20EREF+pay-01h455?21MTLG:IBAN unguelti?22g?34901
:62F:C261124EUR1000,00
:64:C261124EUR1000,00
-
:20:STMT2
:25:NL41MOCK0000000001
:28C:18/1
:60F:C261124EUR1000,00
:61:2701021231DN0,5NMSCfee
:62F:C261231EUR999,50
-
"""
