"""Nobody moves money alone: not by any verb, not through the models, not by SQL in the role the application works in.

FOUR_EYES_TRIES=10000 is the long form: a burglar draws that many attempts, and not one may end with an order the second person did not free.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

import payouts.runs
from backoffice.kit import approvals
from backoffice.kit.actors import Actor, partner, staff, system
from backoffice.kit.approvals import Approval
from backoffice.kit.errors import Refusal
from backoffice.kit.invariants import check_books
from backoffice.staff.models import AuditEntry
from payouts.dispatch.models import PaymentOrder, RailFile
from payouts.dispatch.operations import confirm_absence, resolve_unknown, submit_run, work
from payouts.dispatch.orders import create_orders
from payouts.dispatch.states import RAIL_FILE
from payouts.ledger import adjustments
from payouts.ledger.models import Posting
from payouts.ledger.operations import Draft, FourEyesRequired, post, reverse
from payouts.ledger.templates import platform, seller
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import (
    approve_run,
    build_payout,
    build_run,
    hold_payout,
    mark_payouts,
    refresh_run,
    release_payout,
)
from payouts.runs.states import RUN
from payouts.sellers.operations import change_payee_account, update_seller
from payouts.sellers.tiers import change_tier
from tests.factories.dispatch import SUBMIT_AT, make_submitted_run, rails_in
from tests.factories.runs import AT, ON, make_approved_run, make_payable_seller, make_run
from tests.factories.sellers import make_iban, make_staff

TRIES = int(os.environ.get("FOUR_EYES_TRIES", "300"))
LATER = SUBMIT_AT + timedelta(minutes=5)


@pytest.fixture(autouse=True)
def rails(tmp_path: Path, db: None) -> Iterator[Path]:
    with rails_in(tmp_path) as folder:
        yield folder


@pytest.fixture
def burglar() -> Actor:
    """One person with every right a single person can have."""
    return staff(make_staff("lead").pk)


@contextmanager
def as_application() -> Iterator[Any]:
    """Work in the role of the running application, inside a savepoint that is undone."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {settings.DATABASE_APP_ROLE}")
        yield cursor
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what would be refused at the commit is refused here
        transaction.set_rollback(True)


def refused(statement: str, **params: Any) -> str:
    """Return the database's sentence, or '' when the statement worked and touched something."""
    try:
        with as_application() as cursor:
            cursor.execute(statement, params)
            assert cursor.rowcount != 0, f"this hit nothing, so it proves nothing: {statement}"
    except DatabaseError as error:
        return str(error).splitlines()[0]
    return ""


# --- by SQL, as the application


APPROVAL = """INSERT INTO backoffice_approval (public_id, action, subject, content_hash, shown, maker, barred, checker, state, reason,
                  requested_at, decided_at, expires_at)
              SELECT kit_typeid('apr'), 'payout_run', public_id || '{suffix}', content_hash, '{{}}', {maker}, '[]', {checker}, '{state}', '', now(),
                     now(), now() + interval '1 day'
                FROM payouts_payoutrun WHERE id = %(run)s"""
ORDER = """INSERT INTO payouts_paymentorder (public_id, payout_id, attempt, rail, payee_account_id, currency, amount_minor, end_to_end_id, key,
               request_hash, status, code, reason, raw_code, provider_ref, fence, tries, called, created_at)
           SELECT kit_typeid('ord'), id, 7, {rail}, payee_account_id, currency, {amount}, 'forged-' || id, 'forged-' || id, '', 'approved', '', '',
                  '', '', 0, 0, false, %(at)s FROM payouts_payout WHERE run_id = %(run)s"""

