"""Taking payouts back: the money returns, debts first, and nothing that may have left is cancelled."""

from datetime import timedelta

import pytest

from payouts.ledger.operations import Draft, post
from payouts.ledger.queries import seller_buckets
from payouts.ledger.templates import Leg
from payouts.ledger.templates import seller as bucket
from payouts.runs.gates import may_cancel
from payouts.runs.giving_back import PayoutOnItsWay, RunOnItsWay
from payouts.runs.marking import NotHeld, PayoutsMovedOn
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import cancel_payout, cancel_run, expire_runs, hold_payout, mark_payouts, release_payout
from payouts.runs.queries import payout_lines
from payouts.sellers.operations import change_payee_account
from tests.factories.dispatch import orders_of, rails_in, submit
from tests.factories.runs import AT, MAKER, make_approved_run, make_payable_seller, make_payout, make_run
from tests.factories.sellers import make_iban

pytestmark = pytest.mark.django_db


def buckets_of(payout):
    return seller_buckets([payout.seller_id])[(payout.seller_id, payout.currency)]


def cancel(payout):
    return cancel_payout(payout_id=payout.pk, actor=MAKER, at=AT, reason="asked for")


@pytest.mark.parametrize("approved", [False, True])
def test_a_cancelled_payout_returns_the_money_and_carries_over(approved):
    payout = cancel(make_payout(7_000, approved=approved))

    assert (payout.status, payout.status_reason, buckets_of(payout)["available"]) == ("canceled", "asked for", 7_000)
    again = Payout.objects.get(run=make_run())
    line = payout_lines(again)[0]
    assert (line.kind, line.source, line.amount_minor) == ("payout_canceled", payout.public_id, 7_000)
    assert payout.reference in line.text


def test_money_that_comes_back_repays_what_the_seller_owes_first():
    payout = make_payout(7_000)
    owe = [
        Leg("receivable.seller_debt", payout.seller_id, "", "EUR", 2_500),
        bucket("available", payout.seller_id, "EUR", -2_500),
    ]
    take = [bucket("available", payout.seller_id, "EUR", 2_500), Leg("psp.clearing", 0, "psp", "EUR", -2_500)]
    post(drafts=[Draft("release", "owe", owe)], actor=MAKER, at=AT)
    post(drafts=[Draft("refund", "take", take)], actor=MAKER, at=AT)

    cancel(payout)

    assert (buckets_of(payout)["available"], buckets_of(payout)["debt"]) == (4_500, 0)


def test_a_payout_on_its_way_cannot_be_cancelled(tmp_path):
    with rails_in(tmp_path):
        run = make_approved_run(sellers=1)
        submit(run)

        with pytest.raises(PayoutOnItsWay, match="it is on its way"):
            cancel(Payout.objects.get())


def test_without_somebody_who_knows_the_orders_a_pending_payout_stays(monkeypatch):
    payout = make_payout()
    mark_payouts([payout.pk], "pending", MAKER, AT)
    monkeypatch.setattr(may_cancel, "checks", {})

    with pytest.raises(PayoutOnItsWay, match="may have left us"):
        cancel(payout)


def test_a_payee_change_takes_back_open_payouts_to_the_old_account():
    payout = make_payout()

    change_payee_account(seller_id=payout.seller_id, currency="EUR", kind="iban", account_holder="New", number=make_iban(), actor=MAKER,
                         key="c", at=AT)  # fmt: skip

    payout.refresh_from_db()
    assert (payout.status, payout.status_code, buckets_of(payout)["available"]) == ("canceled", "payee_changed", 10_000)


def test_a_payee_change_in_one_currency_leaves_the_others_alone():
    payout = make_payout(currency="USD")

    change_payee_account(seller_id=payout.seller_id, currency="EUR", kind="iban", account_holder="New", number=make_iban(), actor=MAKER,
                         key="c", at=AT)  # fmt: skip

    assert Payout.objects.get().status == "approved"


@pytest.mark.parametrize("make", [make_run, make_approved_run])
def test_a_run_is_cancelled_whole(make):
    run = make(sellers=3)

    cancel_run(run_id=run.pk, actor=MAKER, at=AT + timedelta(hours=1), reason="wrong day")

    assert set(Payout.objects.values_list("status", "status_code")) == {("canceled", "run_canceled")}
    assert {buckets_of(payout)["available"] for payout in Payout.objects.all()} == {10_000}
    assert make_run().payouts_count == 3


def test_a_run_that_left_is_not_cancelled(tmp_path):
    with rails_in(tmp_path):
        run = make_approved_run(sellers=2)
        submit(run)

        with pytest.raises(RunOnItsWay, match="2 of its payouts have left"):
            cancel_run(run_id=run.pk, actor=MAKER, at=AT, reason="too late")
        assert len(orders_of(run)) == 2


# --- holding and marking


def test_a_held_payout_keeps_its_money_aside_and_goes_on_when_released():
    payout = make_payout()

    held = hold_payout(payout_id=payout.pk, actor=MAKER, at=AT, reason="looks odd")
    assert (held.status, held.status_reason, buckets_of(held)["in_payout"]) == ("held", "looks odd", 10_000)
    released = release_payout(payout_id=payout.pk, actor=MAKER, at=AT, reason="is fine")
    assert (released.status, released.status_reason) == ("approved", "")
    with pytest.raises(NotHeld):
        release_payout(payout_id=payout.pk, actor=MAKER, at=AT, reason="again")


def test_a_payout_held_until_its_approval_expired_gives_its_money_back(tmp_path):
    payout = make_payout()
    hold_payout(payout_id=payout.pk, actor=MAKER, at=AT, reason="looks odd")
    make_payable_seller()
    with rails_in(tmp_path):
        PayoutRun.objects.filter(pk=payout.run_id).update()
        expire_runs(at=AT + timedelta(days=31), actor=MAKER)

    payout.refresh_from_db()
    assert (payout.status, buckets_of(payout)["available"]) == ("expired", 10_000)


def test_payouts_are_marked_all_or_none():
    first, second = make_payout(), make_payout()
    cancel(second)

    with pytest.raises(PayoutsMovedOn, match="1 of 2 payouts can no longer become being sent"):
        mark_payouts([first.pk, second.pk], "pending", MAKER, AT)

    first.refresh_from_db()
    assert first.status == "approved"


def test_marking_sets_only_what_dispatch_may_set():
    payout = make_payout()

    mark_payouts([payout.pk], "pending", MAKER, AT, submitted_at=AT)
    with pytest.raises(ValueError, match="amount_minor"):
        mark_payouts([payout.pk], "approved", MAKER, AT, amount_minor=1)

    payout.refresh_from_db()
    assert (payout.status, payout.submitted_at) == ("pending", AT)
    mark_payouts([payout.pk], "approved", MAKER, AT)
