"""Money: exact parsing, no mixing, nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice.kit.money import AMOUNT_MINOR_MAX, Money, MoneyError, exponent_of, to_minor


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("95.04", "EUR", 9504),
        ("95.0", "EUR", 9500),
        ("95", "EUR", 9500),
        ("-0.01", "EUR", -1),
        ("+1.00", "USD", 100),
        ("1200", "JPY", 1200),
        ("1.234", "TND", 1234),
        ("0.0001", "CLF", 1),
    ],
)
def test_decimal_strings_become_minor_units_exactly(text, currency, minor):
    assert to_minor(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "code"),
    [
        ("1.5", "JPY", "wrong_exponent"),
        ("1.0", "JPY", "wrong_exponent"),
        ("1.005", "EUR", "wrong_exponent"),
        ("1.", "EUR", "wrong_exponent"),
        ("1,50", "EUR", "amount_not_a_number"),
        ("1e3", "EUR", "amount_not_a_number"),
        ("NaN", "EUR", "amount_not_a_number"),
        ("Infinity", "EUR", "amount_not_a_number"),
        ("", "EUR", "amount_not_a_number"),
        (" 1", "EUR", "amount_not_a_number"),
        ("١٢", "EUR", "amount_not_a_number"),
        ("1_000", "EUR", "amount_not_a_number"),
        ("9999999999999999", "EUR", "amount_too_large"),
        ("1", "XXX", "unknown_currency"),
        ("1", "eur", "unknown_currency"),
        ("1", "", "unknown_currency"),
    ],
)
def test_what_is_not_money_is_refused_with_a_code(text, currency, code):
    with pytest.raises(MoneyError) as refused:
        to_minor(text, currency)
    assert refused.value.code == code
    assert refused.value.sentence


@given(st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX), st.sampled_from(["EUR", "JPY", "TND", "CLF"]))
def test_decimal_and_minor_units_are_inverse(minor, currency):
    if exponent_of(currency) == 4:
        minor //= 100
    assert to_minor(Money(minor, currency).decimal(), currency) == minor


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 1000), min_size=1, max_size=9).filter(sum))
def test_allocating_loses_nothing(minor, weights):
    parts = Money(minor, "EUR").allocate(weights)
    assert sum(part.amount_minor for part in parts) == minor


def test_currencies_do_not_mix():
    with pytest.raises(MoneyError) as refused:
        Money(1, "EUR") + Money(1, "USD")
    assert refused.value.code == "currency_mismatch"


def test_floats_and_booleans_are_not_money():
    for wrong in (1.0, True, "1"):
        with pytest.raises(TypeError):
            Money(wrong, "EUR")


def test_screens_show_the_currency_and_its_own_decimals():
    assert Money(123450, "EUR").display() == "1,234.50 EUR"
    assert Money(-1200, "JPY").display() == "-1,200 JPY"
    assert Money(1234, "TND").display() == "1.234 TND"


def test_a_share_is_rounded_half_away_from_zero():
    assert Money(105, "EUR").share(1_000).amount_minor == 11
    assert Money(-105, "EUR").share(1_000).amount_minor == -11
    assert Money(104, "EUR").share(1_000).amount_minor == 10
