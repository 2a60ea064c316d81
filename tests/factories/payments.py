"""Customers with cards, a claim to pay for, and payments: for tests, made through the verbs everybody uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from backoffice.kit.actors import Actor, staff, system
from backoffice.kit.ids import new_id
from billing.customers.models import Customer
from billing.payments.models import Payment
from billing.payments.operations import charge
from billing.payments.sockets import Due, Source, claims
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import Leg
from tests.factories.sellers import make_staff

AT = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
ROBOT = system("test")
_numbers = itertools.count(1)


def make_customer(method: str = "fake_ok", **over: Any) -> Customer:
    """Return a customer with a card on file at the fake; columns by keyword."""
    number = next(_numbers)
    columns: dict[str, Any] = {
        "external_id": f"customer-{number}", "name": f"Customer {number}", "country": "FR", "currency": "EUR",
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


class TestClaims:
    """Claims of a room that tests stand in for: what is due, what was paid and given back, booked against a real receivable."""

    __test__ = False

    def __init__(self) -> None:
        self.owed: dict[str, tuple[int, int]] = {}
        self.paid: dict[str, int] = {}
        self.back: dict[str, int] = {}
        self.balance: dict[str, list[Source]] = {}

    def issue(self, customer: Customer, amount_minor: int) -> str:
        """Make a claim of an amount against a customer, booked, and return its id."""
        purpose = new_id("inv")
        legs = [
            Leg("receivable.invoice", customer.pk, "", "EUR", amount_minor),
            Leg("psp.clearing", 0, "test", "EUR", -amount_minor),
        ]
        post(drafts=[Draft("card_refunded", purpose, legs)], actor=ROBOT, at=AT)
        self.owed[purpose] = (customer.pk, amount_minor)
        self.paid[purpose] = self.back[purpose] = 0
        return purpose

    def due(self, *, purpose: str) -> Due:
        customer_id, owed = self.owed[purpose]
        return Due(owed - self.paid[purpose], "EUR", customer_id, customer_id)

    def apply(self, *, purpose: str, amount_minor: int, payment: str, posting_id: int, actor: Actor, at: datetime) -> None:
        self.paid[purpose] += amount_minor

    def unapply(self, *, purpose: str, amount_minor: int, refund: str, posting_id: int, actor: Actor, at: datetime) -> None:
        """Credit what was given back, as the room of invoices does."""
        self.back[purpose] += amount_minor
        legs = [
            Leg("receivable.invoice", self.owed[purpose][0], "", "EUR", -amount_minor),
            Leg("psp.clearing", 0, "test", "EUR", amount_minor),
        ]
        post(drafts=[Draft("card_captured", refund, legs)], actor=actor, at=at)

    def balance_sources(self, *, purpose: str) -> Sequence[Source]:
        return self.balance.get(purpose, [])


@contextmanager
def test_claims() -> Iterator[TestClaims]:
    """Put claims of the test's own behind the prefix of invoices."""
    before = claims.by_prefix.get("inv")
    made = TestClaims()
    claims.plug("inv", made)
    try:
        yield made
    finally:
        claims.unplug("inv")
        if before is not None:
            claims.plug("inv", before)


test_claims.__test__ = False  # type: ignore[attr-defined]
