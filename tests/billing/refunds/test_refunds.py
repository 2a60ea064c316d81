"""Never more back than came, by two people above the limit, and with the seller's share first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.gates import Objection
from backoffice.kit.invariants import check_books
from backoffice.kit.money import Money
from backoffice.kit.outbox import Event
from billing.gateways.models import FakeObject
from billing.invoices.operations import collect_from_balance
from billing.payments.models import Attempt
from billing.payments.operations import work
from billing.refunds import operations
from billing.refunds.deciding import RefundOnItsWay
from billing.refunds.gates import before_refund
from billing.refunds.models import Refund, RefundLimit
from billing.refunds.requesting import ChargeDisputed, GoesBackInProportion, RefundExceedsCaptured, refundable
from billing.refunds.states import LimitState, RefundStatus
from payouts.earnings.models import Earning
from payouts.ledger.operations import account_of
from payouts.ledger.queries import balance
from tests.billing.payments.test_payments import forget_the_call
from tests.factories.books import undone
from tests.factories.earnings import buckets, make_line, record
from tests.factories.payments import AT, ROBOT, claim_of, make_claim, make_customer, make_payment, people
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db
R = RefundStatus


def ask(payment: Any, amount_minor: int, key: str = "", **over: Any) -> Refund:
    facts = {"reason": "Broken on arrival.", "actor": ROBOT, "at": AT, "key": key or f"r{Refund.objects.count()}"}
    return operations.request_refund(payment_id=payment.pk, amount_minor=amount_minor, **facts | over)


def purchase(amount_minor: int = 10_000, fee: str = "10.00", sale: bool = True, method: str = "fake_ok") -> tuple[Any, Any]:
    """Return a payment for a seller's sale, and the seller."""
    seller = make_seller()
    payment = make_payment(make_customer(method), amount_minor, seller_id=seller.pk, purpose=f"order-{seller.external_id}")
    if sale:
        record(make_line(seller, order_ref=payment.purpose, gross=Money(amount_minor, "EUR").decimal(), fee=fee))
    return payment, seller


def suspense() -> int:
    account = account_of("suspense", 0, "EUR", "platform")
    return -balance(account.pk) if account else 0


def test_a_refund_of_a_claim_is_sent_once_booked_and_credited(books):
    customer = make_customer()
    purpose = make_claim(customer, 12_000)
    payment = make_payment(customer, 12_000, purpose=purpose)

    refund = ask(payment, 5_000, key="once")
    work(at=AT)
    work(at=AT)

    refund.refresh_from_db()
    assert (refund.status, refund.posting.template, claim_of(purpose).credited_minor) == (R.SUCCEEDED, "card_refunded", 5_000)
    assert ask(payment, 5_000, key="once").pk == refund.pk
    assert FakeObject.objects.filter(kind="refund").count() == 1
    assert refundable(payment) == 7_000
    with pytest.raises(RefundExceedsCaptured):
        ask(payment, 7_001)


def test_above_the_limit_another_person_approves_and_parts_do_not_evade_it(books):
    maker, checker = people()
    payment, _ = purchase(50_000)
    first = ask(payment, 15_000, actor=maker)
    second = ask(payment, 6_000, actor=maker)
    assert (first.status, second.status) == (R.APPROVED, R.REQUESTED)

    with pytest.raises(ApproverIsMaker):
        operations.approve_refund(refund_id=second.pk, actor=maker, at=AT)
    operations.approve_refund(refund_id=second.pk, actor=checker, at=AT)
    third = ask(payment, 29_000, actor=maker)
    operations.refuse_refund(refund_id=third.pk, actor=checker, at=AT, reason="The buyer keeps it.")
    work(at=AT)

    statuses = [Refund.objects.get(pk=one.pk).status for one in (first, second, third)]
    assert statuses == [R.SUCCEEDED, R.SUCCEEDED, R.CANCELED]


def test_a_purchase_takes_the_sellers_share_back_and_parts_give_back_exactly_the_commission(books):
    payment, seller = purchase(10_000, fee="10.01")
    for amount in (3_333, 3_333, 3_334):
        ask(payment, amount)
    work(at=AT)

    assert buckets(seller) == {}
    assert sum(e.fee_minor for e in Earning.objects.filter(seller=seller)) == 0
    assert set(Refund.objects.values_list("status", flat=True)) == {R.SUCCEEDED}


def test_a_short_seller_balance_queues_the_refund_until_the_seller_earns_or_a_lead_lets_it_go(books):
    maker, _ = people()
    payment, seller = purchase()
    record(make_line(seller, kind="refund", order_ref=payment.purpose, gross="80.00", fee="8.00"))
    refund, other = ask(payment, 6_000), ask(payment, 1_000)
    assert (refund.status, refund.code) == (R.APPROVED, "seller_balance_short")
    assert not Attempt.objects.filter(target=refund.public_id).exists()
    assert Event.objects.filter(type="refund.queued", subject=refund.public_id).count() == 1

    assert operations.release_queued(at=AT) == 0
    operations.release_anyway(refund_id=refund.pk, reason="The buyer has waited long enough.", actor=maker, at=AT)
    work(at=AT)

    refund.refresh_from_db()
    other.refresh_from_db()
    assert (refund.status, other.status) == (R.SUCCEEDED, R.SUCCEEDED)


