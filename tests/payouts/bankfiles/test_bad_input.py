"""What the readers refuse: clearly, with a code and a place, all or nothing, in bounded time and memory, and without touching the network."""

from __future__ import annotations

import resource
import socket
import time

import pytest

from payouts.bankfiles import BankFile, UnreadableFile, detect, read
from tests.payouts.bankfiles import samples as s

CODES = {
    "empty_file",
    "file_too_large",
    "wrong_charset",
    "doctype_refused",
    "too_complex",
    "truncated",
    "malformed",
    "unknown_format",
    "missing_field",
    "bad_amount",
    "bad_date",
    "bad_value",
    "control_sum_mismatch",
    "unsupported_format",
}


def refusal_of(data: bytes, **options: object) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as refusal:
        read(data, **options)  # type: ignore[arg-type]
    assert refusal.value.code in CODES
    assert s.PAYEE_IBAN not in str(refusal.value) and "Zoe" not in str(refusal.value)
    return refusal.value


def big_statement(lines: int = 300) -> bytes:
    entries = "".join(
        s.entry("1.00", reference=f"B{n}", details=s.details(s.transaction(f"e{n}", remittance="Payout"))) for n in range(lines)
    )
    return s.camt(entries, balances=s.balance("OPBD", f"{lines}.00") + s.balance("CLBD", "0.00"))


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY a "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><Document>&c;</Document>"""
QUADRATIC = (
    b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "' + b"a" * 100_000 + b'">]><Document>' + b"&a;" * 1000 + b"</Document>"
)
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]><Document>&x;</Document>'
REMOTE_DTD = b'<?xml version="1.0"?><!DOCTYPE d SYSTEM "http://127.0.0.1:9/evil.dtd"><Document/>'
XINCLUDE = (
    b'<Document xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/hostname" parse="text"/></Document>'
)
ATTRIBUTES = b"<Document " + b" ".join(b'a%d=""' % n for n in range(200_000)) + b"/>"
DEPTH = b"<Document>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</Document>"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(LAUGHS, "doctype_refused", id="billion laughs"),
        pytest.param(QUADRATIC, "doctype_refused", id="quadratic"),
        pytest.param(EXTERNAL, "doctype_refused", id="external entity"),
        pytest.param(REMOTE_DTD, "doctype_refused", id="remote DTD"),
        pytest.param(XINCLUDE, "unknown_format", id="XInclude"),
        pytest.param(ATTRIBUTES, "too_complex", id="200,000 attributes"),
        pytest.param(DEPTH, "too_complex", id="100,000 deep"),
        pytest.param(b"<!doctype html><html></html>", "doctype_refused", id="HTML"),
        pytest.param(s.camt().decode().encode("utf-16"), "wrong_charset", id="UTF-16"),
        pytest.param(s.camt().decode().encode("utf-16-le"), "wrong_charset", id="UTF-16 without mark"),
        pytest.param(s.camt().replace(b"UTF-8", b"UTF-7"), "wrong_charset", id="UTF-7"),
        pytest.param(s.camt().replace(b"S-7", "S-é".encode("latin-1")), "wrong_charset", id="Latin-1 called UTF-8"),
        pytest.param(b"", "empty_file", id="empty"),
        pytest.param(b" \r\n\t ", "empty_file", id="blank"),
        pytest.param(b"\x00\x01\x02\x03" * 100, "wrong_charset", id="binary"),
        pytest.param(b"PK\x03\x04" + bytes(range(256)), "wrong_charset", id="zip"),
        pytest.param(b"a letter from the bank\n", "unknown_format", id="prose"),
        pytest.param(b"<Document/>", "unknown_format", id="no message"),
        pytest.param(b"x" * (10 * 1024 * 1024), "unknown_format", id="10 MB in one line"),
        pytest.param(s.camt().replace(b"camt.053.001.08", b"pain.008.001.08"), "unsupported_format", id="direct debits"),
    ],
)
def test_hostile_or_foreign_files_are_refused_at_once_and_cheaply(data, code, monkeypatch):
    def no_network(*args: object, **kwargs: object) -> None:
        raise AssertionError("a bank file made the reader open a connection")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()

    refused = refusal_of(data)

    assert refused.code == code
    assert time.monotonic() - started < 1.0
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 100


