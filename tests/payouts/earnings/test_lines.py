"""One line: exact values, or a code and a sentence."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.earnings.lines import LineResult, ParsedLine, parse_all
from tests.factories.earnings import AT, make_line


def parse_one(**fields):
    return parse_all([make_line(**fields)], AT)[0]


def test_a_sale_is_signed_from_the_sellers_view():
    sale = parse_one(gross="120.00", fee="14.40")
    assert (sale.gross_minor, sale.fee_minor, sale.net_minor) == (12_000, 1_440, 10_560)


def test_a_refund_is_written_without_a_sign_and_is_negative():
    refund = parse_one(kind="refund", gross="120.00", fee="14.40")
    assert (refund.gross_minor, refund.fee_minor, refund.net_minor) == (-12_000, -1_440, -10_560)


def test_an_adjustment_keeps_its_sign_and_needs_no_sale():
    adjustment = parse_one(kind="adjustment", gross="-5.00", fee="", order_ref="")
    assert (adjustment.gross_minor, adjustment.net_minor) == (-500, -500)


def test_an_offset_is_turned_into_utc_and_a_missing_one_means_utc():
    parsed = parse_one(occurred_at="2026-01-06T21:35:20-03:00", delivered_at="2026-01-10")
    assert parsed.occurred_at == datetime(2026, 1, 7, 0, 35, 20, tzinfo=UTC)
    assert parsed.delivered_at == datetime(2026, 1, 10, tzinfo=UTC)


def test_the_fingerprint_is_of_the_meaning_and_not_of_the_writing():
    first = parse_one(external_id="x", order_ref="o", gross="10.0", occurred_at="2026-01-06T12:00:00Z")
    same = parse_one(external_id="x", order_ref="o", gross="10.00", occurred_at="2026-01-06T13:00:00+01:00")
    other = parse_one(external_id="x", order_ref="o", gross="10.01", occurred_at="2026-01-06T12:00:00Z")
    assert first.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"external_id": ""}, "missing_field"),
        ({"seller": ""}, "missing_field"),
        ({"gross": ""}, "missing_field"),
        ({"occurred_at": ""}, "missing_field"),
        ({"order_ref": ""}, "missing_field"),
        ({"external_id": "a\x00b"}, "bad_character"),
        ({"order_ref": "a\nb"}, "bad_character"),
        ({"seller": "\ud800"}, "bad_character"),
        ({"external_id": "x" * 121}, "field_too_long"),
        ({"kind": "SALE"}, "unknown_kind"),
        ({"kind": "a\x00" * 50}, "unknown_kind"),
        ({"currency": "EURO"}, "unknown_currency"),
        ({"currency": "eur"}, "unknown_currency"),
        ({"currency": "XTS"}, "unknown_currency"),
        ({"currency": "BRL"}, "currency_not_supported"),
        ({"gross": "NaN"}, "amount_not_a_number"),
        ({"gross": "Infinity"}, "amount_not_a_number"),
        ({"gross": "1e3"}, "amount_not_a_number"),
        ({"gross": "1,000.00"}, "amount_not_a_number"),
        ({"gross": "12,50"}, "amount_not_a_number"),
        ({"gross": "١٢"}, "amount_not_a_number"),
        ({"gross": "10.001"}, "wrong_exponent"),
        ({"currency": "JPY", "gross": "100.00", "fee": "0"}, "wrong_exponent"),
        ({"gross": "9999999999999999"}, "amount_too_large"),
        ({"gross": "-5.00", "fee": "0"}, "negative_amount"),
        ({"fee": "-0.01"}, "negative_amount"),
        ({"gross": "5.00", "fee": "5.01"}, "fee_exceeds_gross"),
        ({"occurred_at": "yesterday"}, "bad_timestamp"),
        ({"occurred_at": "2026-02-30T00:00:00Z"}, "bad_timestamp"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "bad_timestamp"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, "bad_timestamp"),
        ({"occurred_at": (AT + timedelta(days=1, seconds=1)).isoformat()}, "in_the_future"),
        ({"delivered_at": "9999-12-31T23:59:59-14:00"}, "bad_timestamp"),
        ({"delivered_at": (AT + timedelta(days=99)).isoformat()}, "in_the_future"),
    ],
)
def test_a_line_that_breaks_a_rule_is_rejected_with_its_code_and_a_sentence(fields, code):
    result = parse_one(**fields)
    assert isinstance(result, LineResult)
    assert (result.outcome, result.code) == ("rejected", code)
    assert result.reason and "\x00" not in result.reason and "\x00" not in result.external_id


@given(st.lists(st.text(max_size=40), min_size=9, max_size=9))
def test_no_text_at_all_makes_parsing_fail_otherwise_than_by_rejecting(values):
    fields = dict(zip(make_line()._fields[1:], values, strict=True))
    result = parse_all([make_line(**fields)], AT)[0]
    assert isinstance(result, ParsedLine | LineResult)
