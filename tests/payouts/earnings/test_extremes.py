"""Nothing, the largest, other exponents, other hours: the edges of a line."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from backoffice.kit.actors import system
from backoffice.kit.invariants import check_books
from payouts.earnings.importing import import_earnings
from payouts.earnings.lines import EarningLine
from payouts.earnings.models import RejectedLine
from payouts.earnings.operations import record_earnings
from payouts.holds.operations import mature_earnings
from payouts.ledger.queries import seller_buckets
from tests.factories.earnings import write_csv, write_jsonl, write_parquet
from tests.factories.partners import make_client
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


def fill_pending(seller, room_minor):
    """Leave so much room in the seller's pending balance before BIGINT ends."""
    record(line(1, seller, "sale", "1.00", order="first"))
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE payouts_balance SET amount_minor = %s WHERE account_id =
                 (SELECT id FROM payouts_account WHERE code = 'seller.pending' AND holder_id = %s)""",
            [room_minor - (2**63 - 1), seller.pk],
        )


LARGEST = "10000000000.00"


def test_lines_that_a_balance_cannot_count_are_rejected_and_the_others_booked():
    seller, other = make_seller(), make_seller()
    fill_pending(seller, 2 * 10**12)
    lines = [
        line(n, one, "sale", LARGEST, order=f"o{n}") for n, one in enumerate([seller, other, seller, seller, other, seller], 2)
    ]

    found = record(*lines)

    fits, not_fits = ("accepted", ""), ("rejected", "balance_out_of_range")
    assert found == [fits, fits, fits, not_fits, fits, not_fits]
    assert buckets(other)["pending"] == 2 * 10**12
    assert record(lines[1], lines[3]) == [("duplicate", ""), not_fits]


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
def test_a_file_with_numbers_beyond_every_limit_is_read_to_its_end(write, tmp_path):
    seller = make_seller()
    fill_pending(seller, 10**12)
    grosses = ["9" * 17, "9" * 60, "9" * 5000, "10000000000.01", LARGEST, "0.01"]
    lines = [line(n, seller, "sale", gross, order=f"o{n}") for n, gross in enumerate(grosses, 2)]
    path = write(tmp_path / f"earnings.{write.__name__[6:]}", lines)

    summary = import_earnings(path=path, source="t", actor=ROBOT, at=AT)

    assert (summary.read, summary.accepted, summary.rejected) == (6, 1, 5)
    codes = dict(RejectedLine.objects.values_list("external_id", "code"))
    assert codes == {
        "x2": "amount_too_large", "x3": "amount_too_large", "x4": "amount_not_a_number", "x5": "amount_too_large",
        "x7": "balance_out_of_range",
    }  # fmt: skip
    assert import_earnings(path=path, source="t", actor=ROBOT, at=AT).rejected == 5


@pytest.mark.parametrize("digits", [13, 19, 30, 5000])
def test_the_api_answers_numbers_beyond_every_limit_in_words(digits):
    client = make_client()
    seller = make_seller(partner_id=client.partner.pk)
    fill_pending(seller, 10**12)

    def sale(amount):
        return (
            b'{"external_id": "a", "seller": "%s", "kind": "sale", "order_ref": "o", "occurred_at": "2026-01-06T10:00:00Z",'
            b' "gross": {"amount_minor": %s, "currency": "EUR"}}' % (seller.public_id.encode(), amount.encode())
        )

    text = "9" * digits
    for body in (sale(text), b'{"earnings": [' + sale(text) + b"]}"):
        answer = client.post("earnings", body)
        assert answer.status_code in (200, 400, 422), answer.content
        assert b"accepted" not in answer.content.replace(b'"accepted":0', b"").replace(b'"accepted": 0', b"")
    over = client.post(
        "earnings", {"earnings": [json.loads(sale(str(10**12))), json.loads(sale("1")) | {"external_id": "b"}]}
    ).json()
    assert [one["outcome"] for one in over["data"]] == ["accepted", "rejected"]
    assert over["data"][1]["code"] == "balance_out_of_range"


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