WAITING = [
    "UPDATE payouts_payout SET status = 'approved', checker = 'staff:2' WHERE run_id = %(run)s",
    "UPDATE payouts_payout SET status = 'approved', checker = maker WHERE run_id = %(run)s",
    "UPDATE payouts_payout SET status = 'pending' WHERE run_id = %(run)s",
    "UPDATE payouts_payout SET status = 'in_transit' WHERE run_id = %(run)s",
    "UPDATE payouts_payout SET status = 'paid' WHERE run_id = %(run)s",
    "UPDATE payouts_payout SET maker = 'staff:77' WHERE run_id = %(run)s",
    "UPDATE payouts_payout SET amount_minor = amount_minor + 1 WHERE run_id = %(run)s",
    "UPDATE payouts_payout SET seller_id = seller_id + 1 WHERE run_id = %(run)s",
    "UPDATE payouts_payout SET rail = 'sandbox' WHERE run_id = %(run)s",
    "DELETE FROM payouts_payout WHERE run_id = %(run)s",
    "UPDATE payouts_payoutrun SET maker = 'staff:77' WHERE id = %(run)s",
    "UPDATE payouts_payoutrun SET status = 'submitted' WHERE id = %(run)s",
    "UPDATE payouts_payoutrun SET expires_at = expires_at + interval '1 year' WHERE id = %(run)s",
    "DELETE FROM payouts_payoutrun WHERE id = %(run)s",
    "UPDATE backoffice_approval SET state = 'used'",
    "UPDATE backoffice_approval SET state = 'approved', checker = maker, decided_at = now()",
    "UPDATE backoffice_approval SET state = 'approved', checker = 'system:cron', decided_at = now()",
    "UPDATE backoffice_approval SET state = 'approved', checker = 'partner:x', decided_at = now()",
    "UPDATE backoffice_approval SET state = 'approved', decided_at = now()",
    "UPDATE backoffice_approval SET state = 'approved', checker = 'staff:2', decided_at = expires_at",
    "UPDATE backoffice_approval SET state = 'approved', checker = 'staff:2'",
    "UPDATE backoffice_approval SET maker = 'staff:77'",
    "UPDATE backoffice_approval SET barred = '[]', content_hash = 'x'",
    "UPDATE backoffice_approval SET content_hash = 'x'",
    "UPDATE backoffice_approval SET expires_at = expires_at + interval '1 year'",
    "DELETE FROM backoffice_approval",
    APPROVAL.format(suffix="", maker="maker", checker="'staff:2'", state="approved"),
    APPROVAL.format(suffix="-b", maker="'staff:1'", checker="'staff:2'", state="used"),
    APPROVAL.format(suffix="-c", maker="'staff:1'", checker="'staff:1'", state="approved"),
    ORDER.format(rail="rail", amount="amount_minor"),
    ORDER.format(rail="'sandbox'", amount="amount_minor"),
]
APPROVED = [
    ORDER.format(rail="rail", amount="amount_minor + 1"),
    ORDER.format(rail="'sandbox'", amount="amount_minor"),
    "UPDATE payouts_payout SET checker = 'staff:77' WHERE run_id = %(run)s",
    "UPDATE payouts_payout SET payee_account_id = payee_account_id + 1 WHERE run_id = %(run)s",
    "UPDATE payouts_payoutrun SET content_hash = 'x' WHERE id = %(run)s",
    "UPDATE payouts_payoutrun SET checker = 'staff:77' WHERE id = %(run)s",
    "UPDATE payouts_payoutrun SET status = 'needs_approval' WHERE id = %(run)s",
    "UPDATE backoffice_approval SET state = 'approved' WHERE state = 'used'",
    "UPDATE backoffice_approval SET checker = 'staff:77' WHERE state = 'used'",
    "UPDATE payouts_payeeaccount SET number_index = repeat('f', 64)",
    "UPDATE payouts_payeeaccount SET routing_number = '021000021'",
    "UPDATE payouts_payeeaccount SET country = 'XX'",
    "UPDATE payouts_payeeaccount SET seller_id = seller_id + 1",
    "UPDATE payouts_payeeaccount SET created_by = 'system:import'",
    "UPDATE payouts_payeeaccount SET cool_off_until = cool_off_until - interval '1 hour'",
    "DELETE FROM payouts_payeeaccount",
]
SENT = [
    "UPDATE payouts_railfile SET sealed = 'x'",
    "UPDATE payouts_railfile SET sha256 = repeat('0', 64)",
    "UPDATE payouts_railfile SET file_name = 'again.xml'",
    "UPDATE payouts_railfile SET state = 'built'",
    "DELETE FROM payouts_railfile",
    "UPDATE payouts_paymentorder SET status = 'approved', called = false",
    "UPDATE payouts_paymentorder SET amount_minor = 1",
    "UPDATE payouts_paymentorder SET payee_account_id = payee_account_id + 1",
    "UPDATE payouts_paymentorder SET end_to_end_id = 'x'",
    "UPDATE payouts_paymentorder SET key = 'x'",
    "UPDATE payouts_paymentorder SET rail_file_id = NULL",
    "DELETE FROM payouts_paymentorder",
    ORDER.format(rail="rail", amount="amount_minor"),
    "UPDATE payouts_payout SET status = 'approved'",
    "UPDATE payouts_posting SET actor = 'staff:77'",
    "UPDATE payouts_entry SET amount_minor = 1",
    "DELETE FROM payouts_entry",
    "DELETE FROM payouts_posting",
    "DELETE FROM payouts_balance",
    "UPDATE payouts_balance SET floor_minor = 1",
    "UPDATE payouts_balance SET floor_minor = -900000",
    "UPDATE payouts_balance SET floor_wanted_minor = -900000",
    "UPDATE ledger_chart SET floor_minor = -900000",
    "INSERT INTO payouts_floorchange (account_id, floor_minor, actor, reason, recorded_at)"
    " SELECT account_id, -900000, 'staff:77', 'x', now() FROM payouts_balance LIMIT 1",
    "DELETE FROM payouts_floorchange",
    "SELECT ledger_set_floors('{seller.available}', '{1}', '{EUR}', '{-900000}', '', 'x', now())",
    "WITH a AS (INSERT INTO payouts_account (code, holder_id, holder, currency, normal_sign, guarded, created_at)"
    " VALUES ('seller.available', 4711, '', 'EUR', -1, true, now()) RETURNING id) INSERT INTO payouts_balance"
    " (account_id, amount_minor, normal_sign, floor_minor) SELECT id, 0, -1, -900000 FROM a",
    "UPDATE payouts_account SET holder_id = 1",
    "DELETE FROM payouts_account",
    "INSERT INTO payouts_entry (posting_id, account_id, amount_minor, currency, position)"
    " SELECT (SELECT max(id) FROM payouts_posting), id, 5, currency, 9 FROM payouts_account WHERE currency = 'EUR' LIMIT 1",
    "INSERT INTO payouts_entry (posting_id, account_id, amount_minor, currency, position)"
    " SELECT (SELECT max(id) FROM payouts_posting), a.id, s * 5, a.currency, 9 + s FROM (SELECT id, currency FROM payouts_account"
    " WHERE currency = 'EUR' LIMIT 1) a, (VALUES (1), (-1)) AS v(s)",
    "INSERT INTO payouts_posting (template, template_version, key, fingerprint, source_kind, source_id, actor, approver, reason, recorded_at,"
    " effective_at) VALUES ('adjustment', 1, 'forged', '', '', 0, 'staff:1', '', '', now(), now())",
    "INSERT INTO payouts_posting (template, template_version, key, fingerprint, source_kind, source_id, actor, approver, reason, recorded_at,"
    " effective_at) VALUES ('write_off', 1, 'forged', '', '', 0, 'staff:1', 'staff:1', '', now(), now())",
    "DELETE FROM backoffice_statechange",
    "UPDATE backoffice_statechange SET actor = 'staff:77'",
    "DELETE FROM backoffice_auditentry",
    "UPDATE backoffice_auditentry SET actor = 'staff:77'",
    "TRUNCATE payouts_entry CASCADE",
    "TRUNCATE backoffice_statechange",
    "TRUNCATE backoffice_auditentry",
    "TRUNCATE payouts_payout CASCADE",
    "ALTER TABLE payouts_payout DISABLE TRIGGER USER",
    "ALTER TABLE payouts_entry DISABLE TRIGGER USER",
    "ALTER TABLE backoffice_approval DISABLE TRIGGER ALL",
    "ALTER TABLE payouts_balance DROP CONSTRAINT balance_not_below_floor",
    "DROP TRIGGER payment_order_may_exist ON payouts_paymentorder",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION payout_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
]


