"""Nothing, the largest, other exponents, other hours: the edges of a line."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, connection, transaction

from backoffice.kit.actors import system
from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from payouts.earnings.lines import EarningLine
from payouts.earnings.operations import record_earnings
from payouts.holds.operations import mature_earnings
from payouts.ledger.queries import seller_buckets
from tests.factories.runs import AT
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db(transaction=False)
ROBOT = system("test")


def line(number, seller, kind, gross, fee="0", *, order="o1", currency="EUR", at="2026-01-06T10:00:00Z"):
    return EarningLine(number, f"x{number}", seller.external_id, kind, order, at, "", currency, gross, fee)


def record(*lines):
    return [(one.outcome, one.code) for one in record_earnings(lines=lines, source="t", actor=ROBOT, at=AT)]


def buckets(seller, currency="EUR"):
    return seller_buckets([seller.pk]).get((seller.pk, currency), {})


def test_lines_of_nothing_book_nothing_and_break_nothing():
    seller = make_seller()

    outcomes = record(
        line(1, seller, "sale", "0"),
        line(2, seller, "sale", "5.00", "5.00", order="o2"),
        line(3, seller, "refund", "5.00", "5.00", order="o2"),
        line(4, seller, "refund", "0", order="o3"),
        line(5, seller, "adjustment", "0", order=""),
        line(6, seller, "sale", "7.00", "1.00", order="o4"),
    )

    assert {outcome for outcome, _ in outcomes} <= {"accepted", "rejected"}
    assert buckets(seller)["pending"] == 600
    assert [verdict for verdict in check_books() if not verdict.ok] == []


@pytest.mark.parametrize(("currency", "gross", "minor"), [("JPY", "1200", 1200), ("TND", "1.234", 1234), ("EUR", "12.3", 1230)])
def test_every_currency_counts_its_own_decimals(currency, gross, minor, settings):
    settings.CURRENCIES = [*settings.CURRENCIES, currency]
    seller = make_seller()

    assert record(line(1, seller, "sale", gross, currency=currency)) == [("accepted", "")]
    assert buckets(seller, currency)["pending"] == minor


@pytest.mark.parametrize(
    ("currency", "gross"), [("JPY", "12.0"), ("TND", "1.2345"), ("EUR", "0.001"), ("EUR", "1e3"), ("EUR", "NaN"), ("EUR", "１２")]
)
def test_decimals_a_currency_has_not_are_refused(currency, gross, settings):
    settings.CURRENCIES = [*settings.CURRENCIES, currency]
    assert record(line(1, make_seller(), "sale", gross, currency=currency))[0][0] == "rejected"


def test_the_largest_amounts_add_up_or_are_refused_whole():
    seller = make_seller()
    largest = "9999999999999.99"
    for batch in range(4):
        lines = [line(batch * 3000 + n, seller, "sale", largest, order=f"o{batch}-{n}") for n in range(3000)]
        try:
            with transaction.atomic():
                record(*lines)
        except (Refusal, DataError):
            break
    else:
        pytest.fail("the books hold more than they can count")
    kept = buckets(seller)["pending"]
    assert kept == batch * 3000 * 999_999_999_999_999
    assert connection.needs_rollback is False


def test_a_file_of_other_hours_matures_at_one_instant():
    seller = make_seller()
    record(
        line(1, seller, "sale", "1.00", order="a", at="2026-01-06T23:30:00-05:00"),
        line(2, seller, "sale", "1.00", order="b", at="2026-01-07T04:30:00Z"),
        line(3, seller, "sale", "1.00", order="c", at="2026-01-07T05:30:00+01:00"),
    )
    due = datetime(2026, 1, 21, 4, 30, tzinfo=UTC)

    assert mature_earnings(actor=ROBOT, at=due - timedelta(seconds=1))["earnings"] == 0
    assert mature_earnings(actor=ROBOT, at=due)["earnings"] == 3
