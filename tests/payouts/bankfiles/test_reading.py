"""What the readers make of well-formed files: neutral records, whatever the version and dialect."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from backoffice.kit.money import Money
from payouts.bankfiles import BankFile, StatementEntry, UnreadableFile, detect, read
from tests.payouts.bankfiles import samples as s


def only_entry(file: BankFile) -> StatementEntry:
    (statement,) = file.statements
    (entry,) = statement.entries
    return entry


# --- pain.002 ---


def test_a_partly_accepted_report_names_each_transfer_with_status_and_reason():
    report = read(s.pain002(lines=s.status_line("e1", "ACCP") + s.status_line("e2", "RJCT", "AC04"))).status_report

    assert report is not None
    assert (report.message_id, report.original_message_id, report.group_status) == ("R-1", "F1", "PART")
    assert report.created_at == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert [
        (line.end_to_end_id, line.instruction_id, line.payment_info_id, line.status, line.reason_code)
        for line in report.transactions
    ] == [
        ("e1", "i-e1", "F1-1", "ACCP", None),
        ("e2", "i-e2", "F1-1", "RJCT", "AC04"),
    ]
    assert report.transactions[1].reason_text == "why"


def test_every_rejected_line_of_a_payment_group_is_kept_not_only_the_first():
    lines = "".join(s.status_line(f"e{number}", "RJCT", "AC04") for number in range(50))

    report = read(s.pain002(lines=lines)).status_report

    assert report is not None and len(report.transactions) == 50


def test_a_file_refused_as_a_whole_is_read_without_transactions():
    header = "<StsRsnInf><Rsn><Cd>FF01</Cd></Rsn></StsRsnInf>"
    data = s.pain002(group="RJCT", blocks="").replace(b"<GrpSts>RJCT</GrpSts>", f"<GrpSts>RJCT</GrpSts>{header}".encode())

    report = read(data).status_report

    assert report is not None
    assert (report.group_status, report.group_reason, report.transactions) == ("RJCT", "FF01", ())


def test_a_bank_s_own_reason_is_kept_as_it_is_and_notprovided_is_no_id():
    line = "<TxInfAndSts><OrgnlEndToEndId>NOTPROVIDED</OrgnlEndToEndId><TxSts>RJCT</TxSts><StsRsnInf><Rsn><Prtry>X9</Prtry></Rsn></StsRsnInf></TxInfAndSts>"

    report = read(s.pain002(lines=line)).status_report

    assert report is not None
    assert (report.transactions[0].end_to_end_id, report.transactions[0].reason_code) == (None, "X9")


@pytest.mark.parametrize("version", ["001.03", "001.10", "001.11", "001.12", "001.15"])
def test_every_version_of_the_status_report_reads_alike(version):
    report = read(s.pain002(lines=s.status_line("e1", "ACSC"), version=version)).status_report

    assert report is not None and report.transactions[0].status == "ACSC"


def test_a_report_that_lists_more_transfers_than_the_file_had_is_refused():
    data = s.pain002(lines=s.status_line("e1", "ACCP") + s.status_line("e2", "ACCP"), header="<OrgnlNbOfTxs>1</OrgnlNbOfTxs>")

    with pytest.raises(UnreadableFile) as refusal:
        read(data)

    assert refusal.value.code == "control_sum_mismatch"


# --- camt ---


def test_a_debit_is_read_with_its_ids_its_payee_and_its_day():
    entry = only_entry(
        read(
            s.camt(
                s.entry("95.04", reference="B1", details=s.details(s.transaction("e1", remittance="Payout 47"))), kind="camt.054"
            )
        )
    )
    (detail,) = entry.details

    assert (entry.amount, entry.direction, entry.signed_minor, entry.status) == (Money(9504, "EUR"), "DBIT", -9504, "BOOK")
    assert (entry.booked_on, entry.value_on, entry.bank_tx_code) == (date(2026, 11, 24), date(2026, 11, 24), "PMNT-ICDT-ESCT")
    assert (detail.end_to_end_id, detail.instruction_id, detail.message_id) == ("e1", "i-e1", "F1")
    assert (detail.counterparty_name, detail.counterparty_iban, detail.remittance) == ("Zoe SARL", s.PAYEE_IBAN, "Payout 47")
    assert detail.amount == Money(9504, "EUR")
    assert not detail.is_return


def test_a_return_names_the_transfer_it_undoes_and_why():
    entry = only_entry(
        read(s.camt(s.entry("95.04", "CRDT", details=s.details(s.transaction("e1", returned="AC04"))), kind="camt.054"))
    )
    (detail,) = entry.details

    assert detail.is_return
    assert (detail.original_end_to_end_id, detail.return_reason_code, detail.return_reason_text) == ("e1", "AC04", "came back")
    assert detail.counterparty_iban == s.PAYEE_IBAN


def test_the_payer_of_a_credit_is_the_other_party_and_never_we():
    ours = f"<Cdtr><Pty><Nm>We</Nm></Pty></Cdtr><CdtrAcct><Id><IBAN>{s.OUR_IBAN}</IBAN></Id></CdtrAcct>"
    theirs = f"<Dbtr><Pty><Nm>PSP</Nm></Pty></Dbtr><DbtrAcct><Id><IBAN>{s.PAYEE_IBAN}</IBAN></Id></DbtrAcct>"

    entry = only_entry(
        read(
            s.camt(
                s.entry("5.00", "CRDT", details=s.details(s.transaction("e1", party=f"<RltdPties>{theirs}{ours}</RltdPties>")))
            )
        )
    )

    assert (entry.details[0].counterparty_name, entry.details[0].counterparty_iban) == ("PSP", s.PAYEE_IBAN)


def test_a_batch_booking_keeps_the_file_and_group_it_came_from():
    batch = "<Btch><MsgId>F1</MsgId><PmtInfId>F1-1</PmtInfId><NbOfTxs>2</NbOfTxs></Btch>"
    lines = s.details(s.transaction("e1", amount="40.00"), s.transaction("e2", amount="60.00"), batch=batch)

    entry = only_entry(read(s.camt(s.entry("100.00", details=lines))))

    assert (entry.batch_message_id, entry.batch_payment_info_id, entry.number_of_txs) == ("F1", "F1-1", 2)
    assert [detail.amount for detail in entry.details] == [Money(4000, "EUR"), Money(6000, "EUR")]


def test_the_old_status_and_the_new_status_read_alike():
    old = only_entry(read(s.camt(s.entry("1.00", status="PDNG"), version="001.02")))
    new = only_entry(read(s.camt(s.entry("1.00", status="<Cd>PDNG</Cd>"), version="001.13")))

    assert old.status == new.status == "PDNG"


def test_yen_has_no_cents_and_dinars_have_three():
    assert only_entry(read(s.camt(s.entry("2700", currency="JPY")))).amount == Money(2700, "JPY")
    assert only_entry(read(s.camt(s.entry("1.234", currency="KWD")))).amount == Money(1234, "KWD")


def test_zeros_beyond_the_cent_are_harmless_and_digits_are_not():
    assert only_entry(read(s.camt(s.entry("8.85000")))).amount == Money(885, "EUR")
    with pytest.raises(UnreadableFile) as refusal:
        read(s.camt(s.entry("8.851")))
    assert refusal.value.code == "bad_amount"


def test_the_same_line_has_the_same_reference_in_notification_and_statement():
    line = s.entry("95.04", details=s.details(s.transaction("e1")))

    notified, stated = only_entry(read(s.camt(line, kind="camt.054"))), only_entry(read(s.camt(line, number=8)))

    assert notified.line_ref == stated.line_ref


def test_two_equal_lines_of_one_statement_keep_two_references():
    (statement,) = read(
        s.camt(s.entry("1.00") + s.entry("1.00") + s.entry("1.00", reference="B1") + s.entry("1.00", reference="B1"))
    ).statements

    references = [entry.line_ref for entry in statement.entries]
    assert len(set(references)) == 4
    assert references[2:] == ["B1", "B1#2"]


def test_a_prefixed_namespace_and_an_envelope_change_nothing():
    plain = s.camt(s.entry("1.00"))
    body = plain.partition(b"?>")[2].strip()
    wrapped = b'<?xml version="1.0"?><Envelope xmlns="urn:bank:env"><AppHdr><Id>1</Id></AppHdr>' + body + b"</Envelope>"

    prefixed = (
        plain.decode().replace("<", "<x:").replace("<x:/", "</x:").replace("<x:?", "<?").replace("xmlns=", "xmlns:x=").encode()
    )

    assert read(wrapped).statements == read(plain).statements == read(prefixed).statements


def test_the_identity_is_the_message_whatever_the_bytes():
    first, again = s.camt(s.entry("1.00")), s.camt(s.entry("1.00")).replace(b"\n", b"\r\n")

    assert read(first).identity() == read(again).identity() == ("camt.053", "C-7", s.OUR_IBAN, "S-7")
    assert read(first).sha256 != read(again).sha256


# --- totals ---


def summary(count: int, total: str) -> str:
    return f"<TxsSummry><TtlNtries><NbOfNtries>{count}</NbOfNtries><Sum>{total}</Sum></TtlNtries></TxsSummry>"


@pytest.mark.parametrize(("count", "total"), [(3, "30.00"), (2, "30.01")])
def test_a_statement_whose_totals_do_not_fit_its_entries_is_refused_whole(count, total):
    lines = s.entry("10.00") + s.entry("20.00", "CRDT")
    assert len(read(s.camt(lines, summary=summary(2, "30.00"))).statements[0].entries) == 2

    with pytest.raises(UnreadableFile) as refusal:
        read(s.camt(lines, summary=summary(count, total)), on_gap="report")

    assert refusal.value.code == "control_sum_mismatch"


def test_a_statement_that_does_not_close_is_refused_or_reported_with_the_missing_money():
    balances = s.balance("OPBD", "100.00") + s.balance("CLBD", "60.00")
    whole, gap = s.camt(s.entry("40.00"), balances=balances), s.camt(s.entry("15.00"), balances=balances)
    assert read(whole).findings == ()

    with pytest.raises(UnreadableFile) as refusal:
        read(gap)
    (finding,) = read(gap, on_gap="report").findings

    assert refusal.value.code == "control_sum_mismatch"
    assert (finding.code, finding.gap_minor, finding.currency) == ("statement_gap", -2500, "EUR")


def test_an_overdrawn_balance_is_below_zero():
    (statement,) = read(
        s.camt(s.entry("5.00"), balances=s.balance("OPBD", "1.00", "DBIT") + s.balance("CLBD", "6.00", "DBIT"))
    ).statements

    assert statement.opening is not None and statement.closing is not None
    assert (statement.opening.amount_minor, statement.closing.amount_minor) == (-100, -600)


def test_pending_entries_do_not_count_towards_the_closing_balance():
    lines = s.entry("5.00") + s.entry("99.00", status="<Cd>PDNG</Cd>")

    assert read(s.camt(lines, balances=s.balance("OPBD", "5.00") + s.balance("CLBD", "0.00"))).findings == ()


def test_one_page_of_several_is_not_held_to_the_closing_balance():
    pages = "<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"

    assert (
        read(s.camt(s.entry("5.00"), balances=s.balance("OPBD", "9.00") + s.balance("CLBD", "0.00"), pages=pages)).findings == ()
    )


# --- pacs.004 ---


def test_a_payment_return_names_transfer_file_amount_and_reason():
    returned = read(
        s.pacs004(s.return_line(), header='<NbOfTxs>1</NbOfTxs><TtlRtrdIntrBkSttlmAmt Ccy="EUR">95.04</TtlRtrdIntrBkSttlmAmt>')
    ).payment_return

    assert returned is not None
    (line,) = returned.returns
    assert (line.original_end_to_end_id, line.original_instruction_id, line.original_message_id) == ("e1", "i-e1", "F1")
    assert (line.amount, line.original_amount, line.settled_on) == (Money(9504, "EUR"), Money(9504, "EUR"), date(2026, 11, 27))
    assert (line.reason_code, line.reason_text, line.return_id) == ("AC04", "account closed", "r-e1")


@pytest.mark.parametrize(
    "header",
    [
        "<NbOfTxs>2</NbOfTxs>",
        "<NbOfTxs>1</NbOfTxs><CtrlSum>95.05</CtrlSum>",
        '<NbOfTxs>1</NbOfTxs><TtlRtrdIntrBkSttlmAmt Ccy="EUR">1.00</TtlRtrdIntrBkSttlmAmt>',
    ],
)
def test_a_payment_return_whose_header_disagrees_is_refused(header):
    with pytest.raises(UnreadableFile) as refusal:
        read(s.pacs004(s.return_line(), header=header))

    assert refusal.value.code == "control_sum_mismatch"


# --- MT940 ---


def test_every_statement_of_an_mt940_file_keeps_its_own_balances():
    first, second = read(s.MT940).statements

    assert first.opening is not None and second.opening is not None and second.closing is not None
    assert (first.statement_id, second.statement_id) == ("STMT1/17/1", "STMT2/18/1")
    assert (first.opening.amount_minor, second.opening.amount_minor, second.closing.amount_minor) == (100000, 100000, 99950)
    assert first.account_iban == s.OUR_IBAN


def test_mt940_details_written_the_german_way_give_reference_party_and_return_reason():
    sent, returned = read(s.MT940).statements[0].entries

    assert (sent.signed_minor, sent.line_ref, sent.details[0].end_to_end_id) == (-9504, "BANKREF1", "pay-01h455")
    assert (sent.details[0].counterparty_iban, sent.details[0].counterparty_name) == (s.PAYEE_IBAN, "Zoe SARL")
    assert sent.details[0].remittance == "Payout week 47"
    assert (returned.signed_minor, returned.details[0].return_reason_code, returned.details[0].original_end_to_end_id) == (
        9504,
        "AC01",
        "pay-01h455",
    )


def test_an_mt940_booking_day_at_the_turn_of_the_year_belongs_to_the_nearest_year():
    (fee,) = read(s.MT940).statements[1].entries

    assert (fee.value_on, fee.booked_on, fee.amount) == (date(2027, 1, 2), date(2026, 12, 31), Money(50, "EUR"))


def test_an_mt940_reversal_of_a_debit_is_money_coming_back():
    data = s.MT940.replace(b"124D95,04", b"124RD95,04").replace(b":62F:C261124EUR1000,00", b":62F:C261124EUR1190,08")

    entry = read(data).statements[0].entries[0]

    assert (entry.direction, entry.reversal) == ("CRDT", True)


def test_content_and_not_the_name_says_what_a_file_is():
    assert str(detect(s.camt(kind="camt.052"))) == "camt.052.001.08"
    assert detect(s.MT940).name == "mt940"
    assert detect(b"date;amount;text\n2026-11-24;1,00;x\n").name == "csv"
    assert detect(b"01,0004,12345,060321,0829,001,80,1,2/\n02,12345,0004,1,060317,,CAD,/\n").name == "bai2"
    assert detect(b"101 231380104 1210428821906240000A094101Federal Reserve Bank   My Bank Name\n").name == "nacha"
    with pytest.raises(UnreadableFile) as refusal:
        read(b"101 231380104 1210428821906240000A094101Federal Reserve Bank   My Bank Name\n")
    assert refusal.value.code == "unsupported_format"
