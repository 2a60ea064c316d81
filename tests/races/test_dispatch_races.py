"""Submitting, claiming, answering at the same moment on connections of their own: one effect, whoever is first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from payouts.dispatch.claims import claim
from payouts.dispatch.models import PaymentOrder, RailFile
from payouts.dispatch.operations import import_bank_file, settle, submit_run, sweep, work
from payouts.ledger.models import Posting
from payouts.runs.models import Payout
from payouts.runs.operations import cancel_payout
from payouts.sellers.models import Seller
from payouts.sellers.operations import change_payee_account, set_seller_status
from tests.factories import bank_messages
from tests.factories.dispatch import BANK, SUBMIT_AT, SUBMITTER, make_submitted_run, provider_in, rails_in
from tests.factories.runs import give_money, make_approved_run, make_payable_seller
from tests.factories.sellers import make_iban, make_payee, make_seller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]
ROUNDS = 4


@pytest.fixture
def rails(tmp_path: Path, transactional_db: None) -> Iterator[Path]:
    with rails_in(tmp_path) as folder:
        yield folder
    broken = [verdict for verdict in check_books() if not verdict.ok]
    assert not broken, broken


def together(*actions: Callable[[], Any]) -> list[Any]:
    """Run actions at the same moment, each on a connection of its own; a refusal is an answer, anything else a defect."""
    barrier = threading.Barrier(len(actions))

    def start(action: Callable[[], Any]) -> Any:
        connection.ensure_connection()
        barrier.wait()
        try:
            return action()
        except Refusal as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(start, actions))


def american() -> Seller:
    seller = make_seller(currency="USD", country="US")
    make_payee(seller, currency="USD")
    give_money(seller, 10_000)
    return seller


def test_two_clicks_on_submit_make_one_file(rails: Path):
    for number in range(ROUNDS):
        run = make_approved_run(sellers=2)

        together(*[lambda run=run: submit_run(run_id=run.pk, actor=SUBMITTER, at=SUBMIT_AT)] * 2)
        sweep(at=SUBMIT_AT)

        assert RailFile.objects.count() == number + 1
        assert PaymentOrder.objects.filter(payout__run=run, status="sent").count() == 2
        for order in PaymentOrder.objects.filter(payout__run=run):
            settle(order_id=order.pk, actor=BANK, at=SUBMIT_AT)


def test_a_payee_change_during_submission_pays_the_old_account_or_nobody(rails: Path):
    for _ in range(ROUNDS):
        seller = make_payable_seller()
        run = make_approved_run()

        together(
            lambda run=run: submit_run(run_id=run.pk, actor=SUBMITTER, at=SUBMIT_AT),
            lambda seller=seller: change_payee_account(
                seller_id=seller.pk, currency="EUR", kind="iban", account_holder="New Holder", number=make_iban(), actor=SUBMITTER,
                key=f"race:{seller.pk}", at=SUBMIT_AT,
            ),
        )  # fmt: skip
        sweep(at=SUBMIT_AT)

        payout = Payout.objects.get(seller=seller)
        assert payout.status in ("in_transit", "canceled")
        in_file = PaymentOrder.objects.filter(payout=payout, rail_file__isnull=False).exists()
        assert in_file == (payout.status == "in_transit")
        if in_file:
            settle(order_id=PaymentOrder.objects.get(payout=payout).pk, actor=BANK, at=SUBMIT_AT)


def test_a_block_during_submission_lets_it_leave_or_holds_it(rails: Path):
    for _ in range(ROUNDS):
        seller = make_payable_seller()
        run = make_approved_run()

        together(
            lambda run=run: submit_run(run_id=run.pk, actor=SUBMITTER, at=SUBMIT_AT),
            lambda seller=seller: set_seller_status(
                seller_id=seller.pk, to="blocked", actor=SUBMITTER, at=SUBMIT_AT, reason="list"
            ),
        )

        payout = Payout.objects.get(seller=seller)
        assert payout.status in ("in_transit", "held")
        assert RailFile.objects.filter(run=run).exists() == (payout.status == "in_transit")


def test_workers_that_claim_at_once_share_the_work(rails: Path):
    for _ in range(6):
        american()
    make_submitted_run()

    claimed = together(*[lambda: claim(rails=["sandbox"], limit=4, actor=BANK, at=SUBMIT_AT)] * 3)

    taken = [one.order_id for part in claimed for one in part]
    assert len(taken) == len(set(taken))


def test_workers_that_work_at_once_pay_everybody_once(rails: Path):
    for _ in range(8):
        american()
    make_submitted_run()

    together(*[lambda: work(at=SUBMIT_AT, wave=2)] * 3)
    work(at=SUBMIT_AT)

    references = [row["reference"] for row in provider_in(rails).truth()]
    assert len(references) == len(set(references)) == 8
    assert set(PaymentOrder.objects.values_list("status", flat=True)) == {"sent"}


def test_a_cancellation_against_a_claim_is_one_or_the_other(rails: Path):
    for number in range(ROUNDS):
        seller = american()
        make_submitted_run()
        payout = Payout.objects.get(seller=seller)

        together(
            lambda: work(at=SUBMIT_AT),
            lambda payout=payout: cancel_payout(payout_id=payout.pk, actor=SUBMITTER, at=SUBMIT_AT, reason="race"),
        )
        work(at=SUBMIT_AT)

        payout.refresh_from_db()
        paid = [row for row in provider_in(rails).truth() if payout.public_id in row["reference"]]
        assert (payout.status, len(paid)) in [("in_transit", 1), ("canceled", 0)], number


def test_the_same_bank_file_twice_at_once_books_once(rails: Path):
    make_submitted_run(sellers=2)
    entries = [bank_messages.entry(order.amount_minor, order.end_to_end_id) for order in PaymentOrder.objects.all()]
    data = bank_messages.camt054(entries)

    answers = together(*[lambda: import_bank_file(data=data, file_name="x", actor=BANK, at=SUBMIT_AT)] * 3)

    assert sorted(answer.duplicate_file for answer in answers) == [False, True, True]
    assert Posting.objects.filter(template="payout_settled").count() == 2


def test_a_return_and_a_settlement_at_once_end_returned(rails: Path):
    for _ in range(ROUNDS):
        make_payable_seller()
        make_submitted_run()
        order = PaymentOrder.objects.get(status="sent")
        debit = bank_messages.camt054([bank_messages.entry(10_000, order.end_to_end_id)])
        back = bank_messages.pacs004([(order.end_to_end_id, 10_000, "MS02")])

        together(
            *[
                lambda data=data: import_bank_file(data=data, file_name="x", actor=BANK, at=SUBMIT_AT + timedelta(days=1))
                for data in (debit, back)
            ]
        )

        order.refresh_from_db()
        assert order.status == "returned"
        assert Posting.objects.filter(key=order.public_id).count() == 3