def test_a_refund_whose_sale_is_not_recorded_waits_for_it(books):
    payment, seller = purchase(sale=False)
    refund = ask(payment, 4_000)
    assert refund.code == "sale_not_recorded"

    record(make_line(seller, order_ref=payment.purpose, gross="100.00", fee="10.00"))
    assert operations.release_queued(at=AT) == 1
    work(at=AT)

    refund.refresh_from_db()
    assert (refund.status, refund.share_minor) == (R.SUCCEEDED, 3_600)


@pytest.mark.parametrize("method", ["fake_refund_refused", "fake_refund_fails"])
def test_a_refund_that_fails_gives_the_share_back_even_after_it_had_succeeded(books, method):
    payment, seller = purchase(method=method)
    before = buckets(seller)
    refund = ask(payment, 4_000)
    work(at=AT)
    refund.refresh_from_db()
    if method == "fake_refund_fails":
        assert refund.status == R.SUCCEEDED
        from billing.gateways.registry import gateway_named

        found = gateway_named("fake").get_refund(provider_ref=refund.provider_ref)
        assert operations.apply_provider_state(refund_id=refund.pk, answer=found, actor=ROBOT, at=AT) == "applied"

    refund.refresh_from_db()
    assert refund.status == R.FAILED
    assert sum(buckets(seller).values()) == sum(before.values())
    assert refundable(payment) == 10_000


def test_money_of_a_claim_that_came_back_is_surplus_and_goes_out_anew_without_a_second_credit(books):
    customer = make_customer("fake_refund_fails")
    purpose = make_claim(customer, 8_000)
    payment = make_payment(customer, 8_000, purpose=purpose)
    refund = ask(payment, 3_000)
    work(at=AT)
    from billing.gateways.registry import gateway_named

    found = gateway_named("fake").get_refund(reference=refund.public_id)
    operations.apply_provider_state(refund_id=refund.pk, answer=found, actor=ROBOT, at=AT)
    payment.refresh_from_db()
    assert (payment.surplus_minor, suspense()) == (3_000, 3_000)

    FakeObject.objects.update(behaviour="fake_ok")
    again = ask(payment, 3_500)
    work(at=AT)

    again.refresh_from_db()
    assert (again.status, again.surplus_minor, suspense()) == (R.SUCCEEDED, 3_000, 0)
    assert claim_of(purpose).credited_minor == 3_500


def test_an_unknown_refund_is_asked_about_and_not_sent_twice(books):
    payment, _ = purchase(method="fake_refund_unknown")
    refund = ask(payment, 4_000)
    work(at=AT)
    refund.refresh_from_db()
    assert refund.status == R.UNKNOWN

    forget_the_call(Attempt.objects.get(target=refund.public_id))
    work(at=AT)

    refund.refresh_from_db()
    assert refund.status == R.SUCCEEDED
    assert FakeObject.objects.filter(kind="refund").count() == 1


def test_a_pending_refund_is_looked_after(books):
    payment, _ = purchase(method="fake_refund_pending")
    refund = ask(payment, 4_000)
    work(at=AT)
    operations.look_after(at=AT + timedelta(hours=2))

    refund.refresh_from_db()
    assert refund.status == R.SUCCEEDED


def test_a_refund_that_has_not_left_is_taken_back_and_one_that_has_is_not(books):
    payment, seller = purchase()
    before = buckets(seller)
    refund = ask(payment, 4_000)
    operations.cancel_refund(refund_id=refund.pk, actor=ROBOT, at=AT, reason="The buyer keeps it.")
    assert sum(buckets(seller).values()) == sum(before.values())
    other = ask(payment, 10_000)
    work(at=AT)

    with pytest.raises(RefundOnItsWay):
        operations.cancel_refund(refund_id=other.pk, actor=ROBOT, at=AT, reason="Too late.")


def test_a_claim_paid_from_two_sources_goes_back_in_proportion(books):
    seller = make_seller()
    customer = make_customer(seller=seller)
    purpose = make_claim(customer, 9_000)
    give_money(seller, 3_000)
    assert collect_from_balance(invoice_id=claim_of(purpose).pk, actor=ROBOT, at=AT, key="b") == 3_000
    payment = make_payment(customer, 6_000, purpose=purpose)

    with pytest.raises(GoesBackInProportion):
        ask(payment, 1_000)
    made = operations.refund_claim(purpose=purpose, amount_minor=4_001, reason="Down for a day.", actor=ROBOT, at=AT, key="c")
    work(at=AT)

    assert [(one.source, one.amount_minor) for one in made] == [("card", 2_668), ("balance", 1_333)]
    assert set(Refund.objects.values_list("status", flat=True)) == {R.SUCCEEDED}
    assert buckets(seller) == {"available": 1_333}
    assert (claim_of(purpose).status, claim_of(purpose).credited_minor) == ("paid", 4_001)