@pytest.mark.parametrize(("standing", "statements"), [("waiting", WAITING), ("approved", APPROVED), ("sent", SENT)])
def test_the_database_believes_nobody(standing: str, statements: list[str], burglar: Actor):
    make = {"waiting": make_run, "approved": make_approved_run, "sent": make_submitted_run}[standing]
    over = {"actor": burglar} if standing == "waiting" else {}
    run = make(sellers=2, **over)
    assert AuditEntry.objects.exists()

    said = {statement: refused(statement, run=run.pk, at=SUBMIT_AT) for statement in statements}

    assert not [statement for statement, sentence in said.items() if not sentence]
    vacuous = ("aborted", "syntax", "does not exist", "cannot be determined", "null value")
    assert not [(statement, sentence) for statement, sentence in said.items() if any(word in sentence for word in vacuous)]


def test_the_database_knows_the_same_moves_as_the_code():
    written = (Path(payouts.runs.__file__).parent / "rules_0007.sql").read_text()

    for machine, trigger in ((RUN, "run_moves"), (RAIL_FILE, "rail_file_moves")):
        said = set(re.findall(r"'(\w+)>(\w+)'", written.partition(f"TRIGGER {trigger} ")[2].partition("EXECUTE")[0]))
        assert said == {(a, b) for a, bs in machine.moves.items() if a for b in bs}


