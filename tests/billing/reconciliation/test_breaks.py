"""A break is closed by facts, or by a correction that two people agree on; by nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from backoffice.kit.actors import Actor, staff
from backoffice.kit.approvals import ApproverIsMaker, ContentChanged
from backoffice.kit.invariants import check_books
from billing.reconciliation.breaks import BreakNotOpen, DifferenceUnnamed, LineNotLoose, NothingToCorrect, ReasonMissing
from billing.reconciliation.models import Break, DifferenceLine, StagedLine
from billing.reconciliation.operations import (
    approve_break_correction,
    explain_break,
    refuse_break_correction,
    request_break_correction,
    take_break,
)
from payouts.ledger.models import Posting
from payouts.ledger.queries import trial_balance
from tests.factories.reconciliation import AT, Balance, bank, book, fetch, match
from tests.factories.sellers import make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> tuple[Actor, Actor]:
    return staff(make_staff("finance").pk), staff(make_staff("lead").pk)


def balances() -> dict[str, int]:
    return {row["code"]: row["signed_minor"] for row in trial_balance() if row["signed_minor"]}


def alone(amount: int = 5_000) -> Break:
    """Return the break of a charge that we did not book."""
    balance = Balance()
    balance.add("charge", amount, reference="order-1")
    fetch(balance)
    match()
    return Break.objects.get(state="open", reference="order-1")


def ask(found: Break, kind: str, maker: Actor, **more: object) -> Break:
    return request_break_correction(break_id=found.pk, kind=kind, reason="Seen in their report.", actor=maker, at=AT, **more)  # type: ignore[arg-type]


def test_a_write_off_is_booked_when_another_person_agrees(people, clean_books):
    maker, checker = people
    found = alone()
    take_break(break_id=found.pk, actor=maker, at=AT)
    explain_break(break_id=found.pk, reason="A goodwill payment of the provider.", actor=maker, at=AT)
    ask(found, "write_off", maker)
    with pytest.raises(ApproverIsMaker):
        approve_break_correction(break_id=found.pk, actor=maker, at=AT)
    assert balances() == {}

    done = approve_break_correction(break_id=found.pk, actor=checker, at=AT)

    assert (done.state, done.owner, done.corrected_by, done.approved_by) == ("corrected", str(maker), str(maker), str(checker))
    assert balances() == {"psp.clearing": 5_000, "expense.write_off": -5_000}
    assert [(d.kind, d.amount_minor, bool(d.approval)) for d in DifferenceLine.objects.all()] == [("write_off", 5_000, True)]
    assert StagedLine.objects.get().state == "matched"
    assert {(p.actor, p.approver) for p in Posting.objects.all()} == {(str(maker), str(checker))}
    match(day=9)
    assert StagedLine.objects.count() == 1


def test_a_forced_match_names_what_is_left_over_and_closes_every_break_of_its_lines(people, clean_books):
    maker, checker = people
    found = alone(5_000)
    book("elsewhere", 5_200)
    match(day=4)
    ours = StagedLine.objects.get(source="ledger")
    assert Break.objects.filter(state="open").count() == 2
    with pytest.raises(DifferenceUnnamed):
        ask(found, "force", maker, line_ids=[ours.pk])

    ask(found, "force", maker, line_ids=[ours.pk], difference="fee")
    approve_break_correction(break_id=found.pk, actor=checker, at=AT + timedelta(days=4))

    assert balances() == {"psp.clearing": 5_000, "expense.psp_fee": 200, "revenue.commission": -5_200}
    assert set(Break.objects.values_list("state", flat=True)) == {"corrected", "cleared"}
    assert set(StagedLine.objects.values_list("state", flat=True)) == {"matched"}


def test_an_unexplained_bank_line_is_written_off_out_of_suspense(people, clean_books):
    maker, checker = people
    bank([(-1_250, "FEE1", "account fee", 0)])
    match()
    assert balances() == {"bank.cash": -1_250, "suspense": 1_250}
    found = Break.objects.get()

    ask(found, "write_off", maker)
    approve_break_correction(break_id=found.pk, actor=checker, at=AT)

    assert balances() == {"bank.cash": -1_250, "expense.write_off": 1_250}


def test_a_mismatch_of_a_group_is_written_off_by_its_difference_only(people, clean_books):
    maker, checker = people
    balance = Balance()
    balance.add("charge", 990, reference="order-2")
    book("order-2", 1_000)
    fetch(balance)
    match(day=3)
    found = Break.objects.get()

    ask(found, "write_off", maker)
    approve_break_correction(break_id=found.pk, actor=checker, at=AT)

    assert balances() == {"psp.clearing": 990, "expense.write_off": 10, "revenue.commission": -1_000}


def test_a_line_told_by_mistake_is_void_and_nothing_is_booked(people, clean_books):
    maker, checker = people
    found = alone()
    ask(found, "void", maker)
    approve_break_correction(break_id=found.pk, actor=checker, at=AT)

    assert (StagedLine.objects.get().state, balances()) == ("void", {})


def test_what_the_bank_moved_is_never_void(people):
    bank([(700, "X", "who knows", 0)])
    match()
    with pytest.raises(NothingToCorrect):
        ask(Break.objects.get(), "void", people[0])


def test_an_approval_is_about_the_amounts_that_were_shown(people):
    maker, checker = people
    balance = Balance()
    balance.add("charge", 900, reference="order-3")
    book("order-3", 1_000)
    fetch(balance)
    match(day=3)
    found = ask(Break.objects.get(), "write_off", maker)
    balance.add("charge", 50, reference="order-3", day=3)
    fetch(balance)
    match(day=6)

    with pytest.raises(ContentChanged):
        approve_break_correction(break_id=found.pk, actor=checker, at=AT)


def test_a_refused_correction_leaves_the_break_open_and_a_closed_one_is_not_worked_on(people):
    maker, checker = people
    found = ask(alone(), "write_off", maker)
    again = refuse_break_correction(break_id=found.pk, actor=checker, at=AT, reason="Look once more.")
    assert (again.state, again.wanted) == ("open", {})

    ask(again, "void", maker)
    approve_break_correction(break_id=found.pk, actor=checker, at=AT)
    with pytest.raises(BreakNotOpen):
        take_break(break_id=found.pk, actor=maker, at=AT)


def test_requests_that_make_no_sense_are_refused(people):
    maker, _ = people
    found = alone()
    with pytest.raises(ReasonMissing):
        request_break_correction(break_id=found.pk, kind="void", reason="  ", actor=maker, at=AT)
    with pytest.raises(LineNotLoose):
        ask(found, "force", maker, line_ids=[found.line_id])
    with pytest.raises(LineNotLoose):
        ask(found, "force", maker, line_ids=[10**12])
    with pytest.raises(DifferenceUnnamed):
        ask(found, "force", maker)
    with pytest.raises(NothingToCorrect):
        ask(found, "force", maker, difference="fee")


# --- the database itself ---------------------------------------------------------------------------------------------------

FORBIDDEN = {
    "a break corrected without two people": "UPDATE billing_break SET state = 'corrected'",
    "a staged fact changed": "UPDATE billing_stagedline SET amount_minor = amount_minor + 1",
    "a staged fact deleted": "DELETE FROM billing_stagedline",
    "a break deleted": "DELETE FROM billing_break",
    "a write-off without an approval": """INSERT INTO billing_differenceline (group_id, leg, kind, amount_minor, currency, posting_id, approval, created_at)
        SELECT g.id, 'clearing', 'write_off', 1, 'EUR', p.id, 'apr_no', now() FROM billing_matchgroup g, payouts_posting p LIMIT 1""",
    "a line taken out of its match": "UPDATE billing_stagedline SET group_id = NULL, state = 'staged' WHERE group_id IS NOT NULL",
    "a matched line without a match": "UPDATE billing_stagedline SET state = 'matched' WHERE group_id IS NULL",
}


@pytest.mark.parametrize("sql", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_database_refuses(sql):
    alone()
    balance = Balance()
    balance.add("charge", 100, reference="order-9")
    book("order-9", 100)
    fetch(balance)
    match()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


PLANTED = {
    "their_lines_are_matched_or_broken": "UPDATE billing_break SET state = 'cleared'",
    "bank_lines_are_staged": """ALTER TABLE billing_stagedline DISABLE TRIGGER USER;
        UPDATE billing_stagedline SET bank_entry_id = NULL WHERE source = 'bank';
        ALTER TABLE billing_stagedline ENABLE TRIGGER USER""",
    "matches_add_up": """ALTER TABLE billing_stagedline DISABLE TRIGGER USER;
        UPDATE billing_stagedline SET amount_minor = amount_minor + 1 WHERE state = 'matched' AND side = 'ours';
        ALTER TABLE billing_stagedline ENABLE TRIGGER USER""",
    "matched_lines_have_matches": "UPDATE billing_stagedline SET state = 'needs_review' WHERE state = 'matched' AND side = 'ours'",
    "corrections_have_two_people": """ALTER TABLE billing_break DISABLE TRIGGER USER; UPDATE billing_break SET state = 'corrected';
        ALTER TABLE billing_break ENABLE TRIGGER USER""",
}


@pytest.mark.parametrize(("name", "sql"), PLANTED.items(), ids=PLANTED.keys())
def test_planted_corruption_is_named(name, sql):
    alone()
    balance = Balance()
    balance.add("charge", 100, reference="order-9")
    book("order-9", 100)
    fetch(balance)
    bank([(700, "X", "who knows", 0)])
    match()
    assert [verdict.name for verdict in check_books({11}) if not verdict.ok] == []
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)

    assert name in [verdict.name for verdict in check_books({11}) if not verdict.ok]