def test_what_is_in_dispute_is_not_refunded(books):
    payment, _ = purchase()
    operations.set_disputed(payment_id=payment.pk, disputed_minor=6_000, actor=ROBOT, at=AT)

    with pytest.raises(ChargeDisputed):
        ask(payment, 5_000)
    ask(payment, 4_000)
    payment = operations.set_disputed(payment_id=payment.pk, disputed_minor=10_000, actor=ROBOT, at=AT)
    assert payment.disputed_minor == 6_000


def test_a_gate_blocks_a_refund_on_record_or_asks_for_a_second_person(books):
    payment, _ = purchase()
    effects = iter(["hold", "block"])
    before_refund.plug("test", lambda **facts: [Objection(next(effects), "odd", "It looks odd.")])
    try:
        assert ask(payment, 100).status == R.REQUESTED
        blocked = ask(payment, 100)
        assert (blocked.status, blocked.code, blocked.detail) == (R.CANCELED, "odd", "It looks odd.")
    finally:
        before_refund.unplug("test")


def test_a_limit_is_changed_by_two_people(books):
    maker, checker = people()
    proposed = operations.propose_limit(currency="EUR", limit_minor=50, reason="A bad week.", actor=maker, at=AT)
    payment, _ = purchase()
    assert ask(payment, 100).status == R.APPROVED
    with pytest.raises(ApproverIsMaker):
        operations.approve_limit(limit_id=proposed.pk, actor=maker, at=AT)

    operations.approve_limit(limit_id=proposed.pk, actor=checker, at=AT)

    assert ask(payment, 100).status == R.REQUESTED
    assert RefundLimit.objects.filter(currency="EUR", state=LimitState.IN_FORCE).get().limit_minor == 50


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_refund SET amount_minor = 1",
        "UPDATE billing_refund SET status = 'approved', approved_at = now() WHERE status = 'requested'",
        "UPDATE billing_refund SET status = 'approved', approved_at = now(), checker = 'staff:7' WHERE status = 'requested'",
        "UPDATE billing_payment SET disputed_minor = captured_minor",
        "DELETE FROM billing_refund",
        """INSERT INTO billing_refund SELECT r.id + 1, 'ref_x', purpose, source, amount_minor, surplus_minor, currency, cause, reason, status, code,
                  detail, maker, checker, share_minor, share_taken, short_by_choice, provider_ref, next_look_at, looks, looked_after_at,
                  requested_at, approved_at, completed_at, customer_id, payment_id, posting_id, seller_id FROM billing_refund r""",
    ],
)
def test_the_database_guards_what_goes_back(sql):
    payment, _ = purchase(60_000)
    assert ask(payment, 40_000).status == R.REQUESTED
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_truths_find_an_over_refund_and_a_share_that_was_not_taken(books):
    payment, _ = purchase()
    refund = ask(payment, 10_000)
    work(at=AT)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE billing_refund DISABLE TRIGGER USER")
            cursor.execute(
                "UPDATE billing_refund SET amount_minor = 10001, share_taken = false, checker = 'staff:9' WHERE id = %s",
                [refund.pk],
            )
        broken = {verdict.name for verdict in check_books({8, 10}) if not verdict.ok}
        transaction.set_rollback(True)
    assert {"refunds_and_disputes_within_captured", "shares_follow_their_refunds", "refunds_by_two_above_the_limit"} <= broken


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 6_000), st.sampled_from(["keep", "cancel", "send"])), max_size=6), st.integers(0, 12_000)
)
def test_whatever_is_asked_no_more_goes_back_than_came(steps, disputed):
    with undone():
        payment, _ = purchase(10_000)
        for amount, then in steps:
            try:
                refund = ask(payment, amount)
            except (RefundExceedsCaptured, ChargeDisputed):
                continue
            if then == "cancel":
                operations.cancel_refund(refund_id=refund.pk, actor=ROBOT, at=AT, reason="no")
        operations.set_disputed(payment_id=payment.pk, disputed_minor=disputed, actor=ROBOT, at=AT)
        live = sum(r.amount_minor for r in Refund.objects.filter(payment=payment).exclude(status__in=[R.CANCELED, R.FAILED]))
        payment.refresh_from_db()
        assert live + payment.disputed_minor <= payment.captured_minor
        assert not [verdict for verdict in check_books({2, 10}) if not verdict.ok]
