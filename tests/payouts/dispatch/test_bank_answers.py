"""Bank files: whole or not at all, once, matched by our own ids, and what nobody can place waits for a person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from backoffice.kit.errors import InputError
from payouts.bankfiles import UnreadableFile
from payouts.dispatch import queries
from payouts.dispatch.bank_answers import OtherAccount
from payouts.dispatch.models import BankFile, BankFileEntry, PaymentOrder, RailFile
from payouts.dispatch.operations import BankFileResult, EntryNotOpen, ReasonMissing, explain_entry, import_bank_file, reject
from payouts.ledger.models import Account, Posting
from payouts.ledger.queries import balance
from payouts.runs.models import Payout
from payouts.runs.operations import hold_payout
from payouts.sellers.models import PayeeAccount
from tests.factories import bank_messages as bank
from tests.factories.dispatch import BANK, SUBMIT_AT, SUBMITTER, make_submitted_run, orders_of
from tests.factories.runs import make_approved_run, make_checker

AT = SUBMIT_AT + timedelta(days=1)


def take_in(data: bytes, **over: str) -> BankFileResult:
    return import_bank_file(data=data, file_name="x.xml", actor=BANK, at=AT, **over)


def the_file() -> RailFile:
    return RailFile.objects.get()


def cash() -> int:
    return sum(balance(account.pk) for account in Account.objects.filter(code="bank.cash"))


def suspense() -> int:
    return sum(balance(account.pk) for account in Account.objects.filter(code="suspense"))


def test_a_debit_in_two_files_is_booked_once(rails: Path):
    (order,) = orders_of(make_submitted_run(sellers=1))
    line = bank.entry(10_000, order.end_to_end_id)

    first = take_in(bank.camt054([line]))
    second = take_in(bank.camt053([line], opening=50_000, closing=40_000))

    assert (first.applied["settled"], second.applied["settled"], second.unplaced) == (1, 0, [])
    assert Posting.objects.filter(template="payout_settled").count() == 1
    assert cash() == -10_000


def test_the_same_content_twice_is_a_no_op_and_so_is_the_same_message_written_otherwise(rails: Path):
    (order,) = orders_of(make_submitted_run(sellers=1))
    data = bank.camt054([bank.entry(10_000, order.end_to_end_id)])
    take_in(data)

    again, reformatted = take_in(data), take_in(data.replace(b"><Ntry", b">\n<Ntry"))

    assert again.duplicate_file
    assert reformatted.duplicate_file
    assert BankFile.objects.count() == 1


def test_one_debit_for_the_whole_file_settles_all_its_orders(rails: Path):
    make_submitted_run(sellers=3)

    result = take_in(bank.camt053([bank.entry(30_000, batch=the_file().message_id + "P")], opening=0, closing=-30_000))

    assert result.applied["settled"] == 3
    assert set(Payout.objects.values_list("status", flat=True)) == {"paid"}


def test_one_debit_for_what_was_not_rejected_of_a_file_settles_the_rest(rails: Path):
    orders = orders_of(make_submitted_run(sellers=3))
    take_in(bank.pain002(the_file().message_id, [(orders[0].end_to_end_id, "RJCT", "AC04")], group="PART"))

    result = take_in(bank.camt053([bank.entry(20_000, batch=the_file().message_id)], opening=0, closing=-20_000))

    assert result.applied["settled"] == 2
    assert sorted(Payout.objects.values_list("status", flat=True)) == ["failed", "paid", "paid"]


def test_a_batch_that_does_not_add_up_settles_nobody(rails: Path):
    make_submitted_run(sellers=3)

    result = take_in(bank.camt053([bank.entry(29_999, batch=the_file().message_id)], opening=0, closing=-29_999))

    assert [line["code"] for line in result.unplaced] == ["batch_does_not_add_up"]
    assert set(Payout.objects.values_list("status", flat=True)) == {"in_transit"}
    assert cash() == -29_999


def test_a_rejected_group_rejects_every_order_and_marks_no_payee(rails: Path):
    make_submitted_run(sellers=2)

    result = take_in(bank.pain002(the_file().message_id, group="RJCT", reason="FF01"))

    assert result.applied["rejected"] == 2
    assert set(Payout.objects.values_list("status", "status_code")) == {("failed", "FF01")}
    assert set(PayeeAccount.objects.values_list("status", flat=True)) == {"active"}


def test_a_return_before_anybody_told_of_the_debit_settles_first_and_then_reverses(rails: Path):
    (order,) = orders_of(make_submitted_run(sellers=1))

    take_in(bank.pacs004([(order.end_to_end_id, 10_000, "AC04")]))
    late = take_in(bank.camt054([bank.entry(10_000, order.end_to_end_id)]))
    credit = take_in(bank.camt054([bank.entry(10_000, order.end_to_end_id, credit=True, reason="AC04")]))

    assert Payout.objects.get().status == "returned"
    assert (late.unplaced, credit.unplaced) == ([], [])
    assert cash() == 0


def test_a_partial_return_is_left_to_a_person(rails: Path):
    (order,) = orders_of(make_submitted_run(sellers=1))
    take_in(bank.camt054([bank.entry(10_000, order.end_to_end_id)]))

    result = take_in(bank.pacs004([(order.end_to_end_id, 9_500, "AC04")]))

    assert [line["code"] for line in result.unplaced] == ["amount_differs"]
    assert Payout.objects.get().status == "paid"


def test_a_refusal_after_settlement_contradicts_and_waits_for_a_person(rails: Path):
    (order,) = orders_of(make_submitted_run(sellers=1))
    take_in(bank.camt054([bank.entry(10_000, order.end_to_end_id)]))

    result = take_in(bank.pain002(the_file().message_id, [(order.end_to_end_id, "RJCT", "AC04")], group="PART"))

    assert [line["code"] for line in result.unplaced] == ["contradicts_the_order"]
    assert Payout.objects.get().status == "paid"


def test_short_funds_hold_what_has_not_left_of_the_run(rails: Path):
    run = make_approved_run(sellers=2)
    waiting = Payout.objects.filter(run=run).order_by("pk")[0]
    hold_payout(payout_id=waiting.pk, actor=SUBMITTER, at=SUBMIT_AT, reason="later")
    from payouts.runs.operations import release_payout
    from tests.factories.dispatch import submit

    submit(run)
    release_payout(payout_id=waiting.pk, actor=SUBMITTER, at=SUBMIT_AT, reason="now")
    take_in(bank.pain002(the_file().message_id, group="RJCT", reason="AM04"))

    waiting.refresh_from_db()
    assert (waiting.status, waiting.status_code) == ("held", "AM04")


def test_money_nobody_can_explain_stands_in_suspense_until_a_person_explains_it(rails: Path):
    result = take_in(bank.camt053([bank.entry(4_200, credit=True)], opening=0, closing=4_200))

    assert [line["code"] for line in result.unplaced] == ["not_ours_by_any_reference"]
    assert (cash(), suspense()) == (4_200, -4_200)
    entry = queries.unplaced_entries().get()
    with pytest.raises(ReasonMissing):
        explain_entry(entry_id=entry.pk, reason=" ", actor=make_checker(), at=AT)
    explain_entry(entry_id=entry.pk, reason="interest of the bank", actor=make_checker(), at=AT)
    assert not queries.unplaced_entries().exists()
    with pytest.raises(EntryNotOpen):
        explain_entry(entry_id=entry.pk, reason="again", actor=make_checker(), at=AT)


def test_a_notification_of_something_unknown_moves_no_cash(rails: Path):
    take_in(bank.camt054([bank.entry(4_200, credit=True)]))

    assert cash() == 0
    assert queries.unplaced_entries().count() == 1


def test_a_statement_that_does_not_follow_the_one_before_is_noticed(rails: Path):
    from datetime import date

    take_in(bank.camt053([], opening=1_000, closing=1_000, on=date(2026, 1, 20)))

    result = take_in(bank.camt053([], opening=900, closing=900, on=date(2026, 1, 21)))

    assert [(line["code"], line["amount"]["amount_minor"]) for line in result.unplaced] == [("statement_gap", 100)]


def test_a_file_about_another_account_is_refused_when_the_account_was_named(rails: Path):
    with pytest.raises(OtherAccount):
        take_in(bank.camt053([], opening=0, closing=0), account_iban="DE89370400440532013000")
    assert not BankFile.objects.exists()


def test_a_report_on_a_file_nobody_sent_waits_for_a_person(rails: Path):
    result = take_in(bank.pain002("SOMEBODY-ELSES", group="ACCP"))

    assert [line["code"] for line in result.unplaced] == ["unknown_file"]


def test_five_hundred_damaged_files_book_nothing(rails: Path):
    orders = orders_of(make_submitted_run(sellers=3))
    whole = [
        bank.camt053([bank.entry(10_000, order.end_to_end_id) for order in orders], opening=0, closing=-30_000),
        bank.pain002(the_file().message_id, [(order.end_to_end_id, "RJCT", "AC04") for order in orders], group="RJCT"),
        bank.pacs004([(order.end_to_end_id, 10_000, "AC04") for order in orders]),
    ]
    damaged = [data[: len(data) * part // 170] for data in whole for part in range(1, 168)]

    for data in damaged:
        with pytest.raises(InputError):
            take_in(data)

    assert len(damaged) >= 500
    assert not BankFile.objects.exists()
    assert set(Payout.objects.values_list("status", flat=True)) == {"in_transit"}


def test_bombs_and_entities_are_refused(rails: Path):
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><Document>&a;</Document>'

    with pytest.raises(UnreadableFile):
        take_in(bomb)


def test_a_bank_that_answers_before_we_recorded_the_hand_over_is_believed(rails: Path):
    from payouts.dispatch import files
    from payouts.dispatch.submitting import _release

    run = make_approved_run(sellers=1)
    _release(run_id=run.pk, actor=SUBMITTER, at=SUBMIT_AT)
    files.build_files(run_id=run.pk, actor=SUBMITTER, at=SUBMIT_AT)
    order = PaymentOrder.objects.get()
    assert the_file().state == "built"

    take_in(bank.camt054([bank.entry(10_000, order.end_to_end_id)]))

    assert the_file().state == "handed_over"
    assert Payout.objects.get().status == "paid"


def test_every_line_of_a_file_is_kept_with_what_became_of_it(rails: Path):
    orders = orders_of(make_submitted_run(sellers=2))
    take_in(bank.camt054([bank.entry(10_000, orders[0].end_to_end_id), bank.entry(77, credit=True)]))

    kept = BankFileEntry.objects.order_by("position").values_list("state", "outcome", "owner")
    assert list(kept) == [("applied", "settled", ""), ("unplaced", "not_ours_by_any_reference", "finance")]


def test_an_order_may_be_rejected_by_hand_after_an_incident(rails: Path):
    (order,) = orders_of(make_submitted_run(sellers=1))
    take_in(bank.pain002(the_file().message_id, group="RJCT", reason="DUPL"))
    assert Payout.objects.get().status == "in_transit"

    reject(order_id=order.pk, code="FF01", actor=make_checker(), at=AT, reason="the bank confirms it paid nothing")

    assert Payout.objects.get().status == "failed"
