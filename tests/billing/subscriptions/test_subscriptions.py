"""The life of a subscription: what is invoiced when, what follows from the money, what stops what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event, relay, tell
from billing.collection.models import Collection, CollectionAttempt
from billing.collection.opening import AttemptOnItsWay
from billing.collection.operations import retry_collection, set_dunning_policy, work
from billing.customers.clock import ClockIsForTests
from billing.plans.operations import CouponNotRedeemable, add_price, create_coupon
from billing.subscriptions.creating import CouponUsedBefore
from billing.subscriptions.models import PendingLine, Subscription
from billing.subscriptions.moving import SubscriptionNotReady
from billing.subscriptions.operations import (
    advance,
    cancel_subscription,
    change_subscription,
    give_coupon,
    pause_subscription,
    preview_change,
    renew_subscriptions,
    resume_subscription,
    run_boundaries,
    uncancel_subscription,
)
from tests.factories.earnings import make_line, record
from tests.factories.partners import make_partner
from tests.factories.sellers import make_seller
from tests.factories.subscriptions import AT, ROBOT, Till, make_customer, make_plan, make_price, subscribe, till_in_place

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def till() -> Iterator[Till]:
    with till_in_place() as opened:
        yield opened
        broken = [verdict for verdict in check_books({7, 8, 9, 10}) if not verdict.ok]
        assert not broken, broken


def fresh(row: Subscription) -> Subscription:
    return Subscription.objects.select_related("price__plan", "customer").get(pk=row.pk)


def pay(at: datetime = AT) -> dict[str, int]:
    return work(actor=ROBOT, at=at)


def active(till: Till, **over) -> Subscription:
    """Return a subscription whose first invoice is paid by card."""
    row = subscribe(**over)
    pay(over.get("at", AT))
    row = fresh(row)
    assert row.status == "active"
    return row


def renew(at: datetime) -> dict:
    return renew_subscriptions(actor=ROBOT, at=at)


def amounts(till: Till) -> list[int]:
    return [sum(line.amount_minor for line in one.draft.lines) for one in till.of]


# --- beginning ----------------------------------------------------------------------------------------------------------


def test_first_invoice_is_charged_and_makes_it_active(till):
    row = subscribe()
    assert (row.status, till.of[0].due_minor) == ("incomplete", 3_000)
    assert pay() == {"succeeded": 1}
    row = fresh(row)
    assert (row.status, row.next_at, row.current_period_end) == (
        "active",
        row.current_period_end,
        datetime(2026, 4, 1, 9, tzinfo=UTC),
    )
    assert till.of[0].paid == [("card", 3_000)]


def test_same_key_subscribes_once(till):
    customer, price = make_customer(), make_price()
    assert subscribe(customer, price, key="k").pk == subscribe(customer, price, key="k").pk
    assert len(till.of) == 1


def test_balance_pays_at_once_and_card_the_rest(till):
    customer = make_customer(seller=make_seller())
    till.balances[customer.pk] = 1_000
    row = subscribe(customer)
    assert row.status == "incomplete" and till.of[0].paid == [("balance", 1_000)]
    pay()
    assert till.of[0].paid == [("balance", 1_000), ("card", 2_000)]
    till.balances[customer.pk] = 5_000
    second = subscribe(customer)
    assert second.status == "active" and not CollectionAttempt.objects.filter(
        collection__origin=second.public_id, status="planned"
    )


def test_first_invoice_that_nobody_pays_expires_and_is_voided(till):
    till.usual = ("requires_payment_method", "insufficient_funds")
    row = subscribe()
    pay()
    assert fresh(row).status == "incomplete"
    run_boundaries(actor=ROBOT, at=AT + timedelta(hours=23))
    assert (fresh(row).status, till.of[0].status) == ("incomplete_expired", "void")
    assert pay(AT + 30 * DAY) == {}


def test_calendar_anchor_bills_a_stub_by_its_share(till):
    start = datetime(2026, 3, 16, tzinfo=UTC)
    row = active(till, anchor="calendar", at=start)
    assert amounts(till) == [round(3_000 * 16 / 31)]
    assert row.current_period_end == datetime(2026, 4, 1, tzinfo=UTC)
    renew(row.current_period_end)
    assert amounts(till)[1] == 3_000 and fresh(row).current_period_end == datetime(2026, 5, 1, tzinfo=UTC)


def test_trial_costs_nothing_and_ends_in_a_paid_period(till):
    row = subscribe(trial_days=14)
    assert row.status == "trialing" and not till.of
    renew(AT + 14 * DAY)
    assert fresh(row).status == "trialing" and amounts(till) == [3_000]
    pay(AT + 14 * DAY)
    assert fresh(row).status == "active"


@pytest.mark.parametrize(("policy", "status"), [("pause", "paused"), ("cancel", "canceled")])
def test_trial_without_anything_to_pay_from_ends_by_policy(till, policy, status):
    row = subscribe(make_customer(gateway_method=""), trial_days=14, trial_end=policy)
    renew(AT + 14 * DAY)
    assert fresh(row).status == status and not till.of


def test_start_ahead_is_scheduled_and_begins_then(till):
    row = subscribe(start_at=AT + 10 * DAY)
    assert row.status == "scheduled" and not till.of
    run_boundaries(actor=ROBOT, at=AT + 10 * DAY)
    pay(AT + 10 * DAY)
    assert fresh(row).status == "active" and amounts(till) == [3_000]


# --- coupons and usage --------------------------------------------------------------------------------------------------


def test_coupon_holds_for_its_invoices_and_within_its_limit(till):
    create_coupon(code="SPRING", duration="repeating", invoices=2, basis_points=5_000, redemptions_max=1, actor=ROBOT, at=AT)
    row = active(till, coupon="spring")
    for month in (4, 5):
        renew(datetime(2026, month, 1, 9, tzinfo=UTC))
    assert amounts(till) == [1_500, 1_500, 3_000]
    with pytest.raises(CouponNotRedeemable), transaction.atomic():
        subscribe(coupon="SPRING")
    assert fresh(row).last_minor == 3_000


def test_a_running_subscription_takes_a_coupon_once_from_its_next_invoice_on(till):
    create_coupon(code="LOYAL", duration="once", basis_points=2_500, actor=ROBOT, at=AT)
    row = active(till)
    give_coupon(subscription_id=row.pk, coupon="loyal", actor=ROBOT, at=AT)
    with pytest.raises(CouponUsedBefore), transaction.atomic():
        give_coupon(subscription_id=row.pk, coupon="LOYAL", actor=ROBOT, at=AT)
    for month in (4, 5):
        renew(datetime(2026, month, 1, 9, tzinfo=UTC))
    assert amounts(till) == [3_000, 2_250, 3_000]
    cancel_subscription(
        subscription_id=row.pk, actor=ROBOT, at=datetime(2026, 5, 2, tzinfo=UTC), reason="Done.", at_period_end=False
    )
    with pytest.raises(SubscriptionNotReady), transaction.atomic():
        give_coupon(subscription_id=row.pk, coupon="LOYAL", actor=ROBOT, at=datetime(2026, 5, 2, tzinfo=UTC))


def test_usage_is_billed_behind_and_every_sale_once(till):
    seller = make_seller()
    customer = make_customer(seller=seller)
    usage = [
        {"code": "base", "unit_minor": 1_000},
        {"code": "sales", "measure": "sales_count", "unit_minor": 50, "included": 1},
        {"code": "share", "measure": "sales_gross", "scheme": "share", "basis_points": 100},
    ]
    row = active(till, customer=customer, price=make_price(usage))
    assert amounts(till) == [1_000]
    record(*[make_line(seller) for _ in range(3)], at=AT + DAY)
    renew(row.current_period_end)
    assert amounts(till)[1] == 1_000 + 2 * 50 + 300
    record(make_line(seller, occurred_at="2026-03-05T00:00:00Z"), at=AT + 40 * DAY)  # late, and yet once
    cancel_subscription(subscription_id=row.pk, at_period_end=False, reason="done", actor=ROBOT, at=AT + 45 * DAY)
    assert amounts(till)[2:] == [100]


# --- renewing -----------------------------------------------------------------------------------------------------------


def test_renewal_is_one_invoice_a_boundary_whoever_runs_how_often(till):
    rows = [active(till) for _ in range(3)]
    assert renew(rows[0].current_period_end)["done"] == 3
    assert renew(rows[0].current_period_end)["done"] == 0
    assert amounts(till) == [3_000] * 6
    told = Event.objects.filter(type="subscription.renewed")
    assert {event.subject for event in told} == {row.public_id for row in rows}


def test_missed_periods_are_caught_up_one_by_one(till):
    row = active(till)
    assert renew(datetime(2026, 6, 2, tzinfo=UTC))["done"] == 3
    assert [one.draft.period_start.month for one in till.of] == [3, 4, 5, 6]
    assert fresh(row).current_period_end == datetime(2026, 7, 1, 9, tzinfo=UTC)


def test_one_failing_renewal_is_parked_and_keeps_nobody_waiting(till):
    from billing.subscriptions.models import RenewalItem
    from billing.subscriptions.operations import release_item

    bad, good = active(till), active(till)
    till.refuse_drafts_of.add(bad.public_id)
    answer = renew(bad.current_period_end)
    assert (answer["done"], answer["parked"]) == (1, 1)
    item = RenewalItem.objects.get(subscription=bad)
    assert (item.status, item.code) == ("parked", "unexpected")
    assert fresh(good).current_period_start == good.current_period_end
    assert renew(bad.current_period_end)["done"] == 0
    till.refuse_drafts_of.clear()
    release_item(item_id=item.pk, actor=ROBOT, at=AT + 32 * DAY, reason="mended")
    assert renew(AT + 32 * DAY)["done"] == 1


def test_bounds_park_a_jump_in_the_amount_and_a_loop(till):
    from billing.subscriptions.models import RenewalItem

    seller = make_seller()
    usage = [{"code": "base", "unit_minor": 1_000}, {"code": "sales", "measure": "sales_count", "unit_minor": 3_000}]
    jump = active(till, customer=make_customer(seller=seller), price=make_price(usage))
    record(make_line(seller), at=AT + DAY)
    loop = active(till, price=make_price(interval="day"))
    renew(AT + 40 * DAY)
    assert RenewalItem.objects.get(subscription=jump).code == "amount_jump"
    done = RenewalItem.objects.filter(subscription=loop)
    assert done.filter(status="done").count() == 15 and done.get(status="parked").code == "too_many_items"


def test_brakes_stop_invoices_of_one_or_of_all(till):
    from billing.collection.operations import lift_brake, place_brake

    one, other = active(till), active(till)
    brake = place_brake(scope="invoicing", customer_id=one.customer_id, reason="a dispute", actor=ROBOT, at=AT)
    assert renew(one.current_period_end)["done"] == 1 and fresh(one).current_period_start == AT
    everybody = place_brake(scope="all", reason="wrong prices", actor=ROBOT, at=AT)
    assert renew(other.current_period_end + 31 * DAY)["done"] == 0 and pay(AT + 32 * DAY) == {}
    for row in (brake, everybody):
        lift_brake(brake_id=row.pk, reason="mended", actor=ROBOT, at=AT)
    assert renew(one.current_period_end)["done"] == 1


def test_dry_run_says_what_the_batch_then_does(till):
    from billing.subscriptions.operations import plan_all

    row = active(till)
    active(till)
    change_subscription(subscription_id=row.pk, seats=2, when="period_end", key="c", actor=ROBOT, at=AT)
    cancel_subscription(subscription_id=active(till).pk, reason="enough", actor=ROBOT, at=AT)
    plan = plan_all(at=row.current_period_end)
    before = sum(amounts(till))
    assert renew(row.current_period_end)["done"] == 3
    assert plan.totals == {"EUR": sum(amounts(till)) - before} and plan.counts["canceled"] == 1


# --- changing -----------------------------------------------------------------------------------------------------------


def seats_price(**over):
    return make_price([{"code": "seat", "measure": "seats", "unit_minor": 3_100}], **over)


def test_upgrade_counts_only_once_its_difference_is_paid(till):
    row = active(till, price=seats_price())
    at = AT + 15 * DAY + timedelta(hours=12)
    change = change_subscription(subscription_id=row.pk, seats=3, key="up", actor=ROBOT, at=at)
    assert (change.status, fresh(row).seats, amounts(till)[1]) == ("awaiting_payment", 1, 3_100)
    pay(at)
    change.refresh_from_db()
    assert (change.status, fresh(row).seats) == ("applied", 3)
    renew(row.current_period_end)
    assert amounts(till)[2] == 9_300


def test_upgrade_whose_charge_fails_is_dropped_and_its_invoice_voided(till):
    row = active(till, price=seats_price())
    till.answers = [("requires_payment_method", "insufficient_funds")]
    change = change_subscription(subscription_id=row.pk, seats=3, key="up", actor=ROBOT, at=AT + DAY)
    pay(AT + DAY)
    change.refresh_from_db()
    row = fresh(row)
    assert (change.status, row.seats, row.status, till.of[1].status) == ("dropped", 1, "active", "void")


def test_less_waits_for_the_period_end_and_less_now_is_credited(till):
    row = active(till, price=seats_price(), seats=4)
    waits = change_subscription(subscription_id=row.pk, seats=2, key="down", actor=ROBOT, at=AT + DAY)
    assert (waits.status, fresh(row).seats) == ("at_period_end", 4)
    at = AT + 15 * DAY + timedelta(hours=12)
    change_subscription(subscription_id=row.pk, seats=2, proration="next_invoice", key="now", actor=ROBOT, at=at)
    waits.refresh_from_db()
    assert (waits.status, fresh(row).seats) == ("dropped", 2)
    assert sum(PendingLine.objects.values_list("amount_minor", flat=True)) == -3_100
    renew(row.current_period_end)
    assert amounts(till)[1] == 6_200 - 3_100


def test_credit_beyond_the_invoice_is_carried_on(till):
    row = active(till, price=seats_price(), seats=10)
    change_subscription(subscription_id=row.pk, seats=1, proration="next_invoice", key="now", actor=ROBOT, at=AT)
    for month in (4, 5):
        renew(datetime(2026, month, 1, 9, tzinfo=UTC))
    assert amounts(till) == [31_000, 0, 0] and till.of[1].status == "paid"
    left = PendingLine.objects.get(subscription=row, invoiced_at__isnull=True)
    assert left.amount_minor == -(9 * 3_100) + 2 * 3_100


def test_reset_begins_a_full_period_and_another_rhythm_needs_it(till):
    from billing.subscriptions.changing import IntervalNeedsReset

    plan = make_plan()
    monthly = make_price(plan=plan)
    yearly = make_price([{"code": "base", "unit_minor": 30_000}], plan=plan, interval="year")
    row = active(till, price=monthly)
    at = AT + 15 * DAY + timedelta(hours=12)
    with pytest.raises(IntervalNeedsReset), transaction.atomic():
        change_subscription(subscription_id=row.pk, price_id=yearly.pk, proration="none", key="n", actor=ROBOT, at=at)
    assert preview_change(subscription_id=row.pk, price_id=yearly.pk, proration="reset", at=at).amount_minor == 30_000 - 1_500
    change_subscription(subscription_id=row.pk, price_id=yearly.pk, proration="reset", key="y", actor=ROBOT, at=at)
    pay(at)
    row = fresh(row)
    assert (row.price_id, row.current_period_start, row.current_period_end) == (yearly.pk, at, at.replace(year=2027))


def test_prices_are_immutable_and_old_subscribers_stay(till):
    row = active(till)
    add_price(
        plan_id=row.price.plan_id, currency="EUR", interval="month", components=[{"code": "base", "unit_minor": 9_000}],
        actor=ROBOT, at=AT,
    )  # fmt: skip
    renew(row.current_period_end)
    assert amounts(till) == [3_000, 3_000]
    with pytest.raises(IntegrityError), transaction.atomic():
        type(row.price).objects.filter(pk=row.price_id).update(components=[])


# A period of 31 days from 1 March, 9:00, at 31.00 a seat; the change comes after `days` days. By hand: 3,100 / 31 = 100 a day and seat.
@pytest.mark.parametrize(
    ("proration", "days", "seats", "now", "next_invoice", "period_from_change"),
    [
        ("invoice_now", 10, 3, 2 * 2_100, 3 * 3_100, False),  # 21 days are left
        ("next_invoice", 10, 3, None, 3 * 3_100 + 2 * 2_100, False),
        ("none", 10, 3, None, 3 * 3_100, False),
        ("reset", 10, 3, 3 * 3_100 - 2_100, 3 * 3_100, True),  # a full new period, less 21 unused days of one seat
        ("invoice_now", 30, 2, 100, 2 * 3_100, False),  # the last day
    ],
)
def test_each_proration_comes_to_what_a_hand_computes(till, proration, days, seats, now, next_invoice, period_from_change):
    row = active(till, price=seats_price())
    at = AT + days * DAY
    change_subscription(subscription_id=row.pk, seats=seats, proration=proration, key="c", actor=ROBOT, at=at)
    pay(at)
    row = fresh(row)
    assert (row.seats, row.current_period_start == at) == (seats, period_from_change)
    assert amounts(till)[1:] == ([] if now is None else [now])
    renew(row.current_period_end)
    assert amounts(till)[-1] == next_invoice


def test_cents_that_do_not_divide_are_rounded_once_a_line_and_never_lost(till):
    price = make_price([{"code": "base", "unit_minor": 1_000}, {"code": "seat", "measure": "seats", "unit_minor": 333}])
    row = active(till, price=price, seats=2)
    at = AT + 7 * DAY  # 24 of 31 days are left
    preview = preview_change(subscription_id=row.pk, seats=5, proration="invoice_now", at=at)
    # unused: 1,000 * 24/31 = 774.19, 666 * 24/31 = 515.61; the rest of the period: 774.19, 1,665 * 24/31 = 1,289.03
    assert [line.amount_minor for line in preview.lines] == [-774, -516, 774, 1_289]


# --- stopping -----------------------------------------------------------------------------------------------------------


def test_pause_stops_invoices_and_attempts_and_resume_bills_the_rest(till):
    row = active(till)
    pause_subscription(subscription_id=row.pk, reason="holidays", actor=ROBOT, at=AT + 10 * DAY)
    assert renew(AT + 60 * DAY)["done"] == 0
    at = datetime(2026, 5, 16, 21, tzinfo=UTC)
    resume_subscription(subscription_id=row.pk, actor=ROBOT, at=at)
    row = fresh(row)
    assert (row.status, row.current_period_start, row.current_period_end) == ("active", at, datetime(2026, 6, 1, 9, tzinfo=UTC))
    assert amounts(till)[1] == 0  # 1,500 for the rest of May, less 21 unused days of March


def test_cancel_closes_what_is_planned_and_nobody_is_charged_afterwards(till):
    row = active(till)
    till.usual = ("requires_payment_method", "insufficient_funds")
    at = row.current_period_end
    renew(at)
    pay(at)
    assert fresh(row).status == "past_due" and CollectionAttempt.objects.filter(status="planned").count() == 4
    cancel_subscription(subscription_id=row.pk, at_period_end=False, reason="gone", actor=ROBOT, at=at + DAY)
    assert not CollectionAttempt.objects.filter(status="planned").exists()
    charges = len(till.charges)
    pay(at + 60 * DAY)
    assert len(till.charges) == charges and fresh(row).status == "canceled"


def test_cancel_at_period_end_can_be_taken_back(till):
    stays, goes = active(till), active(till)
    for row in (stays, goes):
        cancel_subscription(subscription_id=row.pk, reason="enough", actor=ROBOT, at=AT)
    uncancel_subscription(subscription_id=stays.pk, actor=ROBOT, at=AT)
    renew(stays.current_period_end)
    assert (fresh(stays).status, fresh(goes).status, len(till.of)) == ("active", "canceled", 3)


# --- collecting ---------------------------------------------------------------------------------------------------------


def overdue(till: Till, **over) -> tuple[Subscription, datetime]:
    row = active(till, **over)
    till.usual = ("requires_payment_method", "insufficient_funds")
    renew(row.current_period_end)
    pay(row.current_period_end)
    return fresh(row), row.current_period_end


def test_dunning_tries_on_its_days_and_then_ends_the_subscription(till):
    row, at = overdue(till)
    planned = CollectionAttempt.objects.filter(status="planned").order_by("number").values_list("planned_at", flat=True)
    assert [(moment - at).days for moment in planned] == [2, 7, 14, 21]
    for days in (2, 7, 14):
        assert pay(at + days * DAY) == {"failed": 1} and fresh(row).status == "past_due"
    pay(at + 21 * DAY)
    assert (fresh(row).status, Collection.objects.get(failed_at__isnull=False).status) == ("canceled", "stopped")


def test_dunning_that_succeeds_makes_it_active_and_closes_the_rest(till):
    row, at = overdue(till)
    till.usual = ("succeeded", "")
    pay(at + 2 * DAY)
    assert fresh(row).status == "active"
    assert CollectionAttempt.objects.filter(status="closed").count() == 3


def test_hard_decline_stops_the_card_and_a_new_one_is_tried_outside_the_budget(till):
    customer = make_customer()
    till.answers = [("succeeded", "")]
    row = active(till, customer=customer, price=make_price(plan=make_plan(collection="card_only")))
    set_dunning_policy(
        code="standard", days_between=[3], hard_declines=["stolen_card"], final_action="stay", reason="a test", actor=ROBOT, at=AT
    )
    till.usual = ("requires_payment_method", "card_declined/stolen_card")
    renew(row.current_period_end)
    pay(row.current_period_end)
    collection = Collection.objects.get(failed_at__isnull=False)
    assert (collection.card_stopped, collection.status, fresh(row).status) == (True, "exhausted", "past_due")
    till.usual = ("succeeded", "")
    tell("customer.method_changed", subject=customer.public_id, payload={}, at=row.current_period_end + DAY)
    relay(at=row.current_period_end + DAY)
    pay(row.current_period_end + DAY)
    assert fresh(row).status == "active"


def test_seller_who_earns_pays_what_is_open_from_the_balance(till):
    seller = make_seller()
    customer = make_customer(seller=seller, gateway_method="")
    till.balances[customer.pk] = 3_000
    row = subscribe(customer)
    renew(row.current_period_end)
    pay(row.current_period_end)
    assert fresh(row).status == "past_due"
    till.balances[customer.pk] = 9_000
    tell("balance.available", subject=seller.public_id, payload={"seller": seller.public_id, "currency": "EUR"}, at=AT + 33 * DAY)
    relay(at=AT + 33 * DAY)
    assert fresh(row).status == "active" and till.of[1].paid == [("balance", 3_000)]


@pytest.mark.parametrize("status", ["unknown", "requires_action", "processing"])
def test_what_is_on_its_way_blocks_every_second_attempt_until_it_is_known(till, status):
    row = active(till)
    till.answers = [(status, "")]
    at = row.current_period_end
    renew(at)
    pay(at)
    attempt = CollectionAttempt.objects.get(
        collection__origin=row.public_id, number=1, status__in=["unknown", "needs_action", "pending"]
    )
    charges = len(till.charges)
    pay(at + 30 * DAY)
    assert len(till.charges) == charges
    with pytest.raises(AttemptOnItsWay), transaction.atomic():
        retry_collection(collection_id=attempt.collection_id, reason="impatient", actor=ROBOT, at=at + DAY)
    till.arrive(attempt.payment)
    tell("payment.succeeded", subject=attempt.payment, payload={"code": ""}, at=at + 31 * DAY)
    relay(at=at + 31 * DAY)
    attempt.refresh_from_db()
    assert (attempt.status, attempt.card_minor, fresh(row).status) == ("succeeded", 3_000, "active")


def test_crash_between_charge_and_record_charges_once(till):
    row = subscribe()
    till.crash_after_charge = True
    with pytest.raises(KeyboardInterrupt):
        pay()
    assert CollectionAttempt.objects.get().status == "running" and pay(AT + timedelta(minutes=1)) == {}
    assert pay(AT + timedelta(minutes=11)) == {"succeeded": 1}
    assert till.of[0].paid == [("card", 3_000)] and fresh(row).status == "active"


def test_card_then_balance_asks_the_balance_where_the_card_fails(till):
    customer = make_customer(seller=make_seller())
    row = subscribe(customer, make_price(plan=make_plan(collection="card_then_balance")), trial_days=1)
    till.balances[customer.pk] = 5_000
    till.usual = ("requires_payment_method", "insufficient_funds")
    renew(AT + DAY)
    pay(AT + DAY)
    assert fresh(row).status == "active" and till.of[0].paid == [("balance", 3_000)]


def test_balance_that_was_empty_is_asked_again_the_next_time_the_seller_earns(till):
    seller = make_seller()
    customer = make_customer(seller=seller, gateway_method="")
    subscribe(customer)
    pay()
    for hours, there in ((1, 0), (2, 1_000), (3, 5_000)):
        till.balances[customer.pk] = there
        at = AT + timedelta(hours=hours)
        tell("balance.available", subject=seller.public_id, payload={"seller": seller.public_id, "currency": "EUR"}, at=at)
        relay(at=at)
    assert till.of[0].paid == [("balance", 1_000), ("balance", 2_000)] and Subscription.objects.get().status == "active"


def test_money_earned_before_an_invoice_was_made_does_not_reach_back(till):
    seller = make_seller()
    customer = make_customer(seller=seller, gateway_method="")
    subscribe(customer)
    till.balances[customer.pk] = 5_000
    tell("balance.available", subject=seller.public_id, payload={"seller": seller.public_id, "currency": "EUR"}, at=AT - DAY)
    relay(at=AT)
    assert till.of[0].paid == []


@pytest.mark.parametrize("event", ["invoice.voided", "invoice.uncollectible"])
def test_subscription_is_active_again_once_what_was_overdue_is_given_up(till, event):
    row, at = overdue(till)
    till.of[1].status, till.of[1].due_minor = "void", 0
    tell(event, subject=till.of[1].public_id, payload={}, at=at + DAY)
    relay(at=at + DAY)
    assert (fresh(row).status, Collection.objects.get(invoice=till.of[1].public_id).status) == ("active", "stopped")
    assert not CollectionAttempt.objects.filter(status="planned").exists()


@pytest.mark.parametrize("stop", [pause_subscription, cancel_subscription])
def test_nobody_owes_for_a_change_that_never_counted(till, stop):
    row = active(till, price=seats_price())
    change_subscription(subscription_id=row.pk, seats=3, key="up", actor=ROBOT, at=AT + DAY)
    stop(subscription_id=row.pk, at_period_end=False, reason="holidays", actor=ROBOT, at=AT + 2 * DAY)
    assert (till.of[1].status, fresh(row).changes.get().status) == ("void", "dropped")


# --- test clocks --------------------------------------------------------------------------------------------------------


def test_clock_is_refused_to_live_customers_by_verb_and_database(till):
    live = make_customer(partner=make_partner(livemode=True))
    with pytest.raises(ClockIsForTests):
        advance(customer_id=live.pk, to=AT + DAY, actor=ROBOT, at=AT)
    live.clock_at = AT
    with pytest.raises(IntegrityError), transaction.atomic():
        live.save()


def test_schedule_leaves_customers_with_a_clock_alone(till):
    customer = make_customer(clock_at=AT)
    row = subscribe(customer)
    assert pay(AT + DAY) == {}
    advance(customer_id=customer.pk, to=AT + 40 * DAY, actor=ROBOT, at=AT)
    assert fresh(row).status == "active" and amounts(till) == [3_000, 3_000]
    assert renew(AT + 300 * DAY)["done"] == 0