def test_the_application_cannot_become_the_owner():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE pg_has_role(%(role)s, tableowner, 'member')) FROM pg_tables"
            " WHERE schemaname = current_schema()",
            {"role": settings.DATABASE_APP_ROLE},
        )
        tables, owned = cursor.fetchone()
    assert tables and not owned


def test_in_its_own_role_the_application_opens_sellers_books_money_and_changes_tiers(burglar: Actor):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {settings.DATABASE_APP_ROLE}")
        payable = make_payable_seller(tier="new")
        change_tier(tier_id=payable.tier_id, changes={"debt_limit": 7}, actor=burglar, at=AT)
        update_seller(seller_id=payable.pk, changes={"debt_limit_minor": 100}, actor=burglar, at=AT)
        run = make_approved_run()
        assert Payout.objects.get(run=run).amount_minor == 10_000
        assert [verdict for verdict in check_books() if not verdict.ok] == []
        transaction.set_rollback(True)


def test_an_approver_barred_by_the_request_is_barred_in_the_database_too(burglar: Actor):
    make_run(sellers=1, actor=burglar)
    approvals.request_approval(
        action="x",
        subject="y",
        content_hash="z",
        shown={},
        maker=system("robot"),
        at=AT,
        barred={str(burglar): "you changed the account"},
    )

    sentence = refused("UPDATE backoffice_approval SET state = 'approved', checker = %(who)s, decided_at = %(at)s WHERE action = 'x'",
                       who=str(burglar), at=AT)  # fmt: skip

    assert "not barred" in sentence


# --- by verbs and through the models


def attempts(run: PayoutRun, burglar: Actor, draw: random.Random) -> list[Callable[[], object]]:
    """Return everything one person could try, on a run that he made."""
    payout = draw.choice(list(Payout.objects.filter(run=run)))
    at = AT + timedelta(minutes=draw.randrange(0, 60 * 24 * 40))
    who = draw.choice([burglar, system("robot"), system("schedule"), partner("ptr_x")])
    hash_ = draw.choice([run.content_hash, "", "0" * 64])
    pay = platform("suspense", "EUR", 1_000), seller("available", payout.seller_id, "EUR", -1_000)
    return [
        lambda: approve_run(run_id=run.pk, content_hash=hash_, actor=who, at=at, confirmed_total="200.00 EUR"),
        lambda: approvals.approve(action="payout_run", subject=run.public_id, content_hash=hash_, checker=who, at=at),
        lambda: approvals.use_approval(action="payout_run", subject=run.public_id, content_hash=hash_, at=at),
        lambda: (refresh_run(run_id=run.pk, actor=who, at=at), approve_run(run_id=run.pk, content_hash=hash_, actor=burglar, at=at)),
        lambda: submit_run(run_id=run.pk, actor=who, at=at),
        lambda: create_orders([payout.pk], actor=who, at=at),
        lambda: mark_payouts([payout.pk], draw.choice(["approved", "pending", "in_transit", "paid"]), who, at),
        lambda: hold_payout(payout_id=payout.pk, actor=who, at=at, reason="x"),
        lambda: release_payout(payout_id=payout.pk, actor=who, at=at, reason="x"),
        lambda: build_payout(seller_id=payout.seller_id, currency="EUR", actor=who, key=str(draw.random()), at=at),
        lambda: build_run(on=ON, actor=who, key=str(draw.random()), at=at, all_schedules=True),
        lambda: Payout.objects.filter(pk=payout.pk).update(status="approved", checker=str(who)),
        lambda: PayoutRun.objects.filter(pk=run.pk).update(status="approved", checker="staff:2") and submit_run(run_id=run.pk, actor=who, at=at),
        lambda: Approval.objects.filter(subject=run.public_id).update(state="approved", checker=str(who), decided_at=at),
        lambda: Approval.objects.filter(subject=run.public_id).update(maker="staff:2"),
        lambda: post(drafts=[Draft("adjustment", "x", pay)], actor=burglar, at=at),
        lambda: post(drafts=[Draft("adjustment", "x", pay)], actor=burglar, approver=who, at=at),
        lambda: adjustments.approve_correction(
            subject=adjustments.request_correction(template="adjustment", legs=list(pay), reason="x", actor=burglar, at=at).subject,
            actor=who,
            at=at,
        ),
        lambda: work(at=at, limit=10),
        lambda: resolve_unknown(order_id=1, outcome="absent", reason="x", actor=who, at=at),
        lambda: confirm_absence(order_id=1, actor=who, at=at),
    ]  # fmt: skip


