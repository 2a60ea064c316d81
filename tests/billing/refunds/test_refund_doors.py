"""Refunds through the doors people and partners use: the API, the desk and its buttons."""

from __future__ import annotations

import pytest
from django.urls import reverse

from billing.invoices.operations import collect_from_balance
from billing.payments.operations import work
from billing.refunds.models import Refund, RefundLimit
from billing.refunds.operations import request_refund
from billing.refunds.states import RefundStatus
from tests.billing.invoices.test_screens import press, signed
from tests.factories.partners import make_client
from tests.factories.payments import AT, ROBOT, claim_of, make_claim, make_customer, make_payment
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]
R = RefundStatus


def test_a_partner_gives_back_a_part_reads_it_and_takes_another_back():
    owner = make_client()
    payment = make_payment(make_customer(partner=owner.partner), 10_000)
    asked = {"payment": payment.public_id, "amount": {"amount_minor": 4_000, "currency": "EUR"}, "reason": "A scratch."}
    (made,) = owner.post("refunds", asked).json()["refunds"]
    assert (made["status"], made["destination"], made["amount"]["amount_minor"]) == ("approved", "card", 4_000)
    work(at=AT)
    assert owner.get(f"refunds/{made['id']}").json()["status"] == "succeeded"
    (other,) = owner.post("refunds", asked | {"amount": {"amount_minor": 1_000, "currency": "EUR"}}).json()["refunds"]
    assert owner.post(f"refunds/{other['id']}/cancel", {"reason": "Kept."}).json()["status"] == "canceled"
    too_much = owner.post("refunds", asked | {"amount": {"amount_minor": 6_001, "currency": "EUR"}})
    assert (too_much.status_code, too_much.json()["code"]) == (409, "refund_exceeds_captured")
    assert [one["id"] for one in owner.get(f"refunds?payment={payment.public_id}&status=succeeded").json()["data"]] == [
        made["id"]
    ]


def test_an_invoice_gives_to_each_source_its_part_by_one_request():
    owner = make_client()
    seller = make_seller(partner_id=owner.partner.pk)
    customer = make_customer(seller=seller, partner=owner.partner)
    purpose = make_claim(customer, 9_000)
    give_money(seller, 3_000)
    collect_from_balance(invoice_id=claim_of(purpose).pk, actor=ROBOT, at=AT, key="b")
    make_payment(customer, 6_000, purpose=purpose)
    asked = {"invoice": purpose, "amount": {"amount_minor": 3_000, "currency": "EUR"}, "reason": "Down for a day."}
    made = owner.post("refunds", asked).json()["refunds"]
    assert [(one["destination"], one["amount"]["amount_minor"]) for one in made] == [("card", 2_000), ("balance", 1_000)]
    work(at=AT)
    assert claim_of(purpose).credited_minor == 3_000


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"invoice": "inv_01jd3k5m6n7p8q9r0s1t2v3w4x"}, "payment_or_invoice"),
        ({"amount": {"amount_minor": 100, "currency": "USD"}}, "other_currency"),
        ({"amount": {"amount_minor": -100, "currency": "EUR"}}, "amount_not_positive"),
    ],
)
def test_what_cannot_be_given_back_is_named(change, code):
    owner = make_client()
    payment = make_payment(make_customer(partner=owner.partner))
    asked = {"payment": payment.public_id, "amount": {"amount_minor": 100, "currency": "EUR"}, "reason": "A scratch."}
    answer = owner.post("refunds", asked | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_refund_above_the_limit_is_asked_for_on_the_payments_page_and_approved_by_another():
    finance, lead = signed("finance"), signed("lead")
    payment = make_payment(make_customer(), 90_000)
    said = press(finance, payment, "refund", amount="900.00", cause="other", reason="The parcel was lost.")
    assert "Can still be given back" in said and "wait for a second person" in said
    refund = Refund.objects.get()
    assert refund.status == R.REQUESTED
    assert finance.get(reverse("admin:billing_refund_button", args=[refund.pk, "approve"])).status_code == 403
    queue = lead.get(reverse("admin:billing_refund_changelist") + "?queue=refunds_to_approve").content.decode()
    assert f"/refund/{refund.pk}/" in queue
    confirm = press(lead, refund, "approve", reason="Seen the carrier's answer.")
    assert "The parcel was lost." in confirm and "above the limit for one person" in confirm
    work(at=AT)
    refund.refresh_from_db()
    assert (refund.status, bool(refund.checker)) == (R.SUCCEEDED, True)


def test_a_lead_cannot_approve_what_the_same_lead_asked_for():
    lead = signed("lead")
    payment = make_payment(make_customer(), 90_000)
    press(lead, payment, "refund", amount="900.00", cause="other", reason="The parcel was lost.")
    refund = Refund.objects.get()
    press(lead, refund, "approve", status=409, reason="Myself.")
    refund.refresh_from_db()
    assert refund.status == R.REQUESTED


def test_a_failed_refund_is_asked_for_again_or_dealt_with_and_leaves_the_queue():
    finance = signed("finance")
    payment = make_payment(make_customer("fake_refund_refused"), 5_000)
    refund = request_refund(payment_id=payment.pk, amount_minor=2_000, reason="A scratch.", actor=ROBOT, at=AT, key="f")
    work(at=AT)
    refund.refresh_from_db()
    assert refund.status == R.FAILED
    stuck = reverse("admin:billing_refund_changelist") + "?queue=refunds_stuck"
    assert f"/refund/{refund.pk}/" in finance.get(stuck).content.decode()
    press(finance, refund, "again")
    again = Refund.objects.latest("pk")
    work(at=AT)
    press(finance, again, "close", reason="Paid by transfer.")
    text = finance.get(stuck).content.decode()
    assert f"/refund/{refund.pk}/" not in text and f"/refund/{again.pk}/" not in text


def test_a_limit_is_proposed_and_approved_on_the_desk_by_two_leads():
    one, other = signed("lead"), signed("lead")
    address = reverse("admin:billing_refundlimit_list_button", args=["propose"])
    page = one.get(address)
    given = {"currency": "EUR", "amount": "10.00", "reason": "Too many.", "key": page.context["key"], "back": "/admin/"}
    assert one.post(address, given, follow=True).status_code == 200
    proposed = RefundLimit.objects.get(state="proposed")
    press(one, proposed, "approve", status=409, reason="Mine.")
    proposed.refresh_from_db()
    assert proposed.state == "proposed"
    press(other, proposed, "approve", reason="Agreed.")
    proposed.refresh_from_db()
    assert (proposed.state, proposed.limit_minor) == ("in_force", 1_000)
