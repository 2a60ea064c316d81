"""A card is charged once, whatever the gateway answers, and what was taken stands against what was owed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from backoffice.kit.approvals import ApproverIsMaker
from backoffice.kit.idempotency import KeyReused
from backoffice.kit.outbox import Event
from billing.gateways.models import FakeObject
from billing.invoices.operations import CreditLine, issue_credit_note
from billing.payments import operations
from billing.payments.applying import apply_provider_state
from billing.payments.attempts import AttemptOpen, open_attempt
from billing.payments.deciding import CannotBeCanceled
from billing.payments.models import Attempt, Payment
from billing.payments.requesting import MoreThanIsDue, NoCardOnFile, PaymentUnderWay, UnknownPurpose
from billing.payments.states import ATTEMPT, AttemptStatus, PaymentStatus
from payouts.ledger.models import Entry, Posting
from tests.factories.payments import AT, ROBOT, claim_of, make_claim, make_customer, make_payment, people

pytestmark = pytest.mark.django_db
P = PaymentStatus


def forget_the_call(attempt: Attempt, hours: float = 0) -> None:
    """Let the database's clock have gone on since the call: the lease is over, and the key by so many hours older."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE billing_attempt SET first_called_at = first_called_at - %(h)s * interval '1 hour', next_try_at = clock_timestamp(),
                      last_called_at = last_called_at - %(h)s * interval '1 hour' - interval '10 minutes' WHERE id = %(id)s""",
            {"h": hours, "id": attempt.pk},
        )


def events_of(payment: Payment) -> list[str]:
    return list(Event.objects.filter(subject=payment.public_id).order_by("id").values_list("type", flat=True))


def test_a_charge_for_a_claim_is_booked_once_against_it(books):
    customer = make_customer()
    purpose = make_claim(customer, 12_000)

    payment = make_payment(customer, 12_000, purpose=purpose, key="once")
    again = make_payment(customer, 12_000, purpose=purpose, key="once")

    assert (payment.status, payment.captured_minor, payment.surplus_minor) == (P.SUCCEEDED, 12_000, 0)
    assert again.pk == payment.pk
    assert (claim_of(purpose).status, claim_of(purpose).paid_minor) == ("paid", 12_000)
    legs = Entry.objects.filter(posting=Posting.objects.get(template="card_captured", key=payment.public_id))
    assert {(e.account.code, e.amount_minor) for e in legs} == {("psp.clearing", 12_000), ("receivable.invoice", -12_000)}
    assert FakeObject.objects.filter(kind="payment").count() == 1
    assert events_of(payment) == ["payment.succeeded"]
    with pytest.raises(KeyReused):
        make_payment(customer, 11_000, purpose=purpose, key="once")


def test_a_purchase_books_nothing_since_its_sale_does(books):
    payment = make_payment()

    assert payment.status == P.SUCCEEDED
    assert not Posting.objects.filter(key=payment.public_id).exists()


@pytest.mark.parametrize(
    ("method", "off_session", "status", "code", "retryable"),
    [
        ("fake_declined", True, P.REQUIRES_PAYMENT_METHOD, "card_declined/insufficient_funds", True),
        ("fake_stolen", True, P.REQUIRES_PAYMENT_METHOD, "card_declined/stolen_card", False),
        ("fake_3ds", True, P.REQUIRES_PAYMENT_METHOD, "authentication_required", False),
        ("fake_3ds", False, P.REQUIRES_ACTION, "", False),
        ("fake_pending", True, P.PROCESSING, "", False),
    ],
)
def test_what_the_gateway_says_is_the_payments_state(books, method, off_session, status, code, retryable):
    payment = make_payment(make_customer(method), off_session=off_session)

    assert (payment.status, payment.decline_code, payment.retryable) == (status, code, retryable)


def test_what_waits_at_the_gateway_is_asked_about_and_ends(books):
    pending, failing = make_payment(make_customer("fake_pending")), make_payment(make_customer("fake_pending_fails"))

    operations.look_after(at=AT + timedelta(minutes=59))
    pending.refresh_from_db()
    assert pending.status == P.PROCESSING
    operations.look_after(at=AT + timedelta(minutes=61))

    pending.refresh_from_db()
    failing.refresh_from_db()
    assert (pending.status, failing.status) == (P.SUCCEEDED, P.REQUIRES_PAYMENT_METHOD)


def test_an_unknown_outcome_blocks_a_second_charge_until_the_gateway_says_it_was_made(books):
    customer = make_customer("fake_unknown_after")
    purpose = make_claim(customer, 5_000)
    payment = make_payment(customer, 5_000, purpose=purpose)
    attempt = Attempt.objects.get(target=payment.public_id)
    assert (payment.status, attempt.status) == (P.UNKNOWN, AttemptStatus.UNKNOWN)

    with pytest.raises(PaymentUnderWay):
        make_payment(customer, 5_000, purpose=purpose)
    with pytest.raises(AttemptOpen):
        open_attempt(
            kind="charge", target=payment.public_id, target_id=payment.pk, gateway="fake", request={}, actor=ROBOT, at=AT
        )
    forget_the_call(attempt)
    operations.work(at=AT)

    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor) == (P.SUCCEEDED, 5_000)
    assert FakeObject.objects.filter(kind="payment").count() == 1
    assert events_of(payment) == ["payment.unknown", "payment.succeeded"]


def test_what_never_arrived_is_sent_again_under_the_same_key_only_and_given_up_when_the_key_is_forgotten(books):
    payment = make_payment(make_customer("fake_unknown_before"))
    attempt = Attempt.objects.get(target=payment.public_id)
    forget_the_call(attempt)
    operations.work(at=AT)
    payment.refresh_from_db()
    assert payment.status == P.UNKNOWN
    assert Attempt.objects.get().tries == 2

    forget_the_call(attempt, hours=21)
    operations.work(at=AT)

    payment.refresh_from_db()
    attempt.refresh_from_db()
    assert (payment.status, payment.decline_code, attempt.status) == (P.CANCELED, "never_arrived", AttemptStatus.ABSENT)
    assert Attempt.objects.count() == 1


def test_two_people_say_that_a_payment_never_arrived(books):
    maker, checker = people()
    payment = make_payment(make_customer("fake_unknown_before"))
    operations.request_absence(payment_id=payment.pk, reason="The dashboard shows nothing.", actor=maker, at=AT)

    with pytest.raises(ApproverIsMaker):
        operations.confirm_absence(payment_id=payment.pk, actor=maker, at=AT)
    operations.confirm_absence(payment_id=payment.pk, actor=checker, at=AT)

    payment.refresh_from_db()
    assert payment.status == P.CANCELED


def test_money_that_came_after_all_is_booked_though_the_payment_was_given_up(books):
    customer = make_customer("fake_unknown_after")
    purpose = make_claim(customer, 5_000)
    maker, checker = people()
    payment = make_payment(customer, 5_000, purpose=purpose)
    operations.request_absence(payment_id=payment.pk, reason="Nothing there.", actor=maker, at=AT)
    operations.confirm_absence(payment_id=payment.pk, actor=checker, at=AT)
    other = make_payment(customer, 5_000, purpose=purpose, method_ref="fake_ok", gateway="fake")
    from billing.gateways.registry import gateway_named

    found = gateway_named("fake").get_payment(reference=payment.public_id)
    effect = apply_provider_state(payment_id=payment.pk, answer=found, actor=ROBOT, at=AT)

    payment.refresh_from_db()
    assert effect == "applied"
    assert (other.captured_minor, other.surplus_minor) == (5_000, 0)
    assert (payment.status, payment.captured_minor, payment.surplus_minor) == (P.SUCCEEDED, 5_000, 5_000)
    assert apply_provider_state(payment_id=payment.pk, answer=found, actor=ROBOT, at=AT) == "same"


def test_a_payment_that_waits_is_cancelled_and_one_that_was_paid_is_not(books):
    waiting, paid = make_payment(make_customer("fake_pending")), make_payment()
    fresh = operations.request_payment(
        customer_id=make_customer().pk,
        amount_minor=100,
        currency="EUR",
        purpose="o-9",
        off_session=True,
        actor=ROBOT,
        at=AT,
        key="f",
    )

    operations.cancel_payment(payment_id=fresh.pk, reason="A mistake.", actor=ROBOT, at=AT)
    operations.cancel_payment(payment_id=waiting.pk, reason="Too late.", actor=ROBOT, at=AT)
    operations.work(at=AT)

    fresh.refresh_from_db()
    waiting.refresh_from_db()
    assert (fresh.status, waiting.status) == (P.CANCELED, P.CANCELED)
    assert not FakeObject.objects.filter(reference=fresh.public_id).exists()
    with pytest.raises(CannotBeCanceled):
        operations.cancel_payment(payment_id=paid.pk, reason="No.", actor=ROBOT, at=AT)


def test_what_is_not_owed_cannot_be_asked_for_and_does_not_leave_when_it_was_paid_meanwhile(books):
    customer = make_customer()
    purpose = make_claim(customer, 5_000)
    facts = {"customer_id": customer.pk, "currency": "EUR", "off_session": True, "actor": ROBOT, "at": AT}
    with pytest.raises(MoreThanIsDue):
        operations.request_payment(amount_minor=5_001, purpose=purpose, key="1", **facts)
    with pytest.raises(UnknownPurpose):
        operations.request_payment(amount_minor=1, purpose=customer.public_id, key="2", **facts)
    with pytest.raises(NoCardOnFile):
        make_payment(make_customer(method=""))
    payment = operations.request_payment(amount_minor=5_000, purpose=purpose, key="3", **facts)

    offset = {"settlement": "offset", "reason_code": "goodwill", "reason": "A slow day.", "lines": [CreditLine(1, 4_000)]}
    issue_credit_note(invoice_id=claim_of(purpose).pk, actor=ROBOT, at=AT, key="o", **offset)
    operations.work(at=AT)

    payment.refresh_from_db()
    assert (payment.status, payment.decline_code) == (P.CANCELED, "no_longer_due")
    assert not FakeObject.objects.exists()


def test_a_transfer_is_booked_when_a_person_records_it(books):
    maker, _ = people()
    customer = make_customer(method="")
    purpose = make_claim(customer, 7_000)
    payment = make_payment(customer, 7_000, purpose=purpose, gateway="manual")
    assert payment.status == P.PROCESSING

    operations.record_transfer(payment_id=payment.pk, bank_ref="CAMT-1", reason="On the statement of today.", actor=maker, at=AT)

    payment.refresh_from_db()
    assert (payment.status, claim_of(purpose).paid_minor) == (P.SUCCEEDED, 7_000)
    entry = Entry.objects.get(posting__key=payment.public_id, account__code="psp.clearing")
    assert entry.account.holder == "manual"


def test_a_card_is_put_on_file_through_the_gateways_page(books):
    customer = make_customer(method="", gateway="", gateway_customer="")
    setup = operations.setup_card(customer_id=customer.pk, return_url="https://shop.example/back", actor=ROBOT, at=AT, key="s")
    assert (setup.status, bool(setup.action_url)) == ("requires_action", True)

    operations.look_after(at=AT + timedelta(hours=2))

    setup.refresh_from_db()
    customer.refresh_from_db()
    assert (setup.status, customer.gateway, customer.gateway_method) == ("succeeded", "fake", "fake_ok")
    assert make_payment(customer).status == P.SUCCEEDED


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_attempt SET request = '{}'",
        "UPDATE billing_attempt SET status = 'ready', outcome = ''",
        "DELETE FROM billing_attempt",
        "UPDATE billing_payment SET amount_minor = 1",
        "UPDATE billing_payment SET captured_minor = captured_minor - 1",
        "UPDATE billing_payment SET status = 'canceled'",
        "DELETE FROM billing_payment",
    ],
)
def test_the_database_refuses_to_rewrite_what_was_asked_and_captured(sql):
    make_payment()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_the_database_allows_the_moves_of_the_table_and_no_others():
    from pathlib import Path

    from billing.refunds.states import REFUND

    rules = (Path(__file__).parents[3] / "billing/refunds/rules_0031.sql").read_text()
    for machine in (ATTEMPT, REFUND):
        moves = {f"{a}>{b}" for a, bs in machine.moves.items() for b in bs if a}
        name = {"gateway_attempt": "attempt_moves", "refund": "refund_moves"}[machine.subject]
        listed = rules.split(f"CREATE TRIGGER {name}")[1].split("EXECUTE FUNCTION")[0]
        assert set(re.findall(r"'(\w+>\w+)'", listed)) == moves


def test_truths_find_a_second_call_and_an_unbooked_capture(books):
    from backoffice.kit.invariants import check_books

    customer = make_customer()
    payment = make_payment(customer, 5_000, purpose=make_claim(customer, 5_000))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE billing_attempt DISABLE TRIGGER USER; ALTER TABLE billing_payment DISABLE TRIGGER USER")
            cursor.execute(
                """INSERT INTO billing_attempt SELECT (SELECT max(id) + 1 FROM billing_attempt), 'gat_x', kind, target, target_id, 2, key || 'x',
                          gateway, request, request_hash, status, outcome, code, reason, provider_ref, claim, fence, lease_until, next_try_at,
                          tries, called, first_called_at, last_called_at, answered_at, created_at FROM billing_attempt"""
            )
            cursor.execute("UPDATE billing_payment SET captured_minor = 4000 WHERE id = %s", [payment.pk])
        broken = {verdict.name for verdict in check_books({7, 10}) if not verdict.ok}
        transaction.set_rollback(True)
    assert broken == {"one_effective_gateway_attempt", "captures_are_posted_once"}
