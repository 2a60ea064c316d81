"""Read a pacs.004: settled transfers that came back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from payouts.bankfiles.errors import UnreadableFile
from payouts.bankfiles.pain002 import given
from payouts.bankfiles.records import PaymentReturn, ReturnLine
from payouts.bankfiles.safe_xml import Node


def read_payment_return(document: Node) -> PaymentReturn:
    body = document.child("PmtRtr", "pacs.004.001.01")
    header = body.child("GrpHdr") if body is not None else None
    if body is None or header is None:
        raise UnreadableFile("missing_field", "A pacs.004 has no PmtRtr with a group header.", document.place)
    original = given(body.text("OrgnlGrpInf/OrgnlMsgId"))
    settled = header.day("IntrBkSttlmDt")
    lines = tuple(_line(tx, original, settled) for tx in body.children("TxInf"))
    if not lines:
        raise header.fail("missing_field", "The return names no transaction (TxInf).")
    _check_totals(header, lines)
    return PaymentReturn(header.required("MsgId"), header.instant("CreDtTm"), lines)


def _line(tx: Node, original_message_id: str | None, settled_on: date | None) -> ReturnLine:
    reason = next(iter(tx.children("RtrRsnInf")), None)
    texts = [line.el.text.strip() for line in reason.children("AddtlInf") if line.el.text] if reason else []
    return ReturnLine(
        return_id=given(tx.text("RtrId")),
        original_end_to_end_id=given(tx.text("OrgnlEndToEndId")),
        original_instruction_id=given(tx.text("OrgnlInstrId")),
        original_message_id=given(tx.text("OrgnlGrpInf/OrgnlMsgId")) or original_message_id,
        amount=tx.required_money("RtrdIntrBkSttlmAmt", "RtrdInstdAmt"),
        original_amount=tx.money("OrgnlIntrBkSttlmAmt", "OrgnlTxRef/IntrBkSttlmAmt", "OrgnlTxRef/Amt/InstdAmt"),
        reason_code=reason.text("Rsn/Cd", "Rsn/Prtry") if reason else None,
        reason_text=" ".join(text for text in texts if text) or None,
        settled_on=tx.day("IntrBkSttlmDt") or settled_on,
    )


def _check_totals(header: Node, lines: tuple[ReturnLine, ...]) -> None:
    stated = header.count("NbOfTxs")
    if stated is not None and stated != len(lines):
        raise header.fail("control_sum_mismatch", f"The header counts {stated} returns, the file has {len(lines)}.")
    control = header.number("CtrlSum")
    total = sum((Decimal(line.amount.decimal()) for line in lines), Decimal(0))
    if control is not None and control != total:
        raise header.fail("control_sum_mismatch", f"The header's control sum is {control}, the returns add up to {total}.")
    settled = header.money("TtlRtrdIntrBkSttlmAmt")
    if settled is not None and all(line.amount.currency == settled.currency for line in lines):
        minor = sum(line.amount.amount_minor for line in lines)
        if settled.amount_minor != minor:
            raise header.fail("control_sum_mismatch", f"The header says {settled} came back, the returns add up to {total}.")
