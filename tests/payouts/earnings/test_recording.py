"""Recording lines: outcomes, buckets of a sale and its refund, and that the order of lines does not matter."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from payouts.earnings.allocation import Parts
from payouts.earnings.booking import Fresh, SellerFacts, _legs, _plain_legs
from payouts.earnings.lines import parse_all
from payouts.earnings.models import Earning
from payouts.earnings.operations import TooManyLines
from payouts.ledger.models import Posting
from payouts.sellers.operations import set_seller_status
from tests.factories.earnings import AT, ROBOT, buckets, make_line, record
from tests.factories.sellers import limit, make_seller

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def books_stay_clean(db):
    yield
    broken = [verdict for verdict in check_books() if not verdict.ok]
    assert not broken


@pytest.fixture
def seller():
    return make_seller(tier="standard")


def test_a_sale_is_pending_until_its_tiers_delay_after_delivery_is_over(seller):
    record(make_line(seller, external_id="s", delivered_at="2026-01-25T08:00:00Z"))
    sale = Earning.objects.get()
    assert buckets(seller) == {"pending": 9_000}
    assert sale.available_at == datetime(2026, 1, 25, 8, tzinfo=UTC) + timedelta(days=14)


def test_without_a_delivery_the_delay_counts_from_the_sale(seller):
    record(make_line(seller))
    assert Earning.objects.get().available_at == datetime(2026, 1, 20, 12, tzinfo=UTC) + timedelta(days=14)


def test_the_same_line_again_is_a_duplicate_and_other_content_is_rejected(seller):
    line = make_line(seller, external_id="s")
    first, again, other = record(line, line, line._replace(gross="99.00"))
    assert [first.outcome, again.outcome, other.outcome] == ["accepted", "duplicate", "rejected"]
    assert other.code == "differs_from_earlier"
    later = record(line, line._replace(fee="9.00"))
    assert [one.outcome for one in later] == ["duplicate", "rejected"]
    assert later[0].earning_public_id == first.earning_public_id
    assert buckets(seller) == {"pending": 9_000}


def test_another_source_may_use_the_same_external_id(seller):
    line = make_line(seller)
    assert record(line)[0].outcome == record(line, source="other")[0].outcome == "accepted"
    assert buckets(seller) == {"pending": 18_000}


def test_a_rejected_line_keeps_no_other_line_from_being_booked(seller):
    results = record(make_line(seller), make_line("nobody"), make_line(seller, gross="x"), make_line(seller))
    assert [one.code for one in results] == ["", "unknown_seller", "amount_not_a_number", ""]
    assert buckets(seller) == {"pending": 18_000}


def test_a_partner_knows_only_its_own_sellers(seller):
    assert record(make_line(seller), partner_id=424242)[0].code == "unknown_seller"


def test_a_closed_seller_earns_nothing_more_but_its_refunds_are_booked(seller):
    record(make_line(seller, order_ref="o"), make_line(seller, kind="refund", order_ref="o"))
    set_seller_status(seller_id=seller.pk, to="closed", actor=ROBOT, at=AT, reason="leaves")
    sale, refund = record(make_line(seller), make_line(seller, kind="refund", order_ref="o"))
    assert (sale.code, refund.outcome) == ("seller_closed", "accepted")


def test_a_refund_takes_the_pending_money_of_its_sale_first(seller):
    record(make_line(seller, order_ref="a"), make_line(seller, order_ref="b"))
    record(make_line(seller, kind="refund", order_ref="a", gross="40.00", fee="4.00"))
    assert buckets(seller) == {"pending": 14_400}
    assert Earning.objects.get(order_ref="a", kind="sale").pending_minor == 5_400


def test_a_refund_before_its_sale_takes_available_and_the_sale_heals_it(seller):
    record(make_line(seller, kind="refund", order_ref="a", gross="40.00", fee="4.00"))
    assert buckets(seller) == {"available": -3_600}
    assert Earning.objects.get().uncovered_minor == 3_600
    record(make_line(seller, order_ref="a"))
    assert buckets(seller) == {"pending": 5_400}
    assert not Earning.objects.filter(uncovered_minor__gt=0).exists()


def test_what_exceeds_the_debt_limit_becomes_debt_and_is_repaid_first(seller):
    limit(seller, 2_000)
    record(make_line(seller, kind="refund", order_ref="a", gross="50.00", fee="0"))
    assert buckets(seller) == {"available": -2_000, "debt": 3_000}
    record(make_line(seller, order_ref="a", gross="10.00", fee="0"))
    assert buckets(seller) == {"available": -2_000, "debt": 2_000}
    record(make_line(seller, order_ref="a", gross="60.00", fee="0"))
    assert buckets(seller) == {"pending": 2_000}


def test_a_chargeback_won_back_heals_the_chargeback(seller):
    record(make_line(seller, kind="chargeback", order_ref="a"), make_line(seller, kind="chargeback_reversal", order_ref="a"))
    assert buckets(seller) == {}


def test_adjustments_without_an_order_never_touch_each_other(seller):
    record(make_line(seller, kind="adjustment", order_ref="", gross="-5.00", fee=""))
    record(make_line(seller, kind="adjustment", order_ref="", gross="7.00", fee=""))
    assert buckets(seller) == {"pending": 700, "available": -500}


def test_a_free_item_is_accepted_and_moves_nothing(seller):
    assert record(make_line(seller, gross="0.00", fee="0"))[0].outcome == "accepted"
    assert not Posting.objects.exists()


def test_one_event_tells_the_counts_of_a_batch(seller):
    record(make_line(seller), make_line(seller), make_line("nobody"))
    told = Event.objects.get(type="earnings.recorded").payload
    assert (told["accepted"], told["rejected"]) == (2, 1)
    assert told["totals"] == {"EUR": {"gross_minor": 20_000, "fee_minor": 2_000, "net_minor": 18_000}}


def test_more_lines_than_a_call_takes_are_refused(seller):
    with pytest.raises(TooManyLines):
        record(*[make_line(seller)] * 5_001)


def test_the_short_way_for_plain_sales_writes_the_same_legs():
    facts = SellerFacts(7, "active", timedelta(), "")
    for gross, fee in [("100.00", "10.00"), ("5.00", "0"), ("5.00", "5.00"), ("0.01", "")]:
        parsed = parse_all([make_line(gross=gross, fee=fee)], AT)[0]
        line = Fresh(0, parsed, facts, 1, Parts(pending_minor=parsed.net_minor))
        assert [tuple(leg) for leg in _legs(line)] == [leg for leg in _plain_legs(line) if leg[4]]


# --- the order of lines does not matter --------------------------------------------------------------------------------------

LIMIT = 2_000


def model_of(lines: list[tuple[str, str, int]]) -> dict[str, int]:
    """The buckets as arithmetic: a sale's pending is what its credits leave of its debits, the rest is the seller's purse."""
    balance = {order: sum(net for _, o, net in lines if o == order) for order in {o for _, o, _ in lines}}
    purse = sum(min(0, amount) for amount in balance.values())
    found = {
        "pending": sum(max(0, amount) for amount in balance.values()),
        "available": max(purse, -LIMIT),
        "debt": max(0, -purse - LIMIT),
    }
    return {name: amount for name, amount in found.items() if amount}


KINDS = {"sale": 1, "chargeback_reversal": 1, "refund": -1, "chargeback": -1}
some_lines = st.lists(
    st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from("abc"), st.integers(0, 4_000)), min_size=1, max_size=9
)
tries = itertools.count()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=some_lines, data=st.data())
def test_any_order_repetition_and_batching_of_lines_ends_in_the_same_buckets(drawn, data):
    seller = make_seller(debt_limit_minor=LIMIT)
    lines = [
        make_line(seller, kind=kind, order_ref=order, gross=f"{amount // 100}.{amount % 100:02d}", fee="0")
        for kind, order, amount in drawn
    ]
    shuffled = data.draw(st.permutations(lines + data.draw(st.lists(st.sampled_from(lines), max_size=4))))
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        record(*shuffled[:size], source=f"try-{seller.pk}")
        shuffled = shuffled[size:]
    assert buckets(seller) == model_of([(kind, order, KINDS[kind] * amount) for kind, order, amount in drawn])
    uncovered = sum(Earning.objects.filter(seller=seller).values_list("uncovered_minor", flat=True))
    found = buckets(seller)
    assert uncovered == found.get("debt", 0) - found.get("available", 0)
