"""Payments through the doors people and partners use: the API, the desk, its buttons, the provider's events; and what ends with an invoice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from backoffice.kit import clock
from backoffice.kit.outbox import Event
from billing.collection.models import Collection, CollectionAttempt
from billing.collection.operations import Claim, open_collections, run_attempt
from billing.customers.models import Customer
from billing.gateways import registry
from billing.gateways.fake import FakeGateway
from billing.gateways.models import FakeObject
from billing.gateways.port import Answer, Outcome
from billing.invoices.giving_up import InvoiceBeingPaid
from billing.invoices.operations import void_invoice
from billing.payments import operations
from billing.payments.models import CardSetup, Payment
from billing.payments.requesting import OnlyForTrying
from billing.payments.states import PaymentStatus
from billing.webhooks.appliers import Effect, NotReady, RefundedElsewhere, applier_of
from tests.billing.invoices.test_screens import press, signed
from tests.factories.billing import make_invoice
from tests.factories.partners import make_client, make_partner
from tests.factories.payments import AT, ROBOT, make_claim, make_customer, make_payment
from tests.factories.sellers import make_seller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]
P = PaymentStatus


# --- partners


def test_a_partner_charges_reads_lists_and_cancels():
    owner = make_client()
    seller = make_seller(partner_id=owner.partner.pk)
    customer = make_customer(partner=owner.partner)
    asked = {
        "customer": customer.public_id, "amount": {"amount_minor": 12_000, "currency": "EUR"}, "purpose": "o-1",
        "seller": seller.public_id, "description": "One phone",
    }  # fmt: skip
    made = owner.post("payments", asked).json()
    assert (made["status"], made["captured"]["amount_minor"], made["seller"]) == ("created", 0, seller.public_id)
    second = owner.post("payments", asked)
    assert (second.status_code, second.json()["code"]) == (409, "payment_under_way")

    operations.work(at=AT)
    paid = owner.get(f"payments/{made['id']}").json()
    assert (paid["status"], paid["captured"]) == ("succeeded", {"amount_minor": 12_000, "currency": "EUR"})
    assert [one["id"] for one in owner.get("payments?purpose=o-1&status=succeeded").json()["data"]] == [made["id"]]
    late = owner.post(f"payments/{made['id']}/cancel", {"reason": "Changed their mind."})
    assert (late.status_code, late.json()["code"]) == (409, "payment_cannot_be_canceled")

    other = owner.post("payments", asked | {"purpose": "o-2"}).json()
    gone = owner.post(f"payments/{other['id']}/cancel", {"reason": "Changed their mind."}).json()
    assert gone["status"] == "canceled" and FakeObject.objects.filter(kind="payment").count() == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": {"amount_minor": 0, "currency": "EUR"}}, 422, "amount_not_positive"),
        ({"amount": {"amount_minor": "1", "currency": "EUR"}}, 422, "invalid_fields"),
        ({"purpose": "inv_01jd3k5m6n7p8q9r0s1t2v3w4x"}, 404, "not_found"),
        ({"purpose": "cus_01jd3k5m6n7p8q9r0s1t2v3w4x"}, 422, "unknown_purpose"),
        ({"return_url": "javascript:alert(1)"}, 422, "invalid_fields"),
        ({"gateway": "manual"}, 422, "invalid_fields"),
    ],
)
def test_what_a_partner_may_not_ask_for_is_named(change, status, code):
    owner = make_client()
    customer = make_customer(partner=owner.partner)
    asked = {"customer": customer.public_id, "amount": {"amount_minor": 100, "currency": "EUR"}, "purpose": "o-1"}
    answer = owner.post("payments", asked | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert not Payment.objects.exists()


def test_an_invoice_of_another_partner_is_as_unknown_as_one_that_does_not_exist():
    owner, other = make_client(), make_client()
    theirs = make_claim(make_customer(partner=other.partner), 5_000)
    mine = make_customer(partner=owner.partner)
    asked = {"customer": mine.public_id, "amount": {"amount_minor": 100, "currency": "EUR"}}
    answers = [owner.post("payments", asked | {"purpose": one}) for one in (theirs, "inv_01jd3k5m6n7p8q9r0s1t2v3w4x")]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].json()["detail"].replace(theirs, "") == answers[1].json()["detail"].replace(
        "inv_01jd3k5m6n7p8q9r0s1t2v3w4x", ""
    )


def test_a_card_set_up_is_sent_by_the_worker_and_its_card_is_told():
    owner = make_client()
    customer = make_customer(method="", gateway="", gateway_customer="", partner=owner.partner)
    asked = {"customer": customer.public_id, "return_url": "https://shop.example/done"}
    made = owner.post("card_setups", asked).json()
    assert (made["status"], made["action_url"]) == ("created", "")

    operations.work(at=AT)
    waiting = owner.get(f"card_setups/{made['id']}").json()
    assert (waiting["status"], bool(waiting["action_url"])) == ("requires_action", True)
    operations.look_after(at=clock.now() + timedelta(hours=2))
    assert owner.get("card_setups").json()["data"][0]["status"] == "succeeded"
    assert owner.get(f"customers/{customer.public_id}").json()["has_payment_method"] is True
    told = set(Event.objects.filter(partner_id=owner.partner.pk).values_list("type", flat=True))
    assert {"card_setup.requires_action", "card_setup.succeeded", "customer.method_changed"} <= told


def test_a_partner_in_test_mode_never_reaches_a_gateway_that_takes_real_money(monkeypatch):
    customer = make_customer(partner=make_partner())
    monkeypatch.setattr(FakeGateway, "livemode", True)
    with pytest.raises(OnlyForTrying):
        make_payment(customer)
    assert make_payment(make_customer(partner=make_partner(livemode=True))).status == P.SUCCEEDED


# --- the desk


def test_an_unknown_payment_is_worked_from_the_queue_by_look_up_and_never_by_word():
    payment = make_payment(make_customer("fake_unknown_after"))
    finance, lead = signed("finance"), signed("lead")
    assert "Payments with an unknown outcome" in finance.get("/admin/").content.decode()
    assert (
        str(payment.pk) in finance.get(reverse("admin:billing_payment_changelist") + "?queue=payments_unknown").content.decode()
    )

    refused = press(finance, payment, "resolve", status=409, provider_ref="fkpa_nothing", reason="Looked there.")
    assert "has nothing under that id" in refused
    press(finance, payment, "request_absence", reason="Searched by amount and day.")
    own = finance.get(reverse("admin:billing_payment_button", args=[payment.pk, "confirm_absence"]))
    assert own.status_code == 403, "only a lead confirms"
    page = lead.get(reverse("admin:billing_payment_button", args=[payment.pk, "confirm_absence"])).content.decode()
    assert "Searched by amount and day." in page and "may be charged again" in page
    press(lead, payment, "refuse_absence", reason="I found it.")

    there = FakeObject.objects.get(kind="payment").ref
    assert "It is paid." in press(finance, payment, "resolve", provider_ref=there, reason="Found beside our reference.")
    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor) == (P.SUCCEEDED, 10_000)


def test_an_invoice_is_charged_from_its_page_and_a_declined_payment_tried_again():
    finance = signed("finance")
    invoice = make_invoice(make_customer("fake_declined"))
    press(finance, invoice, "charge")
    operations.work(at=AT)
    first = Payment.objects.get()
    assert (first.purpose, first.status, first.decline_code) == (
        invoice.public_id,
        P.REQUIRES_PAYMENT_METHOD,
        "card_declined/insufficient_funds",
    )
    Customer.objects.update(gateway_method="fake_ok")
    assert "on the card the customer has on file now" in press(finance, first, "retry")
    operations.work(at=AT)
    invoice.refresh_from_db()
    assert (invoice.status, Payment.objects.count()) == ("paid", 2)
    page = finance.get(reverse("admin:billing_invoice_panel", args=[invoice.pk, "payments"])).content.decode()
    assert "paid" in page and "declined" in page


def test_a_transfer_is_awaited_and_recorded_on_the_desk():
    finance = signed("finance")
    invoice = make_invoice(make_customer(method="", gateway=""))
    press(finance, invoice, "await_transfer")
    operations.work(at=AT)
    payment = Payment.objects.get()
    said = press(finance, payment, "transfer", bank_ref="CAMT-7", reason="On today's statement.")
    assert "psp.clearing of manual" in said
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_the_desk_says_that_cards_are_charged_by_the_fake(settings):
    finance = signed("finance")
    assert "fake gateway" in finance.get("/admin/").content.decode()
    settings.STRIPE_SECRET_KEY = "sk_test_x"
    assert "fake gateway" not in finance.get("/admin/").content.decode()


@pytest.mark.parametrize("role", ["support", "risk", "auditor"])
def test_who_only_looks_sees_no_button(role):
    payment = make_payment(make_customer("fake_pending"))
    client: Client = signed(role)
    page = client.get(reverse("admin:billing_payment_change", args=[payment.pk]))
    assert page.status_code == 200 and page.context["buttons"] == []


# --- what ends with an invoice


def being_collected(method: str = "fake_ok") -> tuple[Any, CollectionAttempt]:
    invoice = make_invoice(make_customer(method))
    claim = Claim(invoice.customer_id, invoice.public_id, "", "EUR", invoice.amount_due_minor, "card_only", "standard")
    open_collections(claims=[claim], trigger="cycle", actor=ROBOT, at=AT)
    return invoice, CollectionAttempt.objects.get()


def test_voiding_an_invoice_closes_what_is_planned_in_the_same_transaction():
    invoice, attempt = being_collected()
    void_invoice(invoice_id=invoice.pk, actor=ROBOT, at=AT, reason="Billed twice.")
    attempt.refresh_from_db()
    assert (attempt.status, Collection.objects.get().status) == ("closed", "stopped")
    assert run_attempt(attempt_id=attempt.pk, actor=ROBOT, at=AT) == "" and not Payment.objects.exists()


def test_an_invoice_that_is_being_paid_is_not_voided():
    invoice, attempt = being_collected("fake_unknown_after")
    assert run_attempt(attempt_id=attempt.pk, actor=ROBOT, at=AT) == "unknown"
    with pytest.raises(InvoiceBeingPaid):
        void_invoice(invoice_id=invoice.pk, actor=ROBOT, at=AT, reason="Billed twice.")
    by_hand = make_invoice(make_customer("fake_pending"))
    make_payment(by_hand.customer, by_hand.amount_due_minor, purpose=by_hand.public_id)
    with pytest.raises(InvoiceBeingPaid):
        void_invoice(invoice_id=by_hand.pk, actor=ROBOT, at=AT, reason="Billed twice.")


def test_collecting_follows_a_payment_the_customer_began_by_hand_instead_of_charging_beside_it():
    invoice, attempt = being_collected("fake_pending")
    by_hand = make_payment(invoice.customer, invoice.amount_due_minor, purpose=invoice.public_id)
    assert run_attempt(attempt_id=attempt.pk, actor=ROBOT, at=AT) == "pending"
    attempt.refresh_from_db()
    assert attempt.payment == by_hand.public_id and Payment.objects.count() == 1


# --- the provider's events


def told(kind: str, **facts: Any) -> Effect:
    applier = applier_of(kind)
    assert applier is not None
    ref = str(facts.pop("ref", "x_1"))
    return applier.apply("fake", Answer(Outcome.DONE, ref, status="succeeded", facts=facts), ROBOT, AT)


@pytest.mark.parametrize(("kind", "prefix"), [("payment", "pmt"), ("refund", "ref"), ("card_setup", "cst")])
def test_what_somebody_else_made_at_the_provider_is_of_no_concern_and_what_is_ours_is_waited_for(kind, prefix):
    assert told(kind, reference="") == Effect.NOT_OURS
    assert told(kind, reference="order-17") == Effect.NOT_OURS
    with pytest.raises(NotReady):
        told(kind, reference=f"{prefix}_01jd3k5m6n7p8q9r0s1t2v3w4x")


def test_an_event_says_what_an_answer_would_have_said_and_twice_changes_nothing():
    payment = make_payment(make_customer("fake_unknown_after"))
    there = FakeObject.objects.get(kind="payment")
    facts = {"ref": there.ref, "reference": payment.public_id, "amount_minor": 10_000, "currency": "EUR"}
    assert told("payment", **facts) == Effect.APPLIED
    assert told("payment", **facts) == Effect.SAME
    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor) == (P.SUCCEEDED, 10_000)


def test_a_refund_made_at_the_provider_by_hand_is_kept_for_a_person():
    payment = make_payment()
    with pytest.raises(RefundedElsewhere):
        told("refund", ref="re_9", payment_ref=payment.provider_ref, amount_minor=100, currency="EUR", reference="")


def test_a_finished_card_page_is_heard_of_by_its_event():
    customer = make_customer(method="")
    setup = operations.setup_card(customer_id=customer.pk, return_url="https://x.example/", actor=ROBOT, at=AT, key="s")
    answer = registry.gateway_named("fake").get_setup(provider_ref=setup.provider_ref)
    applier = applier_of("card_setup")
    assert applier is not None and applier.apply("fake", answer, ROBOT, AT) == Effect.APPLIED
    assert CardSetup.objects.get().status == "succeeded"
    assert Customer.objects.get(pk=customer.pk).gateway_method == "fake_ok"
