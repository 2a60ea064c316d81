"""Building a run: money aside, lines frozen, one open payout, the same key the same run, and a database that believes nobody."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

import payouts.runs
from backoffice.kit.approvals import Approval, request_approval
from backoffice.kit.idempotency import KeyReused
from backoffice.kit.outbox import Event
from backoffice.kit.states import timeline
from backoffice.staff.models import AuditEntry
from payouts.ledger.models import Posting
from payouts.ledger.operations import Draft, post
from payouts.ledger.queries import seller_buckets
from payouts.ledger.templates import seller as bucket
from payouts.runs.building import NothingToPay, NotPayable
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import build_payout, build_run, cancel_payout
from payouts.runs.queries import lines_total, payout_lines
from payouts.runs.states import PAYOUT
from tests.factories.partners import make_partner
from tests.factories.runs import AT, MAKER, ON, give_money, make_approved_run, make_payable_seller, make_payout, make_run

pytestmark = pytest.mark.django_db


def buckets_of(seller, currency="EUR"):
    found = seller_buckets([seller.pk])[(seller.pk, currency)]
    return found["available"], found["in_payout"]


def test_a_built_run_takes_the_money_aside_and_waits_for_approval():
    seller = make_payable_seller(12_345)

    run = make_run()

    payout = Payout.objects.get(run=run)
    assert (payout.seller_id, payout.amount_minor, payout.status, payout.rail) == (seller.pk, 12_345, "needs_approval", "sepa")
    assert buckets_of(seller) == (0, 12_345)
    assert (run.payouts_count, run.totals, run.status) == (1, {"EUR": 12_345}, "needs_approval")
    assert payout.reference == "PAYOUT " + payout.public_id.removeprefix("pay_").upper()
    assert [change.to_state for change in timeline(PAYOUT, payout.pk)] == ["needs_approval"]


def test_the_approver_is_shown_what_the_run_holds():
    make_payable_seller(12_345)

    run = make_run()

    asked = Approval.objects.get(subject=run.public_id)
    assert asked.shown == {"run_on": "2026-01-21", "payouts": 1, "skipped": 0, "totals": {"EUR": 12_345}, "difference": None}
    assert (asked.content_hash, asked.maker) == (run.content_hash, str(MAKER))
    assert AuditEntry.objects.filter(action="build_run", subject=run.public_id).exists()


def test_the_bookings_are_those_the_ledger_would_make_itself():
    seller = make_payable_seller(500)
    payout = Payout.objects.get(run=make_run())
    legs = [bucket("available", seller.pk, "EUR", 500), bucket("in_payout", seller.pk, "EUR", -500)]

    again = post(drafts=[Draft("payout_built", payout.public_id, legs, "payout", payout.pk)], actor=MAKER, at=AT)

    assert again[0].replayed
    assert Posting.objects.filter(template="payout_built").count() == 1


def test_the_same_key_answers_the_same_run():
    make_payable_seller()
    first = build_run(on=ON, at=AT, actor=MAKER, key="k1")

    assert build_run(on=ON, at=AT + timedelta(minutes=1), actor=MAKER, key="k1").pk == first.pk
    with pytest.raises(KeyReused):
        build_run(on=ON + timedelta(days=1), at=AT, actor=MAKER, key="k1")


def test_a_second_run_pays_nobody_twice():
    make_payable_seller()
    make_run()

    with pytest.raises(NothingToPay):
        make_run()


def test_money_that_comes_after_the_build_is_in_the_next_payout():
    seller = make_payable_seller(1_000)
    first = Payout.objects.get(run=make_run())
    give_money(seller, 300)
    cancel_payout(payout_id=first.pk, actor=MAKER, at=AT, reason="test")

    second = Payout.objects.get(run=make_run())

    assert [line.amount_minor for line in payout_lines(first)] == [1_000]
    assert [line.amount_minor for line in payout_lines(second)] == [300, 1_000]
    assert second.amount_minor == lines_total(payout_lines(second)) == 1_300
    assert second.lines_after_entry_id == first.built_entry_id


def test_a_partner_is_told_of_his_sellers_payouts_only():
    partner = make_partner()
    make_payable_seller(partner_id=partner.pk)
    make_payable_seller()

    make_run()

    (told,) = Event.objects.filter(type="payout.created")
    assert (told.partner_id, told.payload["amount_minor"]) == (partner.pk, 10_000)


# --- on request


def test_a_seller_on_request_gets_a_run_of_one_that_waits_for_approval():
    seller = make_payable_seller(schedule="manual")
    make_payable_seller()

    payout = build_payout(seller_id=seller.pk, currency="EUR", actor=MAKER, key="p1", at=AT)

    assert (payout.run.kind, payout.run.payouts_count, payout.status) == ("single", 1, "needs_approval")
    assert build_payout(seller_id=seller.pk, currency="EUR", actor=MAKER, key="p1", at=AT).pk == payout.pk


def test_who_cannot_be_paid_on_request_is_told_why():
    seller = make_payable_seller(status="created")

    with pytest.raises(NotPayable, match="a requirement is not met") as refused:
        build_payout(seller_id=seller.pk, currency="EUR", actor=MAKER, key="p1", at=AT)

    assert refused.value.facts["skip_code"] == "requirements_due"
    assert not PayoutRun.objects.exists()


# --- the database believes nobody


def tamper(sql: str, **params) -> str:
    """Run SQL as somebody past the verbs would; return the refusal."""
    with pytest.raises(IntegrityError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)
    return str(refused.value)


COPY = """
    INSERT INTO payouts_payout (public_id, run_id, seller_id, payee_account_id, currency, amount_minor, rail, instant, status, status_code,
        status_reason, available_account_id, lines_after_entry_id, lines_upto_entry_id, built_entry_id, brought_forward_minor,
        carried_forward_minor, maker, checker, reference, built_at, changed_at)
    SELECT 'pay_forged', run_id, seller_id, payee_account_id, currency, {amount}, rail, instant, '{status}', '', '', available_account_id,
        {after}, {upto}, {built}, {brought}, 0, maker, '', 'forged', built_at, changed_at
      FROM payouts_payout WHERE id = %(id)s"""
SAME = {"amount": "amount_minor", "status": "needs_approval", "after": "lines_after_entry_id", "upto": "lines_upto_entry_id",
        "built": "built_entry_id", "brought": "0"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({}, "payout_lines_do_not_overlap"),
        ({"status": "approved", "after": "built_entry_id"}, "is not born booked and waiting"),
        ({"built": "NULL", "after": "built_entry_id"}, "is not born booked and waiting"),
        ({"amount": "amount_minor + 1", "after": "built_entry_id"}, "that is not its own"),
        ({"after": "lines_upto_entry_id - 1"}, "do not follow the previous payout"),
        ({"after": "built_entry_id", "upto": "built_entry_id + 1"}, "do not add up"),
        (
            {"after": "built_entry_id", "brought": "amount_minor", "upto": "built_entry_id - 1"},
            "do not follow the previous payout",
        ),
    ],
)
def test_a_payout_that_is_not_its_lines_is_refused(change, refusal):
    payout = make_payout(approved=False)
    cancel_payout(payout_id=payout.pk, actor=MAKER, at=AT, reason="so that another may be open")

    assert refusal in tamper(COPY.format(**(SAME | change)), id=payout.pk)


@pytest.mark.parametrize("change", ["amount_minor = amount_minor + 1", "lines_upto_entry_id = lines_upto_entry_id + 1", "rail = 'other'",
                                    "currency = 'USD'", "payee_account_id = payee_account_id + 1", "maker = 'staff:7'"])  # fmt: skip
def test_the_content_of_a_payout_is_frozen(change):
    payout = make_payout()

    assert "its content is frozen" in tamper(f"UPDATE payouts_payout SET {change} WHERE id = %(id)s", id=payout.pk)


def test_a_payout_cannot_be_approved_past_the_approval():
    payout = make_payout(approved=False)

    assert "are not approved by a second person" in tamper(
        "UPDATE payouts_payout SET status = 'approved', checker = 'staff:99' WHERE id = %(id)s", id=payout.pk
    )
    assert "this move of its status is not allowed" in tamper(
        "UPDATE payouts_payout SET status = 'pending' WHERE id = %(id)s", id=payout.pk
    )


def test_the_checker_of_an_approved_payout_is_frozen_and_payouts_stay():
    payout = make_payout()

    assert "its checker is frozen" in tamper("UPDATE payouts_payout SET checker = 'staff:99' WHERE id = %(id)s", id=payout.pk)
    assert "never deleted" in tamper("DELETE FROM payouts_payout WHERE id = %(id)s", id=payout.pk)


def test_an_approval_for_other_content_frees_nothing():
    make_approved_run(sellers=1)
    run = make_run(sellers=2)
    request_approval(action="payout_run", subject=run.public_id, content_hash="0" * 64, shown={}, maker=MAKER, at=AT)
    asked = Approval.objects.filter(subject=run.public_id, state="requested")
    asked.update(state="approved", checker="staff:99", decided_at=AT)

    assert "for this content" in tamper(
        "UPDATE payouts_payout SET status = 'approved', checker = 'staff:99' WHERE run_id = %(id)s", id=run.pk
    )


def test_the_database_knows_the_same_moves_as_the_code():
    sql = (Path(payouts.runs.__file__).parent / "rules_payout_runs.sql").read_text()
    written = set(re.findall(r"'(\w+)>(\w+)'", sql))

    assert written == {(a, b) for a, bs in PAYOUT.moves.items() if a for b in bs}
