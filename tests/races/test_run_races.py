"""Two people, two connections, one seller: whoever comes second is served from what the first left, or refused with a sentence."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from backoffice.kit.approvals import Approval
from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from payouts.ledger.operations import BalanceTooLow
from payouts.ledger.queries import seller_buckets
from payouts.runs.building import NothingToPay, NotPayable, RunBeingBuilt
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import approve_run, build_payout, build_run, cancel_payout, cancel_run, deny_run, refresh_run
from payouts.runs.queries import lines_total, payout_lines
from payouts.sellers.models import PayeeAccount
from payouts.sellers.operations import change_payee_account, set_seller_status
from tests.factories.runs import AT, MAKER, ON, give_money, make_checker, make_payable_seller, make_run
from tests.factories.sellers import make_iban

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]
LATER = AT + timedelta(minutes=5)
ROUNDS = 5


def in_own_connection(action):
    """Return what an action answers or how it was refused; anything but a refusal is a defect and is raised."""
    try:
        return action()
    except Refusal as refusal:
        return refusal
    finally:
        connections.close_all()


def together(*actions):
    """Run actions at the same moment, each in a thread with a connection of its own."""
    barrier = threading.Barrier(len(actions))

    def start(action):
        connection.ensure_connection()
        barrier.wait()
        return in_own_connection(action)

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(start, actions))


def second_waits(first, second):
    """Run `first` and keep its transaction open until `second` waits for it (or has answered without waiting)."""
    done, begun = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            answer = first()
            begun.set()
            _until_somebody_waits(done)
        return answer

    def follow():
        begun.wait(20)
        try:
            return second()
        finally:
            done.set()

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(in_own_connection, action) for action in (hold, follow)]
        return [future.result(60) for future in futures]


def _until_somebody_waits(done):
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0] or done.is_set():
                return
        time.sleep(0.02)


def books_hold():
    broken = {verdict.name: verdict.rows or verdict.error for verdict in check_books({1, 2, 3, 4, 5, 8, 9}) if not verdict.ok}
    assert not broken
    for payout in Payout.objects.all():
        assert lines_total(payout_lines(payout)) == payout.amount_minor


def build(key):
    return lambda: build_run(on=ON, at=AT, actor=MAKER, key=key)


def approve(run, checker):
    return lambda: approve_run(run_id=run.pk, content_hash=run.content_hash, actor=checker, at=LATER)


def change_payee(seller, key="change"):
    return lambda: change_payee_account(seller_id=seller.pk, currency="EUR", kind="iban", account_holder="New Holder", number=make_iban(),
                                        actor=MAKER, key=key, at=LATER)  # fmt: skip


def status_of(seller):
    return Payout.objects.filter(seller=seller).order_by("-pk").values_list("status", flat=True).first()


def test_two_builds_at_once_pay_everybody_once():
    for number in range(ROUNDS):
        sellers = [make_payable_seller() for _ in range(3)]

        answers = together(build(f"a{number}"), build(f"b{number}"))

        built = [answer for answer in answers if isinstance(answer, PayoutRun)]
        refused = [answer for answer in answers if isinstance(answer, (NothingToPay, RunBeingBuilt))]
        assert (len(built), len(refused)) == (1, 1)
        assert Payout.objects.filter(seller__in=sellers).count() == 3
    books_hold()


def test_the_same_build_clicked_twice_is_one_run():
    make_payable_seller()

    first, second = second_waits(build("k"), build("k"))

    assert first.pk == second.pk
    assert Payout.objects.count() == 1
    books_hold()


def test_a_payout_on_request_and_a_run_pay_a_seller_once():
    seller, other = make_payable_seller(), make_payable_seller()

    single, run = second_waits(lambda: build_payout(seller_id=seller.pk, currency="EUR", actor=MAKER, key="p", at=AT), build("k"))

    assert isinstance(single, Payout)
    assert list(Payout.objects.filter(run=run).values_list("seller_id", flat=True)) == [other.pk]
    books_hold()


def test_a_run_and_a_payout_on_request_pay_a_seller_once():
    seller = make_payable_seller()

    run, single = second_waits(build("k"), lambda: build_payout(seller_id=seller.pk, currency="EUR", actor=MAKER, key="p", at=AT))

    assert isinstance(run, PayoutRun)
    assert isinstance(single, NotPayable)
    assert single.facts["skip_code"] == "payout_open"
    books_hold()


def test_a_refund_during_the_build_is_in_the_payout_or_after_it():
    before, after = make_payable_seller(10_000), make_payable_seller(10_000)

    second_waits(lambda: give_money(before, -4_000), build("first"))
    assert Payout.objects.get(seller=before).amount_minor == 6_000

    give_money(after, 500)
    cancel_payout(payout_id=Payout.objects.get(seller=after).pk, actor=MAKER, at=AT, reason="again")
    _, refund = second_waits(build("second"), lambda: give_money(after, -4_000))
    assert refund is None or isinstance(refund, BalanceTooLow)
    assert status_of(after) == "needs_approval"
    assert Payout.objects.filter(seller=after).order_by("-pk")[0].amount_minor == 10_500
    assert seller_buckets([after.pk])[(after.pk, "EUR")]["available"] == (-4_000 if refund is None else 0)
    books_hold()


def test_approval_and_cancellation_of_a_payout_never_lose_each_other():
    checker = make_checker()
    for number in range(ROUNDS):
        seller = make_payable_seller()
        run = make_run()
        payout = Payout.objects.get(run=run, seller=seller)

        approved, canceled = together(
            approve(run, checker), lambda payout=payout: cancel_payout(payout_id=payout.pk, actor=MAKER, at=LATER, reason="no")
        )

        assert isinstance(canceled, Payout), f"round {number}: {canceled}"
        assert status_of(seller) == "canceled"
        assert isinstance(approved, PayoutRun) or approved.code == "run_content_changed"
        assert seller_buckets([seller.pk])[(seller.pk, "EUR")]["available"] == 10_000
        give_money(seller, -10_000)
    books_hold()


@pytest.mark.parametrize("order", ["approval first", "cancellation first"])
def test_a_cancelled_run_is_not_approved_and_an_approved_one_is_cancelled_whole(order):
    checker, seller = make_checker(), make_payable_seller()
    run = make_run()
    actions = [approve(run, checker), lambda: cancel_run(run_id=run.pk, actor=MAKER, at=LATER, reason="no")]

    answers = second_waits(*(actions if order == "approval first" else actions[::-1]))

    assert status_of(seller) == "canceled"
    assert PayoutRun.objects.get().status == "canceled"
    assert [isinstance(answer, Refusal) for answer in answers] == [False, order == "cancellation first"]
    books_hold()


def test_a_run_is_approved_or_denied_but_not_both():
    for _ in range(ROUNDS):
        first, second, seller = make_checker(), make_checker(), make_payable_seller()
        run = make_run()

        answers = together(
            approve(run, first), lambda run=run, second=second: deny_run(run_id=run.pk, actor=second, at=LATER, reason="no")
        )

        assert sorted(isinstance(answer, Refusal) for answer in answers) == [False, True]
        assert status_of(seller) in ("approved", "denied")
        run.refresh_from_db()
        assert run.status == status_of(seller)
    books_hold()


def test_two_approvals_at_once_are_one():
    first, second = make_checker(), make_checker()
    make_payable_seller()
    run = make_run()

    answers = together(approve(run, first), approve(run, second), approve(run, first))

    (approved,) = [answer for answer in answers if isinstance(answer, PayoutRun)]
    assert {answer.code for answer in answers if isinstance(answer, Refusal)} == {"run_not_waiting"}
    assert set(Payout.objects.values_list("checker", flat=True)) == {approved.checker}
    assert Approval.objects.filter(state="used").count() == 1
    books_hold()


@pytest.mark.parametrize("order", ["change first", "approval first"])
def test_no_approved_payout_goes_to_an_account_that_was_changed(order):
    checker, seller, other = make_checker(), make_payable_seller(), make_payable_seller()
    run = make_run()
    actions = [change_payee(seller), approve(run, checker)]

    answers = second_waits(*(actions if order == "change first" else actions[::-1]))

    assert status_of(seller) == "canceled"
    if order == "change first":
        assert answers[1].code == "run_content_changed"
        refreshed = refresh_run(run_id=run.pk, actor=MAKER, at=LATER)
        approve(refreshed, checker)()
    assert status_of(other) == "approved"
    old = PayeeAccount.objects.get(seller=seller, status="superseded")
    assert not Payout.objects.filter(payee_account=old).exclude(status="canceled").exists()
    books_hold()


def test_a_build_waits_for_a_payee_change_and_then_skips_the_seller():
    seller = make_payable_seller()
    make_payable_seller()

    _, run = second_waits(change_payee(seller), build("k"))

    assert list(run.skips.values_list("seller_id", "code")) == [(seller.pk, "payee_cooling_off")]
    books_hold()


def test_a_build_waits_for_a_block_and_then_skips_the_seller():
    seller = make_payable_seller()
    make_payable_seller()

    _, run = second_waits(
        lambda: set_seller_status(seller_id=seller.pk, to="blocked", actor=MAKER, at=AT, reason="fraud"), build("k")
    )

    assert list(run.skips.values_list("seller_id", "code")) == [(seller.pk, "seller_not_active")]
    books_hold()


def test_builds_earnings_and_cancellations_of_many_at_once_leave_the_books_whole():
    sellers = [make_payable_seller(5_000 + n) for n in range(8)]
    run = make_run()
    payouts = list(Payout.objects.filter(run=run).order_by("pk"))

    actions = [lambda p=p: cancel_payout(payout_id=p.pk, actor=MAKER, at=LATER, reason="no") for p in payouts[:4]]
    actions += [lambda s=s: give_money(s, 700) for s in sellers[::-1]]
    actions += [build("x"), build("y"), lambda: cancel_run(run_id=run.pk, actor=MAKER, at=LATER, reason="all")]
    answers = together(*actions)

    assert not [answer for answer in answers if isinstance(answer, Exception) and not isinstance(answer, Refusal)]
    books_hold()
    for seller in sellers:
        buckets = seller_buckets([seller.pk])[(seller.pk, "EUR")]
        assert buckets["available"] + buckets["in_payout"] == 5_700 + sellers.index(seller)
