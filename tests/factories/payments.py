"""Customers with cards, invoices to pay for, and payments: for tests, made through the verbs everybody uses."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from backoffice.kit.actors import Actor, staff, system
from billing.customers.models import Customer
from billing.gateways.port import Answer, Outcome
from billing.invoices.models import Invoice
from billing.payments.attempts import open_attempt_of, withdraw
from billing.payments.models import Payment
from billing.payments.operations import apply_provider_state, charge, request_payment, request_setup
from billing.refunds.operations import request_refund
from payouts.sellers.models import Seller
from tests.factories.billing import line, make_invoice
from tests.factories.sellers import make_staff

AT = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
ROBOT = system("test")
_numbers = itertools.count(1)


def make_customer(method: str = "fake_ok", **over: Any) -> Customer:
    """Return a customer with a card on file at the fake; columns by keyword."""
    number = next(_numbers)
    columns: dict[str, Any] = {
        "external_id": f"payer-{number}", "name": f"Customer {number}", "country": "FR", "currency": "EUR",
        "gateway": "fake", "gateway_customer": f"fkcu_{number}", "gateway_method": method, "created_at": AT,
    }  # fmt: skip
    return Customer.objects.create(**columns | over)


def make_payment(customer: Customer | None = None, amount_minor: int = 10_000, **over: Any) -> Payment:
    """Return a payment charged on the customer's card (100.00 EUR for an order of its own); facts of `charge` by keyword."""
    number = next(_numbers)
    facts: dict[str, Any] = {
        "customer_id": (customer or make_customer()).pk, "amount_minor": amount_minor, "currency": "EUR", "purpose": f"order-{number}",
        "off_session": True, "actor": ROBOT, "at": AT, "key": f"make_payment:{number}",
    }  # fmt: skip
    return charge(**facts | over)


def people() -> tuple[Actor, Actor]:
    """Return a maker and a checker."""
    return staff(make_staff("finance").pk), staff(make_staff("lead").pk)


def pay_and_refund(customer: Customer) -> dict[str, str]:
    """Let a customer pay an order with a card of its own, ask for a part back, and be asked for a card; return the ids."""
    payment = make_payment(customer, 4_000, method_ref="fake_ok", gateway="fake")
    refund = request_refund(
        payment_id=payment.pk, amount_minor=1_000, reason="A scratch.", actor=ROBOT, at=AT, key=f"pay_and_refund:{payment.pk}"
    )
    setup = request_setup(
        customer_id=customer.pk, return_url="https://shop.example/done", actor=ROBOT, at=AT, key=f"pay_and_refund:{customer.pk}"
    )
    return {"payment_id": payment.public_id, "refund_id": refund.public_id, "setup_id": setup.public_id}


def pay_at_stripe(seller: Seller, order: str, charge_ref: str, amount_minor: int = 100_000) -> Payment:
    """Return a payment of an order that Stripe has taken; what it said is applied as an event would."""
    customer = make_customer("pm_card_visa", gateway="stripe", gateway_customer=f"cus_{charge_ref}")
    asked = request_payment(
        customer_id=customer.pk, amount_minor=amount_minor, currency="EUR", purpose=order, off_session=False, seller_id=seller.pk,
        gateway="stripe", actor=ROBOT, at=AT, key=charge_ref,
    )  # fmt: skip
    waiting = open_attempt_of("charge", asked.public_id)
    assert waiting is not None
    withdraw(attempt=waiting, actor=ROBOT, at=AT, reason="The shop charged by itself.")
    facts = {"amount_minor": amount_minor, "currency": "EUR", "charge_ref": charge_ref}
    said = Answer(Outcome.DONE, f"pi_of_{charge_ref}", status="succeeded", facts=facts)
    apply_provider_state(payment_id=asked.pk, answer=said, actor=ROBOT, at=AT)
    return Payment.objects.get(pk=asked.pk)


def make_claim(customer: Customer, amount_minor: int, **over: Any) -> str:
    """Return the id of an issued invoice of exactly this amount, tax included: its line is exempt."""
    drafted: dict[str, Any] = {"lines": [line(amount_minor, tax_code="exempt")], "at": AT}
    return make_invoice(customer, **drafted | over).public_id


def claim_of(purpose: str) -> Invoice:
    """Return the invoice behind a claim, as it stands."""
    return Invoice.objects.get(public_id=purpose)