def test_a_file_cut_at_every_kilobyte_is_refused_whole_with_a_place():
    for whole in (big_statement(), s.pain002(lines="".join(s.status_line(f"e{n}", "ACCP") for n in range(300)))):
        assert isinstance(read(whole), BankFile)
        for length in range(1, len(whole.rstrip()) - 1, 1024):
            assert refusal_of(whole[:length]).code in {"truncated", "unknown_format", "malformed", "wrong_charset"}
        assert "line" in refusal_of(whole[:2000]).place


def test_an_mt940_cut_at_every_byte_is_refused_or_lacks_only_what_follows_a_closed_statement():
    whole = s.MT940
    closed = whole.index(b"-\n:20:STMT2")
    for length in range(1, len(whole)):
        try:
            file = read(whole[:length], on_gap="report")
        except UnreadableFile as refusal:
            assert refusal.code in CODES
            continue
        # What is read of a cut file is a whole number of statements, each with its closing balance.
        assert length > closed - 30
        assert all(statement.closing is not None for statement in file.statements)


def test_a_damaged_byte_never_ends_in_anything_but_a_refusal_or_a_reading():
    whole = big_statement(20)
    for position in range(0, len(whole), 37):
        for byte in (b"\x00", b"<", b"\xff", b"9"):
            damaged = whole[:position] + byte + whole[position + 1 :]
            try:
                read(damaged, on_gap="report")
            except UnreadableFile as refusal:
                assert refusal.code in CODES


def test_every_field_that_must_be_there_is_missed_with_its_place():
    whole = s.camt(s.entry("1.00"), balances=s.balance("OPBD", "1.00") + s.balance("CLBD", "0.00"))
    for field in (b"MsgId", b"IBAN", b"CdtDbtInd", b"Sts"):
        start = whole.rindex(b"<%s>" % field)
        end = whole.index(b"</%s>" % field, start) + len(field) + 3
        refused = refusal_of(whole[:start] + whole[end:])
        assert refused.code == "missing_field"
        assert refused.place


@pytest.mark.parametrize(
    "amount", ["", "-1.00", "+1.00", "1,00", "NaN", "Infinity", "1e3", "1.001", "0x10", "१.००", "1.00 EUR", "9" * 30]
)
def test_an_amount_that_is_no_amount_is_refused(amount):
    assert refusal_of(s.camt(s.entry(amount))).code == "bad_amount"


@pytest.mark.parametrize("currency", ["", "EURO", "eur", "ZZZ", "€"])
def test_a_currency_that_is_none_is_refused(currency):
    assert refusal_of(s.camt(s.entry("1.00", currency=currency))).code == "bad_amount"


@pytest.mark.parametrize("day", ["2026-13-01", "2026-02-30", "24.11.2026", "yesterday", "20261124x"])
def test_a_date_that_is_none_is_refused(day):
    assert refusal_of(s.camt(s.entry("1.00").replace("<ValDt><Dt>2026-11-24", f"<ValDt><Dt>{day}"))).code == "bad_date"


@pytest.mark.parametrize("old, new", [(b"DBIT", b"BOTH"), (b"<Cd>BOOK</Cd>", b"<Cd>LATR</Cd>")])
def test_a_word_outside_its_list_is_refused(old, new):
    assert refusal_of(s.camt(s.entry("1.00")).replace(old, new)).code == "bad_value"


def test_a_file_above_the_limit_is_refused_before_it_is_parsed():
    data = big_statement(50)

    assert refusal_of(data, size_max=len(data) - 1).code == "file_too_large"
    with pytest.raises(UnreadableFile):
        detect(data, size_max=100)


def test_a_whole_statement_of_megabytes_in_one_line_is_read():
    data = big_statement(3000).replace(b"\n", b"")

    assert len(data) > 1_500_000
    assert len(read(data).statements[0].entries) == 3000


def test_an_entity_without_a_document_type_is_malformed_and_comments_are_ignored():
    assert refusal_of(s.camt(s.entry("1.00")).replace(b"S-7", b"&other;")).code == "malformed"
    assert read(s.camt("<!-- a note --><?a note?>" + s.entry("1.00"))).statements[0].statement_id == "S-7"


def test_a_byte_order_mark_and_crlf_are_no_obstacle():
    assert read(b"\xef\xbb\xbf" + s.camt(s.entry("1.00")).replace(b"\n", b"\r\n")).message_id == "C-7"
    assert len(read(b"\xef\xbb\xbf" + s.MT940.replace(b"\n", b"\r\n")).statements) == 2
