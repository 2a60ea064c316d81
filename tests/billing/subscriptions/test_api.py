"""A partner's engineer subscribes a customer, changes and stops it, and lives a year of it in the sandbox: all through the API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.kit import clock
from billing.customers.models import Customer
from billing.invoices.models import Invoice
from billing.subscriptions.operations import run_advances
from tests.factories.partners import ApiClient, make_client
from tests.factories.subscriptions import ROBOT, make_customer, make_price

pytestmark = pytest.mark.django_db


@pytest.fixture
def partner() -> ApiClient:
    return make_client()


@pytest.fixture
def customer(partner: ApiClient) -> Customer:
    return make_customer(partner=partner.partner, gateway_method="fake_ok")


def begin(partner: ApiClient, customer: Customer, **over: object) -> dict:
    price = make_price([{"code": "seat", "measure": "seats", "unit_minor": 3_100}])
    answer = partner.post("subscriptions", {"customer": customer.public_id, "price": price.public_id} | over)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_sandbox_customer_lives_a_year_in_one_request(partner, customer):
    row = begin(partner, customer, seats=2, trial_days=14)
    assert (row["status"], row["seats"]) == ("trialing", 2)
    to = clock.now() + timedelta(days=365)
    wish = partner.post(f"customers/{customer.public_id}/advance", {"to": to.isoformat()}).json()
    assert wish["status"] == "requested"
    assert run_advances(actor=ROBOT, at=clock.now()) == {"done": 1, "failed": 0}
    walked = partner.get(f"customers/{customer.public_id}/advance").json()["data"][0]
    assert (walked["status"], walked["stops"] >= 12) == ("done", True)
    row = partner.get(f"subscriptions/{row['id']}").json()
    invoices = Invoice.objects.filter(customer=customer)
    assert row["status"] == "active" and invoices.count() == 12 and set(invoices.values_list("status", flat=True)) == {"paid"}
    assert set(invoices.values_list("subtotal_minor", flat=True)) == {6_200}


def test_live_customer_has_no_clock(customer):
    live = make_client(partner=make_client().partner)
    live.partner.livemode = True
    live.partner.save()
    other = make_customer(partner=live.partner)
    answer = live.post(f"customers/{other.public_id}/advance", {"to": "2030-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["code"]) == (409, "clock_is_for_tests")


def test_preview_says_what_the_change_then_costs_and_writes_nothing(partner, customer):
    row = begin(partner, customer, trial_days=14)
    preview = partner.post(f"subscriptions/{row['id']}/preview", {"seats": 3})
    assert preview.status_code == 200 and partner.get(f"subscriptions/{row['id']}/change").status_code == 404
    change = partner.post(f"subscriptions/{row['id']}/change", {"seats": 3, "when": "period_end"}).json()
    assert change["status"] == "at_period_end"
    assert partner.get(f"subscriptions/{row['id']}/change").json()["id"] == change["id"]


def test_what_ends_can_be_taken_back_and_what_ended_cannot(partner, customer):
    row = begin(partner, customer, trial_days=14)
    address = f"subscriptions/{row['id']}"
    assert partner.post(f"{address}/cancel", {"reason": "enough"}).json()["cancel_at_period_end"] is True
    assert partner.post(f"{address}/uncancel", {}).json()["cancel_at_period_end"] is False
    assert partner.post(f"{address}/pause", {"reason": "holidays"}).json()["status"] == "paused"
    assert partner.post(f"{address}/resume", {}).status_code == 200
    assert partner.post(f"{address}/cancel", {"reason": "enough", "at_period_end": False}).json()["status"] == "canceled"
    refused = partner.post(f"{address}/cancel", {"reason": "again"})
    assert (refused.status_code, refused.json()["code"]) == (409, "subscription_ended")


@pytest.mark.parametrize(
    ("body", "code"),
    [({"seats": 0}, 422), ({"trial_days": -1}, 422), ({"coupon": "NOBODY"}, 409), ({"start_at": "2020-01-01T00:00:00Z"}, 422)],
)
def test_bad_input_is_a_sentence_and_never_a_trace(partner, customer, body, code):
    wanted = {"customer": customer.public_id, "price": make_price().public_id} | body
    answer = partner.post("subscriptions", wanted)
    assert answer.status_code == code and answer.json()["detail"]
