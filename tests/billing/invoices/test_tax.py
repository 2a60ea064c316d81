"""Which tax: every combination of where we are, where they are and what they can show; rounding; the port fails closed."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.customers.vat import EU
from billing.invoices.crediting import share
from billing.invoices.models import TaxCategory, TaxRate
from billing.invoices.operations import set_tax_rate
from billing.invoices.reference import TaxRateExists
from billing.invoices.tax import (
    LineTax,
    Rates,
    TaxFacts,
    TaxProviderFailed,
    TaxRateMissing,
    VatNotChecked,
    by_table,
    grouped,
    provider,
    tax_of,
)
from payouts.ledger import templates
from tests.factories.billing import AT, ROBOT, make_invoice

ON = date(2026, 3, 2)
RATES = Rates(
    {("FR", "standard"): [(date(2014, 1, 1), 2000)], ("DE", "standard"): [(date(2020, 1, 1), 1600), (date(2021, 1, 1), 1900)]}
)


def facts(there="DE", kind="business", number="DE136695976", state="valid", oss=True, registered=("FR",)):
    return TaxFacts("FR", frozenset(registered), oss, "cus_1", there, kind, number, state, ON)


@pytest.mark.parametrize(
    ("given_facts", "expected"),
    [
        (facts("FR", number="", state=""), (TaxCategory.STANDARD, 2000, "FR")),
        (facts(), (TaxCategory.REVERSE_CHARGE, 0, "FR")),
        (facts(state="invalid"), (TaxCategory.STANDARD, 1900, "DE")),
        (facts(state="invalid", oss=False), (TaxCategory.STANDARD, 2000, "FR")),
        (facts(kind="consumer", number="", state=""), (TaxCategory.STANDARD, 1900, "DE")),
        (facts(registered=("FR", "DE")), (TaxCategory.STANDARD, 1900, "DE")),
        (facts("US", number="", state=""), (TaxCategory.OUTSIDE, 0, "FR")),
    ],
)
def test_the_table_decides(given_facts, expected):
    found = by_table(given_facts, "standard", RATES)
    assert (found.category, found.basis_points, found.jurisdiction) == expected


def test_a_number_nobody_checked_is_no_reason_to_guess():
    with pytest.raises(VatNotChecked, match="NOT CHECKED"):
        by_table(facts(state="not_checked"), "standard", RATES)
    with pytest.raises(TaxRateMissing):
        by_table(facts("FR"), "books", RATES)
    assert by_table(facts("FR"), "exempt", RATES).category == TaxCategory.EXEMPT


def test_the_rate_of_the_day_counts_and_a_rate_is_never_rewritten(db):
    assert Rates.load().of("FR", "standard", ON) == 2000
    set_tax_rate(
        country="fr", tax_code="standard", basis_points=2100, valid_from=date(2026, 6, 1), source="a law", actor=ROBOT, at=AT
    )
    assert [Rates.load().of("FR", "standard", day) for day in (ON, date(2026, 6, 1))] == [2000, 2100]
    with pytest.raises(TaxRateExists):
        set_tax_rate(
            country="FR", tax_code="standard", basis_points=1, valid_from=date(2026, 6, 1), source="x", actor=ROBOT, at=AT
        )
    assert {row.country for row in TaxRate.objects.all()} >= EU


def test_another_engine_decides_when_plugged_and_a_crash_takes_no_number(db):
    try:
        provider.plug(lambda facts, tax_code, rates: LineTax("S", 500, facts.customer_country))
        assert make_invoice().tax_minor == 500
        provider.plug(lambda facts, tax_code, rates: 1 // 0)
        failed = make_invoice()
        assert (failed.status, failed.status_code, failed.number) == ("finalizing_failed", TaxProviderFailed.code, "")
    finally:
        provider.unplug()
    assert make_invoice().number.endswith("000002")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=12), st.integers(0, 3000))
def test_tax_is_rounded_once_on_the_sum_and_postings_balance(amounts, points):
    taxes = {"standard": LineTax("S", points, "FR")}
    (group,) = grouped([("standard", one) for one in amounts], taxes)
    assert abs(group.tax_minor * 10_000 - sum(amounts) * points) <= 5_000
    assert tax_of(-sum(amounts), points) == -group.tax_minor
    legs = templates.invoice_finalised(customer_id=1, currency="EUR", net_minor=group.base_minor, taxes=[("FR", group.tax_minor)])
    assert sum(leg.amount_minor for leg in legs) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**9), st.integers(1, 10**9), st.lists(st.integers(1, 10**6), min_size=1, max_size=6), st.data())
def test_postings_of_invoices_balance_for_every_amount(net, tax, parts, data):
    receivable = sum(parts)
    legs = templates.credit_note_issued(
        customer_id=1, currency="EUR", net_minor=receivable, taxes=[("FR", tax)], receivable_minor=receivable + tax
    )
    legs2 = templates.credit_note_issued(
        customer_id=1, currency="EUR", net_minor=net, taxes=[("FR", tax)], payable_minor=net, seller_id=2, available_minor=tax
    )
    for one in (
        legs,
        legs2,
        templates.invoice_collected_from_balance(seller_id=1, customer_id=2, currency="EUR", amount_minor=net),
        templates.credit_applied(customer_id=2, currency="EUR", amount_minor=net),
        templates.written_off(customer_id=2, currency="EUR", amount_minor=-net),
    ):
        assert sum(leg.amount_minor for leg in one) == 0 and all(leg.amount_minor for leg in one)
    with pytest.raises(ValueError, match="do not add up"):
        templates.credit_note_issued(customer_id=1, currency="EUR", net_minor=net, taxes=[], receivable_minor=net + 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 10**5), min_size=1, max_size=8))
def test_shares_of_what_is_left_add_up_to_the_whole(whole, parts):
    left, of = whole, sum(parts)
    for part in parts:
        taken = share(left, part, of)
        assert 0 <= taken <= left
        left, of = left - taken, of - part
    assert left == 0
