"""BAI2 and CSV: every total is held to, and what does not hold is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payouts.bankfiles import UnreadableFile, read

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

BAI2 = b"""01,BANK,US,260122,2000,7,80,1,2/
02,US,BANK,1,260122,,USD,2/
03,123456789,USD,010,100000,,,015,95000,,/
88,100,2500,1,,400,7500,1,/
16,195,2500,Z,B1,C1,INCOMING WIRE/FROM, ACME
88,INC
16,495,7500,V,260123,,B2,E2E-1,OUTGOING
49,215000,6/
98,215000,1,8/
99,215000,1,10/
"""
CSV = b"account,booked_on,amount,currency,reference,text,balance\nFR76 3000,2026-01-22,10.00,EUR,a,one,110.00\nFR763000,2026-01-22,-5.00,EUR,b,two,105.00\nFR763000,2026-01-23,1.00,EUR,c,three,106.00\n"


def test_bai2_is_read_with_balances_ways_days_and_references():
    (statement,) = read(BAI2).statements
    wire, payment = statement.entries

    assert (statement.kind, statement.statement_id, statement.account_iban) == ("bai2", "20260122-BANK", "123456789")
    assert statement.opening and statement.closing
    assert (statement.opening.amount_minor, statement.closing.amount_minor, statement.currency) == (100_000, 95_000, "USD")
    assert [(e.signed_minor, str(e.booked_on), str(e.value_on), e.line_ref) for e in statement.entries] == [
        (2_500, "2026-01-22", "2026-01-22", "B1"),
        (-7_500, "2026-01-22", "2026-01-23", "B2"),
    ]
    assert wire.additional_info == "INCOMING WIRE/FROM, ACME,INC"
    assert payment.details[0].end_to_end_id == "E2E-1"


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        (b"49,215000", b"49,215001", "control_sum_mismatch", "line 8"),
        (b"49,215000,6", b"49,215000,7", "control_sum_mismatch", "line 8"),
        (b"98,215000,1,8", b"98,215000,2,8", "control_sum_mismatch", "line 9"),
        (b"99,215000,1,10", b"99,215000,1,11", "control_sum_mismatch", "line 10"),
        (b"100,2500,1", b"100,2500,2", "control_sum_mismatch", "line 3"),
        (b"99,215000,1,10/\n", b"", "truncated", "line 9"),
        (b"02,US,BANK,1,", b"02,US,BANK,4,", "bad_value", "line 2"),
        (b"16,495,7500", b"16,795,7500", "bad_value", "line 7"),
        (b"16,495,7500", b"16,495,75.00", "bad_amount", "line 7"),
        (b"V,260123", b"V,269923", "bad_date", "line 7"),
        (b"015,95000", b"015,90000", "control_sum_mismatch", "line 8"),
    ],
)
def test_a_bai2_file_that_contradicts_itself_is_refused_with_its_place(old, new, code, place):
    assert old in BAI2
    with pytest.raises(UnreadableFile) as refusal:
        read(BAI2.replace(old, new))

    assert (refusal.value.code, refusal.value.place.split(",")[0]) == (code, place)


def test_an_interim_bai2_report_books_nothing():
    (statement,) = read(BAI2.replace(b"USD,2/", b"USD,3/"), on_gap="report").statements

    assert {entry.status for entry in statement.entries} == {"INFO"}


def test_csv_makes_a_statement_of_each_day_with_its_balances():
    first, second = read(CSV).statements

    assert [
        (s.statement_id, s.opening.amount_minor, s.closing.amount_minor) for s in (first, second) if s.opening and s.closing
    ] == [
        ("20260122-EUR", 10_000, 10_500),
        ("20260123-EUR", 10_500, 10_600),
    ]
    assert [(e.line_ref, e.signed_minor, e.additional_info) for e in first.entries] == [("a", 1_000, "one"), ("b", -500, "two")]
    assert first.account_iban == "FR763000"


def test_a_csv_with_the_newest_line_first_reads_alike():
    head, *lines = CSV.splitlines()
    turned = read(b"\n".join([head, *lines[::-1]])).statements

    assert [(s.opening, s.closing) for s in turned] == [(s.opening, s.closing) for s in read(CSV).statements]


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        (b"105.00", b"104.00", "control_sum_mismatch", "line 3, column balance"),
        (b"-5.00", b"-5,00", "malformed", "line 3"),
        (b"-5.00", b"five", "bad_amount", "line 3, column amount"),
        (b"2026-01-22,-5", b"22.01.2026,-5", "bad_date", "line 3, column booked_on"),
        (b",EUR,b", b",XXQ,b", "bad_amount", "line 3, column amount"),
        (b"reference", b"saldo", "bad_value", "line 1, column 5"),
        (b",currency", b",", "missing_field", "line 1"),
        (b"one", b'"one', "malformed", "line 4"),
        (b"one", b"\xff", "wrong_charset", "byte 91"),
    ],
)
def test_a_csv_that_cannot_be_used_is_refused_with_line_and_column(old, new, code, place):
    assert old in CSV
    with pytest.raises(UnreadableFile) as refusal:
        read(CSV.replace(old, new, 1))

    assert (refusal.value.code, refusal.value.place) == (code, place)


@given(st.binary(max_size=60), st.integers(0, 230), st.sampled_from([BAI2, CSV]))
@settings(max_examples=150, deadline=None)
def test_damage_is_refused_or_read_and_never_crashes(noise, at, sound):
    try:
        read(sound[:at] + noise + sound[at + len(noise) :], on_gap="report")
    except UnreadableFile as refusal:
        assert refusal.code


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "bank").is_dir(), reason="../shared/data/bank is not here")
def test_every_bank_file_of_the_data_folder_reads_and_real_bai2_keeps_its_two_accounts():
    files = [path for path in sorted((DATA / "bank").rglob("*")) if path.suffix in (".txt", ".sta", ".xml")]
    found = {path.name: read(path.read_bytes(), on_gap="report") for path in files}

    assert len(found) == 9
    assert all(file.statements and all(s.entries for s in file.statements) for file in found.values())
    first, second = found["sample1.txt"].statements
    assert [(s.statement_id, len(s.entries), sum(e.signed_minor for e in s.entries)) for s in (first, second)] == [
        ("20060317-0004", 11, 208_500 - 208_500),
        ("20060317-0004-2", 6, 111_500 - 111_500),
    ]
    # the library most people use keeps the balances of the last statement only
    snippet = found["sepa_snippet.sta"].statements
    assert [(s.opening.amount_minor, s.closing.amount_minor) for s in snippet if s.opening and s.closing] == [
        (76665649, 112525040),
        (-197043187, -447204909),
    ]
