"""Banks that say things twice, take things back, or speak of accounts that are not ours: no money is lost and none is made."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import override_settings

from backoffice.checks import own_accounts_are_told_apart
from backoffice.kit.failpoints import hook
from payouts.dispatch.models import PaymentOrder, RailFile
from payouts.dispatch.operations import import_bank_file, sweep
from payouts.ledger.models import Account
from payouts.ledger.queries import balance, seller_buckets
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import cancel_payout, expire_runs, hold_payout, release_payout
from payouts.sellers.models import Seller
from payouts.sellers.operations import set_seller_status
from tests.factories.dispatch import BANK, SUBMIT_AT, SUBMITTER, make_submitted_run, orders_of, submit
from tests.factories.runs import AT, give_money, make_approved_run, make_payable_seller, make_run
from tests.payouts.bankfiles.samples import (
    OUR_IBAN,
    camt,
    details,
    entry,
    pacs004,
    pain002,
    return_line,
    status_line,
    transaction,
)

LATER = SUBMIT_AT + timedelta(days=1)


def tell(data: bytes, **over):
    return import_bank_file(data=data, file_name="x.xml", actor=BANK, at=LATER, **over)


def booked(order, direction="DBIT", *, reference, number, amount="100.00", returned="", kind="camt.053"):
    line = entry(
        amount,
        direction,
        reference=reference,
        details=details(transaction(order.end_to_end_id, amount=amount, returned=returned)),
    )
    return camt(line, kind=kind, number=number)


def cash(holder: str = "NL41****0001") -> int:
    account = Account.objects.filter(code="bank.cash", holder=holder).first()
    return balance(account.pk) if account else 0


def cash_everywhere() -> int:
    return sum(balance(account.pk) for account in Account.objects.filter(code="bank.cash"))


def suspense() -> int:
    account = Account.objects.filter(code="suspense", currency="EUR").first()
    return balance(account.pk) if account else 0


def only(run):
    (order,) = orders_of(run)
    return order


def status(order):
    return PaymentOrder.objects.get(pk=order.pk).status


def test_the_same_booking_by_camt_054_and_053_settles_once(rails: Path):
    order = only(make_submitted_run(sellers=1))

    tell(booked(order, reference="B1", number=1, kind="camt.054"))
    tell(booked(order, reference="B1", number=2))

    assert status(order) == "completed"
    assert cash() == -10_000


def test_a_payment_the_bank_debits_twice_is_seen(rails: Path):
    order = only(make_submitted_run(sellers=1))
    before = suspense()

    tell(booked(order, reference="B1", number=1))
    again = tell(booked(order, reference="B2", number=2))

    assert [line["code"] for line in again.unplaced] == ["booked_twice"]
    assert cash() == -20_000, "the bank took it twice, and the books say so"
    assert suspense() - before == 10_000


def test_a_payment_the_bank_debits_twice_in_one_statement_is_seen(rails: Path):
    order = only(make_submitted_run(sellers=1))

    lines = "".join(
        entry("100.00", reference=ref, details=details(transaction(order.end_to_end_id, amount="100.00"))) for ref in ("B1", "B2")
    )
    result = tell(camt(lines, number=1))

    assert [line["code"] for line in result.unplaced] == ["booked_twice"]
    assert cash() == -20_000


def test_a_return_the_bank_takes_back_is_seen(rails: Path):
    order = only(make_submitted_run(sellers=1))
    tell(booked(order, reference="B1", number=1))
    tell(booked(order, "CRDT", reference="B2", number=2, returned="AC04"))

    result = tell(booked(order, reference="B3", number=3))

    assert result.unplaced, "the bank debited it a second time"
    assert cash() == -10_000


def test_the_same_line_in_a_longer_statement_is_no_second_debit(rails: Path):
    order = only(make_submitted_run(sellers=1))
    tell(booked(order, reference="B1", number=1))

    result = tell(booked(order, reference="B1", number=2))

    assert not result.unplaced
    assert cash() == -10_000


def test_a_credit_on_an_account_that_is_not_ours_returns_nothing(rails: Path):
    order = only(make_submitted_run(sellers=1))
    tell(booked(order, reference="B1", number=1))
    seller = order.payout.seller_id

    stranger = booked(order, "CRDT", reference="B2", number=2).replace(OUR_IBAN.encode(), b"NL30MOCK0000000005")
    result = tell(stranger)

    assert status(order) == "completed"
    assert seller_buckets([seller])[(seller, "EUR")]["available"] == 0
    assert [line["code"] for line in result.unplaced] == ["not_our_account"]
    assert cash() == -10_000


SECOND = "DE89370400440532013000"


@pytest.mark.parametrize("named", [SECOND, "37040044/0532013000", "370400440532013000EUR", "0532013000"])
def test_a_second_account_of_ours_is_booked_apart_however_its_bank_names_it(rails: Path, named: str):
    order = only(make_submitted_run(sellers=1))
    statement = booked(order, reference="B1", number=1).replace(OUR_IBAN.encode(), named.encode())
    if named != SECOND:
        statement = statement.replace(f"<IBAN>{named}</IBAN>".encode(), f"<Othr><Id>{named}</Id></Othr>".encode())

    with override_settings(PLATFORM_ACCOUNTS=["DE89 3704 0044 0532 0130 00"]):
        assert not tell(statement).unplaced

    assert status(order) == "completed"
    assert (cash("DE89****3000"), cash()) == (-10_000, 0)


def test_an_account_nobody_named_as_ours_moves_nothing_whatever_it_is_called(rails: Path):
    order = only(make_submitted_run(sellers=1))
    for number, named in enumerate(["0532013000", "13000", "GB29NWBK60161331926819"], 1):
        statement = booked(order, reference=f"B{number}", number=number).replace(OUR_IBAN.encode(), named.encode())
        other = statement.replace(f"<IBAN>{named}</IBAN>".encode(), f"<Othr><Id>{named}</Id></Othr>".encode())
        with override_settings(PLATFORM_ACCOUNTS=["DE02120300000000202051", "ES9121000418450200013000"]):
            assert [line["code"] for line in tell(other).unplaced] == ["not_our_account"]

    assert (status(order), cash()) == ("sent", 0)


def test_own_accounts_that_the_books_would_name_alike_are_refused_at_the_start():
    assert own_accounts_are_told_apart() == []
    with override_settings(PLATFORM_IBAN=SECOND, PLATFORM_ACCOUNTS=["DE89370400440000003000"]):
        assert [one.id for one in own_accounts_are_told_apart()] == ["backoffice.E002"]


def test_a_pacs_004_brings_the_money_back_to_the_account_it_left(rails: Path):
    order = only(make_submitted_run(sellers=1))
    tell(booked(order, reference="B1", number=1))

    line = return_line(order.end_to_end_id, "100.00").replace("95.04", "100.00")
    tell(pacs004(line))
    tell(booked(order, "CRDT", reference="B2", number=2, returned="AC04"))

    assert status(order) == "returned"
    assert cash() == 0
    assert cash_everywhere() == 0


def test_two_payments_of_one_dead_seller_come_back_in_one_file(rails: Path):
    seller = make_payable_seller(10_000)
    first = only(make_submitted_run())
    tell(booked(first, reference="B1", number=1))
    give_money(seller, 10_000)
    later = make_approved_run(at=LATER, on=LATER.date())
    submit(later, at=LATER + timedelta(minutes=10))
    second = only(later)
    tell(booked(second, reference="B2", number=2))

    lines = "".join(
        entry(
            "100.00", "CRDT", reference=ref, details=details(transaction(order.end_to_end_id, amount="100.00", returned="MD07"))
        )
        for ref, order in (("B3", first), ("B4", second))
    )
    tell(camt(lines, number=3))

    assert (status(first), status(second)) == ("returned", "returned")
    assert Seller.objects.get(pk=seller.pk).status == "blocked"
    assert seller_buckets([seller.pk])[(seller.pk, "EUR")]["available"] == 20_000


@pytest.mark.parametrize("amount", ["99.99", "100.01", "0.01"])
def test_another_amount_under_our_id_settles_nothing(rails: Path, amount: str):
    order = only(make_submitted_run(sellers=1))

    result = tell(booked(order, reference="B1", number=1, amount=amount))

    assert status(order) == "sent"
    assert [line["code"] for line in result.unplaced] == ["amount_differs"]


def test_details_without_amounts_must_make_up_the_booking(rails: Path):
    first, second = orders_of(make_submitted_run(sellers=2))
    both = details(transaction(first.end_to_end_id), transaction(second.end_to_end_id))

    result = tell(camt(entry("150.00", reference="B1", details=both), number=1))

    assert (status(first), status(second)) == ("sent", "sent")
    assert result.unplaced
    assert cash() == -15_000


def test_a_refusal_after_the_booking_moves_nothing(rails: Path):
    order = only(make_submitted_run(sellers=1))
    file = RailFile.objects.get()
    tell(booked(order, reference="B1", number=1))

    report = pain002(lines=status_line(order.end_to_end_id, "RJCT", "AC04")).replace(b">F1<", f">{file.message_id}<".encode())
    result = tell(report)

    assert status(order) == "completed"
    assert [line["code"] for line in result.unplaced] == ["contradicts_the_order"]


def test_a_booking_after_a_refusal_stands_in_suspense(rails: Path):
    order = only(make_submitted_run(sellers=1))
    file = RailFile.objects.get()
    before = suspense()
    tell(pain002(lines=status_line(order.end_to_end_id, "RJCT", "AC04")).replace(b">F1<", f">{file.message_id}<".encode()))

    result = tell(booked(order, reference="B1", number=1))

    assert status(order) == "rejected"
    assert [line["code"] for line in result.unplaced] == ["contradicts_the_order"]
    assert (cash(), suspense() - before) == (-10_000, 10_000)


# --- files left behind


class Killed(Exception):
    """Stands for a process that died."""


def left_behind(run: PayoutRun) -> None:
    """Submit, and die before the files are built."""

    def die() -> None:
        raise Killed

    hook("submit_released", die)
    try:
        with pytest.raises(Killed):
            submit(run)
    finally:
        hook("submit_released", None)


def test_a_seller_blocked_before_the_sweeper_builds_the_file_is_not_in_it(rails: Path):
    blocked, fine = make_payable_seller(1_000), make_payable_seller(2_000)
    run = make_approved_run()
    left_behind(run)
    set_seller_status(seller_id=blocked.pk, to="blocked", actor=SUBMITTER, at=LATER, reason="found on a list")

    sweep(at=LATER)

    assert Payout.objects.get(seller=blocked).status == "held"
    assert Payout.objects.get(seller=fine).status == "in_transit"
    assert RailFile.objects.get().orders_count == 1


def test_a_file_is_not_built_under_an_expired_approval(rails: Path):
    run = make_approved_run(sellers=1)
    left_behind(run)

    sweep(at=SUBMIT_AT + timedelta(days=31))

    assert not RailFile.objects.exists()
    assert Payout.objects.get().status == "held"


def test_a_payout_cancelled_before_its_file_is_built_never_leaves(rails: Path):
    run = make_approved_run(sellers=2)
    left_behind(run)
    payout = Payout.objects.first()
    cancel_payout(payout_id=payout.pk, actor=SUBMITTER, at=LATER, reason="not now")

    sweep(at=LATER)

    assert RailFile.objects.get().orders_count == 1
    payout.refresh_from_db()
    assert payout.status == "canceled"


def test_a_payout_released_too_late_does_not_keep_its_money_for_ever(rails: Path):
    first, _ = make_payable_seller(1_000), make_payable_seller(2_000)
    run = make_approved_run()
    held = Payout.objects.get(seller=first)
    hold_payout(payout_id=held.pk, actor=SUBMITTER, at=SUBMIT_AT, reason="wait")
    submit(run)
    release_payout(payout_id=held.pk, actor=SUBMITTER, at=SUBMIT_AT, reason="fine")

    expire_runs(at=AT + timedelta(days=31), actor=BANK)

    held.refresh_from_db()
    assert held.status == "expired"
    assert seller_buckets([first.pk])[(first.pk, "EUR")]["available"] == 1_000


def test_submitting_a_run_that_waits_is_refused(rails: Path):
    from payouts.dispatch.last_gate import RunNotApproved

    with pytest.raises(RunNotApproved):
        submit(make_run(sellers=1))
