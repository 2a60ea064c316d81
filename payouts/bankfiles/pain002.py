"""Read a pain.002: what the bank says about a file of credit transfers we sent it."""

from __future__ import annotations

from payouts.bankfiles.errors import UnreadableFile
from payouts.bankfiles.records import PaymentInfoStatus, StatusLine, StatusReport
from payouts.bankfiles.safe_xml import Node

NOT_PROVIDED = "NOTPROVIDED"


def given(value: str | None) -> str | None:
    """Return an id, or None for ISO's word for "there is none"."""
    return None if value in (None, "", NOT_PROVIDED) else value


def reason_of(node: Node) -> tuple[str | None, str | None]:
    """Return (code, text) of the first status or return reason under `node`; several texts are joined."""
    for reason in node.children("StsRsnInf"):
        code = reason.text("Rsn/Cd", "Rsn/Prtry")
        text = " ".join(line.el.text.strip() for line in reason.children("AddtlInf") if line.el.text and line.el.text.strip())
        if code or text:
            return code, text or None
    return None, None


def read_status_report(document: Node) -> StatusReport:
    body = document.child("CstmrPmtStsRpt", "pain.002.001.02")
    if body is None:
        raise UnreadableFile("missing_field", "A pain.002 has no CstmrPmtStsRpt.", document.place)
    group = body.child("OrgnlGrpInfAndSts")
    if group is None:
        raise UnreadableFile("missing_field", "The report does not name the file it is about.", body.place)
    blocks = list(body.children("OrgnlPmtInfAndSts"))
    lines = [line for block in blocks for line in _lines_of(block)]
    # Reports of one older dialect list the transactions beside the blocks instead of inside them.
    lines += [_line(tx, given(tx.text("OrgnlPmtInfId"))) for tx in body.children("TxInfAndSts")]
    _check_count(group, len(lines), "OrgnlNbOfTxs")
    code, text = reason_of(group)
    return StatusReport(
        message_id=body.required("GrpHdr/MsgId"),
        original_message_id=given(group.text("OrgnlMsgId")),
        original_name_id=given(group.text("OrgnlMsgNmId")),
        group_status=group.text("GrpSts"),
        group_reason=code,
        group_reason_text=text,
        created_at=body.instant("GrpHdr/CreDtTm"),
        transactions=tuple(lines),
        payment_infos=tuple(_payment_info(block) for block in blocks),
    )


def _lines_of(block: Node) -> list[StatusLine]:
    payment_info_id = given(block.text("OrgnlPmtInfId"))
    lines = [_line(tx, payment_info_id) for tx in block.children("TxInfAndSts")]
    _check_count(block, len(lines), "OrgnlNbOfTxs")
    return lines


def _line(tx: Node, payment_info_id: str | None) -> StatusLine:
    code, text = reason_of(tx)
    return StatusLine(
        end_to_end_id=given(tx.text("OrgnlEndToEndId")),
        instruction_id=given(tx.text("OrgnlInstrId")),
        payment_info_id=payment_info_id,
        status=tx.text("TxSts"),
        reason_code=code,
        reason_text=text,
        amount=tx.money("OrgnlTxRef/Amt/InstdAmt", "OrgnlTxRef/IntrBkSttlmAmt"),
    )


def _payment_info(block: Node) -> PaymentInfoStatus:
    code, text = reason_of(block)
    return PaymentInfoStatus(given(block.text("OrgnlPmtInfId")), block.text("PmtInfSts"), code, text, block.count("OrgnlNbOfTxs"))


def _check_count(node: Node, listed: int, field: str) -> None:
    # A report may list fewer (many banks list only what they refused), never more than the file had;
    # and where it counts per status, the ones listed with that status cannot exceed the count either.
    stated = node.count(field)
    if stated is not None and listed > stated:
        raise node.fail("control_sum_mismatch", f"The report lists {listed} transactions and says there were {stated}.")
    per_status = [entry.count("DtldNbOfTxs") or 0 for entry in node.children("NbOfTxsPerSts")]
    if stated is not None and per_status and sum(per_status) > stated:
        raise node.fail("control_sum_mismatch", f"The counts per status add up to {sum(per_status)}, the file had {stated}.")
