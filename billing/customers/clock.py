"""Whose time it is: customers under a test clock live in an instant of their own, everybody else in now.

The customer's row is also the lock of everything billed to him: every verb of collection and subscriptions takes it first (behind the seller's).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.transactions import composable
from billing.customers.models import Customer
from payouts.sellers.queries import lock_seller


class ClockIsForTests(Refusal):
    code = "clock_is_for_tests"
    sentence = "Only customers of a partner in test mode have a clock; the time of this one is real."


class ClockRunsForward(Refusal):
    code = "clock_runs_forward"
    sentence = "The clock stands at {clock} and cannot be set back to {to}."


def lock_customers(customer_ids: Iterable[int]) -> dict[int, Customer]:
    """Lock customers in id order until the transaction ends, and return them by id."""
    rows = Customer.objects.select_for_update(no_key=True, of=("self",)).select_related("partner")
    return {row.pk: row for row in rows.filter(pk__in=set(customer_ids)).order_by("pk")}


def lock_customer(customer_id: int) -> Customer:
    """Lock one customer. Refuses: NotFound."""
    found = lock_customers([customer_id])
    if not found:
        raise NotFound(what="customer", ref=customer_id)
    return found[customer_id]


def time_of(customer: Customer, at: datetime) -> datetime:
    """Return the instant this customer's billing lives in."""
    return customer.clock_at or at


@composable
def set_clock(*, customer_id: int, to: datetime) -> Customer:
    """Move a test clock forward, or give one. Refuses: NotFound, ClockIsForTests, ClockRunsForward."""
    customer = lock_customer(customer_id)
    if customer.partner is None or customer.partner.livemode:
        raise ClockIsForTests()
    if customer.clock_at is not None and to < customer.clock_at:
        raise ClockRunsForward(clock=customer.clock_at.isoformat(), to=to.isoformat())
    customer.clock_at = to
    customer.save(update_fields=["clock_at"])
    return customer


def lock_payer(customer_id: int) -> Customer:
    """Lock the seller behind a customer, where there is one, and the customer: the order of every verb that may take from a balance.

    Refuses: NotFound.
    """
    seller_id = Customer.objects.filter(pk=customer_id).values_list("seller_id", flat=True).first()
    if seller_id is not None:
        lock_seller(seller_id)
    return lock_customer(customer_id)
