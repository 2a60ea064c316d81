"""Devices bought from consumers: agreed, accepted within limits, owed once, taken back; and what keeps consumers apart from shops."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import relay, tell
from billing.customers.operations import ConsumerIsNotBilled, customer_of_seller
from payouts.earnings.lines import EarningLine
from payouts.earnings.operations import record_earnings
from payouts.ledger.models import Posting
from payouts.ledger.queries import seller_buckets
from payouts.runs.models import Payout
from payouts.runs.operations import cancel_payout, plan_run
from payouts.runs.queries import eligibility, payout_lines
from payouts.sellers.operations import FormIsFixed, update_seller
from payouts.tradeins.agreeing import ConsumerTradesNoMore, DeviceInAnother, NotAConsumer, TradeInExists, TradeInNotOpen
from payouts.tradeins.inspecting import PriceAboveAgreed, TradeInNotReceived
from payouts.tradeins.limits import TradeInTooDear
from payouts.tradeins.locks import ReasonMissing
from payouts.tradeins.models import TradeIn
from payouts.tradeins.operations import (
    accept_trade_in,
    approve_trade_in,
    cancel_trade_in,
    follow_trade_ins,
    receive_trade_in,
    refuse_trade_in,
    send_back_trade_in,
    withdraw_trade_in,
)
from payouts.tradeins.withdrawing import OnlyAPersonWithdraws, TradeInOnItsWay
from tests.factories.runs import AT, ON, make_approved_run
from tests.factories.sellers import ACTOR, make_seller, make_tier
from tests.factories.tradeins import CLERK, FOLLOWER, LEAD, make_accepted, make_consumer, make_trade_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _books_hold():
    yield
    assert not [verdict for verdict in check_books() if not verdict.ok]


def buckets(consumer) -> dict[str, int]:
    found = seller_buckets([consumer.pk]).get((consumer.pk, "EUR"), {})
    return {name: found.get(name, 0) for name in ("pending", "available", "debt")}


def test_the_same_offer_twice_is_one_trade_in_and_other_content_is_refused():
    consumer = make_consumer()
    first = make_trade_in(consumer, external_id="deal-1", order_ref="BB-1", key="a")
    assert make_trade_in(consumer, external_id="deal-1", order_ref="BB-1", key="b").pk == first.pk
    with pytest.raises(TradeInExists):
        make_trade_in(consumer, 19_999, external_id="deal-1", order_ref="BB-1", key="c")
    with pytest.raises(TradeInExists):
        make_trade_in(make_consumer(), external_id="deal-1", order_ref="BB-1", key="d")
    assert buckets(consumer) == {"pending": 0, "available": 0, "debt": 0}


def test_a_shop_sells_no_device_to_us_and_a_blocked_consumer_neither():
    with pytest.raises(NotAConsumer):
        make_trade_in(make_seller())
    blocked = make_consumer(payee=False)
    blocked.status = "blocked"
    type(blocked).objects.filter(pk=blocked.pk).update(status="blocked")
    with pytest.raises(ConsumerTradesNoMore):
        make_trade_in(blocked)
    type(blocked).objects.filter(pk=blocked.pk).update(status="active")
    with pytest.raises(TradeInTooDear):
        make_trade_in(amount_minor=200_001)


def test_one_device_stands_in_one_trade_in_until_it_is_over():
    first = make_trade_in(serial="35-693803-564380-9")
    with pytest.raises(DeviceInAnother):
        make_trade_in(serial="356938035643809")
    cancel_trade_in(trade_in_id=first.pk, reason="Kept it.", actor=CLERK, at=AT)
    assert make_trade_in(serial="356938035643809").status == "agreed"


def test_an_accepted_device_is_owed_once_at_the_price_agreed_or_a_lower_one():
    consumer = make_consumer()
    row = make_trade_in(consumer)
    receive_trade_in(trade_in_id=row.pk, actor=CLERK, at=AT)
    with pytest.raises(PriceAboveAgreed):
        accept_trade_in(trade_in_id=row.pk, amount_minor=20_001, actor=CLERK, at=AT)
    with pytest.raises(ReasonMissing):
        accept_trade_in(trade_in_id=row.pk, amount_minor=15_000, actor=CLERK, at=AT)

    for _ in range(2):
        made = accept_trade_in(trade_in_id=row.pk, amount_minor=15_000, reason="A scratch.", actor=CLERK, at=AT)

    assert (made.status, made.amount_minor, made.agreed_minor) == ("accepted", 15_000, 20_000)
    # accepted on Wednesday the 21st: six business days are the 29th
    assert made.pay_by_on == ON + timedelta(days=8)
    assert buckets(consumer) == {"pending": 0, "available": 15_000, "debt": 0}
    assert Posting.objects.filter(source_kind="trade_in", source_id=row.pk).count() == 1


def test_refused_and_cancelled_devices_are_never_owed():
    refused, canceled = make_trade_in(), make_trade_in()
    refuse_trade_in(trade_in_id=refused.pk, reason="It is locked.", actor=CLERK, at=AT)
    cancel_trade_in(trade_in_id=canceled.pk, reason="Kept it.", actor=CLERK, at=AT)
    for row in (refused, canceled):
        with pytest.raises(TradeInNotReceived):
            accept_trade_in(trade_in_id=row.pk, actor=CLERK, at=AT)
    accepted = make_accepted()
    with pytest.raises(TradeInNotOpen):
        cancel_trade_in(trade_in_id=accepted.pk, reason="Too late.", actor=CLERK, at=AT)
    assert Posting.objects.filter(template="trade_in").count() == 1


def test_above_the_limit_another_person_decides_and_parts_do_not_evade_it():
    consumer = make_consumer()
    make_accepted(consumer, 40_000)
    second = make_accepted(consumer, 10_001)
    assert second.status == "needs_approval"
    with pytest.raises(ApproverIsMaker):
        approve_trade_in(trade_in_id=second.pk, actor=CLERK, at=AT)
    assert buckets(consumer)["available"] == 40_000

    send_back_trade_in(trade_in_id=second.pk, reason="Look at the display again.", actor=LEAD, at=AT)
    assert accept_trade_in(trade_in_id=second.pk, actor=CLERK, at=AT).status == "needs_approval"
    approved = approve_trade_in(trade_in_id=second.pk, actor=LEAD, at=AT)
    assert (approved.status, approved.checker) == ("accepted", str(LEAD))
    assert buckets(consumer)["available"] == 50_001
    # what two people decided does not count against what one may
    assert make_accepted(consumer, 10_000).status == "accepted"


def test_where_staff_set_days_the_price_waits_and_becomes_available():
    make_tier("consumer", delay_days=3)
    consumer = make_consumer()
    row = make_accepted(consumer)
    assert buckets(consumer) == {"pending": 20_000, "available": 0, "debt": 0}
    (plan,) = eligibility(consumer.pk, ON, AT)
    assert (plan.code, plan.next_on) == ("nothing_available", ON + timedelta(days=4))

    assert follow_trade_ins(actor=FOLLOWER, at=AT + timedelta(days=2))["matured"] == 0
    assert follow_trade_ins(actor=FOLLOWER, at=AT + timedelta(days=3))["matured"] == 1
    assert buckets(consumer) == {"pending": 0, "available": 20_000, "debt": 0}
    waiting = make_accepted(consumer, 5_000)
    withdraw_trade_in(trade_in_id=waiting.pk, reason="Stolen.", actor=LEAD, at=AT)
    assert buckets(consumer) == {"pending": 0, "available": 20_000, "debt": 0}
    assert TradeIn.objects.get(pk=row.pk).status == "accepted"


def test_the_ordinary_run_pays_even_little_and_the_statement_names_the_device():
    consumer = make_consumer()
    row = make_accepted(consumer, 50)  # below the minimum of shops
    run = make_approved_run()
    payout = Payout.objects.get(run=run, seller=consumer)
    (line,) = payout_lines(payout)
    assert (line.kind, line.text, line.order_ref, line.external_id, line.source, line.amount_minor) == (
        "trade_in", "Trade-in: iPhone 13 128 GB", row.order_ref, row.external_id, row.public_id, 50,
    )  # fmt: skip


def test_what_stands_in_a_payout_is_not_taken_back_before_the_payout_is():
    consumer = make_consumer()
    row = make_accepted(consumer)
    payout = Payout.objects.get(run=make_approved_run(), seller=consumer)
    with pytest.raises(OnlyAPersonWithdraws):
        withdraw_trade_in(trade_in_id=row.pk, reason="Stolen.", actor=ACTOR, at=AT)
    with pytest.raises(TradeInOnItsWay, match=payout.public_id):
        withdraw_trade_in(trade_in_id=row.pk, reason="Stolen.", actor=LEAD, at=AT)
    cancel_payout(payout_id=payout.pk, actor=LEAD, at=AT, reason="Stolen.")
    assert withdraw_trade_in(trade_in_id=row.pk, reason="Stolen.", actor=LEAD, at=AT).status == "withdrawn"
    assert buckets(consumer) == {"pending": 0, "available": 0, "debt": 0}


def test_what_was_paid_and_is_taken_back_is_owed_to_us_and_the_next_device_repays_it():
    consumer = make_consumer()
    first = make_accepted(consumer)
    # the money went another way: the balance is empty, as after a payout
    other = make_accepted(consumer, 1_000)
    withdraw_trade_in(trade_in_id=other.pk, reason="Wrong device.", actor=LEAD, at=AT)
    _empty(consumer, 20_000)
    withdraw_trade_in(trade_in_id=first.pk, reason="It is stolen.", actor=LEAD, at=AT)
    assert buckets(consumer) == {"pending": 0, "available": 0, "debt": 20_000}

    repaying = make_accepted(consumer, 15_000)
    assert (repaying.status, repaying.code) == ("paid", "set_off")
    part = make_accepted(consumer, 6_000)
    assert part.status == "accepted"
    assert buckets(consumer) == {"pending": 0, "available": 1_000, "debt": 0}


def _empty(consumer, amount_minor: int) -> None:
    from tests.factories.runs import give_money

    give_money(consumer, -amount_minor)


def test_a_consumer_earns_nothing_becomes_no_shop_and_is_not_billed():
    consumer = make_consumer()
    line = EarningLine.of(1, {
        "external_id": "l-1", "seller": consumer.external_id, "kind": "sale", "order_ref": "o", "occurred_at": AT.isoformat(),
        "delivered_at": "", "currency": "EUR", "gross": "10.00", "fee": "1.00",
    })  # fmt: skip
    (result,) = record_earnings(lines=[line], source="shop", actor=ACTOR, at=AT)
    assert (result.outcome, result.code) == ("rejected", "seller_is_consumer")
    with pytest.raises(FormIsFixed):
        update_seller(seller_id=consumer.pk, changes={"entity_type": "company"}, actor=ACTOR, at=AT)
    with pytest.raises(FormIsFixed):
        update_seller(seller_id=make_seller().pk, changes={"entity_type": "consumer"}, actor=ACTOR, at=AT)
    with pytest.raises(ConsumerIsNotBilled):
        customer_of_seller(seller_id=consumer.pk, actor=ACTOR, at=AT)


def test_serial_numbers_are_forgotten_with_the_consumer_and_prices_are_not():
    row = make_trade_in(serial="356938035643809")
    tell("seller.data_erased", subject=row.consumer.public_id, payload={}, at=AT)
    while relay(at=AT):
        pass
    row.refresh_from_db()
    assert (row.serial, row.serial_index, row.agreed_minor) == ("", "", 20_000)


def test_a_consumer_without_bank_data_is_skipped_and_named():
    consumer, nobody = make_consumer(payee=False), make_consumer()
    make_accepted(consumer)
    assert nobody.pk not in {skip.seller_id for skip in plan_run(on=ON, at=AT).skipped}
    assert eligibility(nobody.pk, ON, AT)[0].code == "nothing_available"
    assert [(skip.external_id, skip.code) for skip in plan_run(on=ON, at=AT).skipped if skip.seller_id == consumer.pk] == [
        (consumer.external_id, "no_payee_account")
    ]
