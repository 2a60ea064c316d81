"""Every behaviour of a bank nobody here wrote, from the payment file to the books, over loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backoffice.kit.invariants import check_books
from payouts.dispatch import queries
from payouts.dispatch.models import BankFileEntry, PaymentOrder, RailFile
from payouts.dispatch.operations import BankFileResult, import_bank_file
from payouts.dispatch.stored import bytes_of
from payouts.ledger.models import Account
from payouts.ledger.queries import balance, seller_buckets
from payouts.runs.models import Payout, PayoutRun
from payouts.sellers.models import PayeeAccount, Seller
from tests.factories.bank import BAD_BANK_IBAN, CLOSED_IBAN, DEBTOR_ID, LoopbackBank
from tests.factories.dispatch import BANK, make_submitted_run, rails_in
from tests.factories.runs import give_money, make_payable_seller
from tests.factories.sellers import make_payee, make_seller

# a Wednesday morning, before the cut-off: the factories' runs are submitted on the same day
BANK_STARTS = "2026-01-21T09:15"
AT = datetime(2026, 1, 21, 10, tzinfo=UTC)


@pytest.fixture
def bank(tmp_path: Path, db: None) -> Iterator[LoopbackBank]:
    with rails_in(tmp_path), LoopbackBank.start(at=BANK_STARTS) as running:
        running.fund(DEBTOR_ID, 100_000_000)
        yield running
    broken = [verdict for verdict in check_books() if not verdict.ok]
    assert not broken, broken


def seller_paid_at(iban: str, amount_minor: int = 10_000) -> Seller:
    seller = make_seller()
    make_payee(seller, number=iban)
    give_money(seller, amount_minor)
    return seller


def hand_over(bank: LoopbackBank, run: PayoutRun) -> None:
    """Be the connector: take what lies in the outbox to the bank."""
    from django.conf import settings

    outbox = settings.DATA_DIR / "bank-outbox"
    (outbox / "taken").mkdir(exist_ok=True)
    for file in RailFile.objects.filter(run=run):
        if (outbox / file.file_name).exists():
            (outbox / file.file_name).rename(outbox / "taken" / file.file_name)
        bank.send(bytes_of(file))


def take_in(bank: LoopbackBank, at: datetime = AT, only: str = "") -> list[BankFileResult]:
    return [
        import_bank_file(data=message.data, file_name=f"{message.id}.xml", actor=BANK, at=at) for message in bank.collect(only)
    ]


def statuses(run: PayoutRun) -> dict[str, int]:
    found: dict[str, int] = {}
    for status in Payout.objects.filter(run=run).values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found


def available(seller: Seller) -> int:
    return seller_buckets([seller.pk])[(seller.pk, "EUR")]["available"]


def bank_cash() -> int:
    return sum(balance(account.pk) for account in Account.objects.filter(code="bank.cash"))


def test_accept_settles_every_payout_and_the_cash_agrees_with_the_bank(bank: LoopbackBank):
    run = make_submitted_run(sellers=3)
    before = bank.account()["balance"]

    hand_over(bank, run)
    bank.advance(days=2)
    results = take_in(bank, AT + timedelta(days=2))

    assert statuses(run) == {"paid": 3}
    assert sum(result.applied.get("settled", 0) for result in results) == 3
    assert not any(result.unplaced for result in results)
    assert bank_cash() == bank.account()["balance"] - before == -30_000
    run.refresh_from_db()
    assert run.status == "completed"


def test_whatever_order_the_messages_come_in_the_books_end_the_same(bank: LoopbackBank):
    run = make_submitted_run(sellers=2)
    hand_over(bank, run)
    bank.advance(days=2)

    for message in reversed(bank.collect()):
        import_bank_file(data=message.data, file_name="x", actor=BANK, at=AT + timedelta(days=2))

    assert statuses(run) == {"paid": 2}
    assert bank_cash() == -20_000


def test_closed_account_rejects_one_payment_and_marks_the_payee(bank: LoopbackBank):
    closed = seller_paid_at(CLOSED_IBAN)
    run = make_submitted_run(sellers=1)

    hand_over(bank, run)
    take_in(bank)

    assert statuses(run) == {"failed": 1, "paid": 1}
    failed = Payout.objects.get(seller=closed)
    assert failed.status_code == "AC04"
    assert "closed" in failed.status_reason.lower()
    assert available(closed) == 10_000
    assert PayeeAccount.objects.get(seller=closed).status == "closed"
    assert RailFile.objects.get(run=run).state == "partly_accepted"


def test_a_payee_account_that_is_closed_is_never_paid_again(bank: LoopbackBank):
    from payouts.runs.operations import plan_run

    closed = seller_paid_at(CLOSED_IBAN)
    hand_over(bank, make_submitted_run())
    take_in(bank)

    plan = plan_run(on=AT.date() + timedelta(days=1), at=AT + timedelta(days=1))

    assert [(skip.external_id, skip.code) for skip in plan.skipped] == [(closed.external_id, "payee_not_usable")]


def test_bad_bank_id_asks_for_data(bank: LoopbackBank):
    lost = seller_paid_at(BAD_BANK_IBAN)

    hand_over(bank, make_submitted_run())
    take_in(bank)

    assert Payout.objects.get(seller=lost).status_code == "RC01"
    assert PayeeAccount.objects.get(seller=lost).status == "needs_data"


def test_insufficient_funds_gives_the_money_back_and_leaves_the_payees_alone(bank: LoopbackBank):
    bank.behave("insufficient-funds")
    bank.fund(DEBTOR_ID, 0)
    seller = make_payable_seller(10_000)
    run = make_submitted_run()

    hand_over(bank, run)
    take_in(bank)

    assert Payout.objects.get(seller=seller).status_code == "AM04"
    assert available(seller) == 10_000
    assert PayeeAccount.objects.get(seller=seller).status == "active"


def test_a_return_after_settlement_reverses_the_money_once(bank: LoopbackBank):
    bank.behave("return-later", days=3, reason="AC04")
    seller = make_payable_seller(10_000)
    run = make_submitted_run()

    hand_over(bank, run)
    bank.advance(days=2)
    take_in(bank, AT + timedelta(days=2))
    assert statuses(run) == {"paid": 1}
    bank.advance(days=6)
    results = take_in(bank, AT + timedelta(days=8))

    assert statuses(run) == {"returned": 1}
    assert sum(result.applied.get("returned", 0) for result in results) == 1
    assert available(seller) == 10_000
    assert bank_cash() == 0
    assert PayeeAccount.objects.get(seller=seller).status == "closed"


def test_reject_file_fails_every_payout_of_it(bank: LoopbackBank):
    bank.behave("reject-file")
    run = make_submitted_run(sellers=3)

    hand_over(bank, run)
    results = take_in(bank)

    assert statuses(run) == {"failed": 3}
    assert results[0].applied["rejected"] == 3
    assert RailFile.objects.get(run=run).state == "rejected"
    assert set(PayeeAccount.objects.values_list("status", flat=True)) == {"active"}


def test_duplicate_file_is_an_incident_and_reverses_nothing(bank: LoopbackBank):
    run = make_submitted_run(sellers=2)
    hand_over(bank, run)
    take_in(bank)

    hand_over(bank, run)
    (result,) = take_in(bank, only="pain.002")

    assert [line["code"] for line in result.unplaced] == ["seen_before_by_the_bank"]
    bank.advance(days=2)
    take_in(bank, AT + timedelta(days=2))
    assert statuses(run) == {"paid": 2}
    assert {bank.times_paid(order.end_to_end_id) for order in PaymentOrder.objects.all()} == {1}


def test_a_silent_bank_is_a_queue_and_the_statement_settles_all_the_same(bank: LoopbackBank):
    bank.behave("silent")
    run = make_submitted_run(sellers=2)

    hand_over(bank, run)
    assert not queries.silent_files(AT + timedelta(hours=1))
    assert [file.run_id for file in queries.silent_files(AT + timedelta(hours=30))] == [run.pk]
    bank.advance(days=2)
    take_in(bank, AT + timedelta(days=2))

    assert statuses(run) == {"paid": 2}


def test_a_statement_with_a_hole_is_noticed_and_waits_for_a_person(bank: LoopbackBank):
    bank.behave("statement-gap")
    run = make_submitted_run(sellers=2)

    hand_over(bank, run)
    bank.advance(days=2)
    results = take_in(bank, AT + timedelta(days=2))

    gaps = [line for result in results for line in result.unplaced if line["code"] == "statement_gap"]
    assert gaps
    assert gaps[0]["amount"]["amount_minor"] == 10_000
    assert statuses(run) == {"paid": 2}
    assert BankFileEntry.objects.filter(state="unplaced", owner="finance").count() == len(gaps)


def test_the_same_files_again_change_nothing(bank: LoopbackBank):
    run = make_submitted_run(sellers=2)
    hand_over(bank, run)
    bank.advance(days=2)
    messages = bank.collect()
    for message in messages:
        import_bank_file(data=message.data, file_name="x", actor=BANK, at=AT)
    booked = bank_cash()

    again = [import_bank_file(data=message.data, file_name="y", actor=BANK, at=AT) for message in messages]

    assert all(result.duplicate_file and not result.unplaced for result in again)
    assert bank_cash() == booked
