"""Strict JSON, strict fields, cursors, and one shape for every error."""

import json

import pytest
from django.db import DataError, OperationalError
from rest_framework.exceptions import ParseError, ValidationError

from backoffice.kit.api.fields import MoneyIn, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import decode_cursor, encode_cursor, read_page
from backoffice.kit.api.parsing import BODY_MAX_BYTES, DEPTH_MAX, parse_json
from backoffice.kit.api.problems import InvalidCursor, exception_handler
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.ids import new_id


class Request:
    request_id = "req_test"


def answer(error):
    response = exception_handler(error, {"request": Request()})
    return response, json.loads(response.content)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"\xff\xfe{\x00}\x00", "malformed_json"),
        (b'{"a": 1, "a": 2}', "duplicate_name"),
        (b'{"x": {"a": 1, "b": 2, "a": 3}}', "duplicate_name"),
        (b'{"a": NaN}', "malformed_json"),
        (b'{"a": -Infinity}', "malformed_json"),
        (b'{"a": 1.5}', "fraction_refused"),
        (b'{"a": 1e3}', "fraction_refused"),
        (b'{"a": 12.00}', "fraction_refused"),
        (b'{"a": ' + b"9" * 5000 + b"}", "malformed_json"),
        (b"[" * 100 + b"]" * 100, "too_deep"),
        (b"[" * 500_000, "too_deep"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "too_deep"),
        (b'{"a": "\\u0000"}', "unstorable_text"),
        (b'{"a\\u0000": 1}', "unstorable_text"),
        (b'{"a": "\\ud800"}', "unstorable_text"),
        (b'{"a": "\n"}', "malformed_json"),
        (b"{'a': 1}", "malformed_json"),
        (b'{"a": 1} x', "malformed_json"),
    ],
)
def test_ambiguous_or_harmful_json_is_refused_with_a_code(body, code):
    with pytest.raises(ParseError) as refused:
        parse_json(body)
    assert refused.value.detail.code == code


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"a": "\\u00e9 \\ud83d\\ude00"}',
        b'{"a": "\\\\u0000"}',
        b'{"a": ["[[[[[[[[[[[["]}',
        b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
    ],
)
def test_plain_json_is_read(body):
    assert parse_json(body) == json.loads(body)


def test_body_limit_is_two_megabytes():
    assert BODY_MAX_BYTES == 2 * 1024 * 1024


@pytest.mark.parametrize("amount", [1.0, "100", True, None, 10**15 + 1, -(10**15) - 1, [1]])
def test_amount_that_is_not_whole_minor_units_is_refused(amount):
    assert not MoneyIn(data={"amount_minor": amount, "currency": "EUR"}).is_valid()


@pytest.mark.parametrize("currency", ["eur", "XXX", "", None, 978, "EURO"])
def test_currency_outside_the_books_is_refused(currency):
    assert not MoneyIn(data={"amount_minor": 1, "currency": currency}).is_valid()


def test_unknown_fields_are_refused_by_name_however_they_are_spelled():
    class Input(StrictSerializer):
        legal_name = Text()
        gross = MoneyIn(required=False)

    given = {"legal_name": "x", "legalName": "x", "legal_name__exact": "x", "status": "active"}
    serializer = Input(data=given)
    assert not serializer.is_valid()
    assert set(serializer.errors) == {"legalName", "legal_name__exact", "status"}
    nested = Input(data={"legal_name": "x", "gross": {"amount_minor": 1, "currency": "EUR", "amount": 1}})
    assert not nested.is_valid()
    _, body = answer(ValidationError(nested.errors))
    assert body["errors"] == [{"field": "gross.amount", "code": "unknown_field", "detail": "There is no such field."}]


@pytest.mark.parametrize("value", [5, True, ["x"], {"x": 1}, None])
def test_text_is_not_made_out_of_other_things(value):
    class Input(StrictSerializer):
        name = Text()

    assert not Input(data={"name": value}).is_valid()


def test_public_id_of_another_kind_is_refused():
    class Input(StrictSerializer):
        seller = PublicId("sel")

    assert Input(data={"seller": new_id("sel")}).is_valid()
    for wrong in (new_id("pay"), "sel_", "sel_" + "z" * 26, "sel_" + "0" * 25, new_id("sel") + "\n"):
        assert not Input(data={"seller": wrong}).is_valid()


def test_cursor_survives_the_round_trip():
    for position in (0, 1, 10**17):
        assert decode_cursor(encode_cursor(position)) == position


@pytest.mark.parametrize(
    "text", ["x", "YzE6", "YzE6LTE", "ÿ", "YzE6MQ==YzE6MQ", "Y zE6MQ", "YzI6MQ", "YzE6" + "OTk5OTk5OTk5" * 3]
)
def test_cursor_that_no_list_gave_out_is_refused(text):
    with pytest.raises(InvalidCursor):
        decode_cursor(text)


def test_page_parameters_are_read_strictly():
    from django.http import QueryDict

    assert read_page(QueryDict(""), []).limit == 25
    for query, field in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("page=2", "page"),
        ("limit=1&limit=2", "limit"),
    ]:
        with pytest.raises(ValidationError) as refused:
            read_page(QueryDict(query), [])
        assert list(refused.value.detail) == [field]


class TooLate(Refusal):
    code = "too_late"
    sentence = "It is {hour} o'clock."


def test_refusal_is_a_conflict_with_its_code_and_sentence():
    response, body = answer(TooLate(hour=12))
    assert response.status_code == 409 and response["Content-Type"] == "application/problem+json"
    assert (body["code"], body["detail"], body["type"]) == ("too_late", "It is 12 o'clock.", "/api/docs/errors/#too_late")
    assert body["request_id"] == "req_test"


def test_not_found_never_says_what_was_asked_for():
    first, _ = answer(NotFound(what="seller", ref="sel_1"))
    second, _ = answer(NotFound(what="payout", ref="pay_2"))
    assert first.content == second.content and first.status_code == 404


def test_unforeseen_error_shows_no_trace():
    response, body = answer(RuntimeError("SELECT secret FROM /home/x"))
    assert response.status_code == 500 and body["code"] == "internal_error"
    assert b"SELECT" not in response.content and b"RuntimeError" not in response.content


def test_database_errors_become_sentences():
    class Locked(Exception):
        sqlstate = "55P03"

    busy = OperationalError("canceling statement due to lock timeout")
    busy.__cause__ = Locked()
    response, body = answer(busy)
    assert (response.status_code, body["code"], response["Retry-After"]) == (503, "busy", "1")
    response, body = answer(OperationalError("connection to server failed: host=/secret"))
    assert (response.status_code, body["code"]) == (503, "database_unavailable") and b"secret" not in response.content
    assert answer(DataError("integer out of range"))[0].status_code == 422