# What one person may do alone: it moves no money.
HARMLESS = (Refusal, DatabaseError, RuntimeError)


def test_one_person_frees_nothing_however_often_he_tries(burglar: Actor):
    run = make_run(sellers=2, actor=burglar)
    postings = Posting.objects.count()
    draw = random.Random(int(os.environ.get("FOUR_EYES_SEED", "4")))

    for _ in range(TRIES):
        with transaction.atomic():
            try:
                with transaction.atomic():
                    draw.choice(attempts(run, burglar, draw))()
            except HARMLESS:
                pass
            assert not PaymentOrder.objects.exists()
            assert not RailFile.objects.exists()
            assert not Payout.objects.exclude(status__in=["needs_approval", "canceled"]).exists()
            assert Posting.objects.count() == postings
            transaction.set_rollback(True)


def test_who_changed_the_payee_account_does_not_approve_even_through_a_refresh(burglar: Actor):
    payable, other = make_payable_seller(), make_payable_seller()
    change_payee_account(
        seller_id=payable.pk, currency="EUR", kind="iban", account_holder="X", number=make_iban(), actor=burglar, key="mine",
        at=AT - timedelta(days=5),
    )  # fmt: skip
    run = make_run()

    with pytest.raises(approvals.ApproverIsBarred):
        approve_run(run_id=run.pk, content_hash=run.content_hash, actor=burglar, at=AT)
    run = refresh_run(run_id=run.pk, actor=system("robot"), at=AT)
    with pytest.raises(approvals.ApproverIsBarred):
        approve_run(run_id=run.pk, content_hash=run.content_hash, actor=burglar, at=AT)
    assert other.pk


def test_a_correction_is_not_reversed_by_one_person(burglar: Actor):
    payable, _ = make_payable_seller(), make_payable_seller()
    correction = Posting.objects.filter(template="adjustment").earliest("pk")

    reversal = reverse(posting_id=correction.pk, actor=burglar, approver=staff(2), at=AT, reason="wrong").posting_id
    with pytest.raises(FourEyesRequired):
        reverse(posting_id=reversal, actor=burglar, at=AT, reason="and back again")
    correction = Posting.objects.filter(template="adjustment").latest("pk")
    for approver in (None, burglar, system("robot")):
        with pytest.raises(FourEyesRequired):
            reverse(posting_id=correction.pk, actor=burglar, approver=approver, at=AT, reason="x")
    assert payable.pk


def test_what_two_people_freed_leaves_once_and_the_books_agree(rails: Path):
    run = make_submitted_run(sellers=2)
    for _ in range(3):
        submit_run(run_id=run.pk, actor=system("robot"), at=LATER)

    assert len(list((rails / "bank-outbox").glob("*.xml"))) == 1
    assert PaymentOrder.objects.count() == 2
    assert [verdict for verdict in check_books() if not verdict.ok] == []
