"""A bank's messages come late, twice and in the wrong order: whatever the order, the same payouts, the same money, nothing twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from backoffice.kit.invariants import check_books
from payouts.dispatch.models import BankFileEntry, PaymentOrder
from payouts.dispatch.operations import import_bank_file
from payouts.dispatch.stored import bytes_of
from payouts.ledger.models import Account, Posting
from payouts.ledger.queries import balance, seller_buckets
from payouts.runs.models import Payout
from payouts.sellers.models import PayeeAccount, Seller
from tests.factories.bank import CLOSED_IBAN, DEBTOR_ID, BankMessage, LoopbackBank
from tests.factories.dispatch import BANK, make_submitted_run, orders_of, rails_in
from tests.factories.runs import give_money, make_payable_seller
from tests.factories.sellers import make_payee, make_seller

pytestmark = pytest.mark.django_db
AT = datetime(2026, 2, 2, 10, tzinfo=UTC)
ORDERS_TRIED = 12
FUNDS = 100_000_000


@pytest.fixture
def messages(tmp_path: Path) -> Iterator[tuple[list[BankMessage], int]]:
    """What the bank says about one file: three paid, one refused, one of the three sent back; and by how much its balance moved."""
    with rails_in(tmp_path), LoopbackBank.start(at="2026-01-21T09:15") as bank:
        bank.fund(DEBTOR_ID, FUNDS)
        for amount in (10_000, 20_000, 40_000):
            make_payable_seller(amount)
        closed = make_seller()
        make_payee(closed, number=CLOSED_IBAN)
        give_money(closed, 80_000)
        run = make_submitted_run()
        back = orders_of(run)[1]
        bank.behave("return-later", days=2, reason="AC04", end_to_end_id=back.end_to_end_id)
        bank.send(bytes_of(run.files.get()))
        bank.report()
        bank.advance(days=7)
        found = [message for message in bank.collect() if message.account in (None, DEBTOR_ID)]
        yield found, bank.account()["balance"] - FUNDS


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def read(sequence: list[BankMessage]) -> None:
    for number, message in enumerate(sequence):
        import_bank_file(data=message.data, file_name=f"{number}.xml", actor=BANK, at=AT + timedelta(minutes=number))


def outcome() -> dict[str, Any]:
    """What must not depend on the order. Gaps between statements are left out: a statement that is not there yet is a gap until it comes."""
    cash = {account.holder: balance(account.pk) for account in Account.objects.filter(code__startswith="bank.")}
    waiting = BankFileEntry.objects.filter(state="unplaced").exclude(kind="gap")
    return {
        "payouts": list(Payout.objects.order_by("pk").values_list("status", "status_code")),
        "orders": list(PaymentOrder.objects.order_by("pk").values_list("status", flat=True)),
        "payees": list(PayeeAccount.objects.order_by("pk").values_list("status", flat=True)),
        "buckets": seller_buckets(list(Seller.objects.values_list("pk", flat=True))),
        "cash": {holder: amount for holder, amount in cash.items() if amount},
        "suspense": sum(balance(account.pk) for account in Account.objects.filter(code="suspense")),
        "waiting": list(waiting.values_list("line_ref", "outcome")),
        "postings": Posting.objects.count(),
    }


def test_messages_in_any_order_and_any_number_of_times_end_in_the_same_books(messages: tuple[list[BankMessage], int]) -> None:
    arrived, moved = messages
    assert {message.type.split(".")[0] + "." + message.type.split(".")[1] for message in arrived} >= {
        "pain.002",
        "camt.054",
        "camt.053",
        "pacs.004",
    }
    before = outcome()
    with taken_back():
        read(arrived)
        expected = outcome()
    assert [status for status, _ in expected["payouts"]] == ["paid", "returned", "paid", "failed"]
    assert (sum(expected["cash"].values()), expected["suspense"], expected["waiting"]) == (moved, before["suspense"], [])

    chance = random.Random(7)
    for _ in range(ORDERS_TRIED):
        sequence = [*arrived, *chance.choices(arrived, k=4)]
        chance.shuffle(sequence)
        with taken_back():
            read(sequence)
            told = [message.type for message in sequence]
            assert outcome() == expected, told
            red = {verdict.name: verdict.rows for verdict in check_books() if not verdict.ok}
            assert red == {}, told
