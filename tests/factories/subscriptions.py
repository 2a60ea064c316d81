"""Customers, plans and subscriptions for tests; invoices and payments as small honest rooms that keep their rows in memory.

The rooms behave as their sockets promise: an issued invoice is open or, at zero, paid; a balance gives what it has; a card answers what the test says
next, and the same key answers the same again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from backoffice.kit.actors import Actor, system
from backoffice.kit.ids import new_id
from billing.collection.sockets import ChargeFacts, InvoiceDraft, InvoiceFacts, rooms
from billing.customers.models import Customer
from billing.plans.models import Plan, Price
from billing.plans.operations import add_price, create_plan
from billing.subscriptions.models import Subscription
from billing.subscriptions.operations import create_subscription
from tests.factories.partners import make_partner

AT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
ROBOT = system("test")
FLAT = [{"code": "base", "text": "Base fee", "unit_minor": 3_000}]
_numbers = itertools.count(1)


@dataclass
class Invoice:
    row_id: int
    public_id: str
    draft: InvoiceDraft
    due_minor: int
    status: str
    at: datetime
    paid: list[tuple[str, int]] = field(default_factory=list)

    @property
    def facts(self) -> InvoiceFacts:
        return InvoiceFacts(self.row_id, self.public_id, self.status, self.due_minor, self.draft.currency)

    def pay(self, source: str, amount: int) -> None:
        assert self.status == "open" and 0 < amount <= self.due_minor
        self.paid.append((source, amount))
        self.due_minor -= amount
        self.status = "open" if self.due_minor else "paid"


@dataclass
class Till:
    """The rooms of invoices and payments, and the balances and cards behind them."""

    invoices: dict[str, Invoice] = field(default_factory=dict)
    balances: dict[int, int] = field(default_factory=dict)  # by customer id
    answers: list[tuple[str, str]] = field(default_factory=list)  # (status, code) of the next charges; then `usual`
    usual: tuple[str, str] = ("succeeded", "")
    charges: dict[str, ChargeFacts] = field(default_factory=dict)
    crash_after_charge: bool = False
    refuse_drafts_of: set[str] = field(default_factory=set)
    _taken: dict[str, int] = field(default_factory=dict)

    def issue(self, *, drafts: Sequence[InvoiceDraft], actor: Actor, at: datetime) -> list[InvoiceFacts]:
        return [self._issue(one, at).facts for one in drafts]

    def _issue(self, one: InvoiceDraft, at: datetime) -> Invoice:
        if one.origin in self.refuse_drafts_of:
            raise RuntimeError("no tax is decided for this one")
        found = next((row for row in self.invoices.values() if row.draft.key == one.key), None)
        if found is None:
            total = sum(line.amount_minor for line in one.lines)
            assert one.lines and total >= 0
            found = Invoice(len(self.invoices) + 1, new_id("inv"), one, total, "open" if total else "paid", at)
            self.invoices[found.public_id] = found
        return found

    def facts(self, *, invoice: str) -> InvoiceFacts:
        return self.invoices[invoice].facts

    def from_balance(self, *, invoice: str, actor: Actor, at: datetime, key: str) -> int:
        if key not in self._taken:
            row = self.invoices[invoice]
            taken = min(self.balances.get(row.draft.customer_id, 0), row.due_minor)
            if taken:
                row.pay("balance", taken)
                self.balances[row.draft.customer_id] -= taken
            self._taken[key] = taken
        return self._taken[key]

    def void(self, *, invoice: str, actor: Actor, at: datetime, reason: str) -> None:
        row = self.invoices[invoice]
        assert row.status == "open" and not row.paid and reason
        row.status, row.due_minor = "void", 0

    def charge(self, *, customer_id: int, amount_minor: int, currency: str, invoice: str, key: str, **facts: Any) -> ChargeFacts:
        if key not in self.charges:
            status, code = self.answers.pop(0) if self.answers else self.usual
            self.charges[key] = ChargeFacts(new_id("pmt"), status, code, retryable=status != "succeeded")
            if status == "succeeded":
                self.invoices[invoice].pay("card", amount_minor)
        if self.crash_after_charge:
            self.crash_after_charge = False
            raise KeyboardInterrupt
        return self.charges[key]

    def arrive(self, payment: str) -> None:
        """Let a payment that was on its way succeed, as its room would apply it."""
        (key,) = [key for key, made in self.charges.items() if made.payment == payment]
        attempt_invoice = self._invoice_of(key)
        attempt_invoice.pay("card", attempt_invoice.due_minor)

    def _invoice_of(self, key: str) -> Invoice:
        from billing.collection.models import CollectionAttempt

        return self.invoices[CollectionAttempt.objects.get(public_id=key).collection.invoice]

    @property
    def of(self) -> list[Invoice]:
        return list(self.invoices.values())


@contextmanager
def till_in_place() -> Iterator[Till]:
    """Plug a till instead of the rooms, and the rooms again afterwards."""
    before = rooms.invoices_room, rooms.payments_room
    till = Till()
    rooms.invoices_room = rooms.payments_room = till
    try:
        yield till
    finally:
        rooms.invoices_room, rooms.payments_room = before


def make_customer(**over: Any) -> Customer:
    """Return a customer of a partner in test mode, with a card; `seller`, `clock_at` and other columns by keyword."""
    number = next(_numbers)
    facts: dict[str, Any] = {
        "external_id": f"subscriber-{number}", "name": f"Customer {number}", "country": "FR", "currency": "EUR", "gateway": "fake",
        "gateway_customer": f"c{number}", "gateway_method": f"m{number}", "created_at": AT,
    }  # fmt: skip
    if "partner" not in over:
        over["partner"] = make_partner()
    return Customer.objects.create(**facts | over)


def make_plan(**over: Any) -> Plan:
    number = next(_numbers)
    facts: dict[str, Any] = {"code": f"plan-{number}", "name": f"Plan {number}", "actor": ROBOT, "at": AT}
    return create_plan(**facts | over)


def make_price(components: Any = None, plan: Plan | None = None, **over: Any) -> Price:
    """Return a price of 30.00 EUR a month, of a new plan unless one is given."""
    facts: dict[str, Any] = {"currency": "EUR", "interval": "month", "actor": ROBOT, "at": AT}
    made = add_price(plan_id=(plan or make_plan()).pk, components=components or FLAT, **facts | over)
    return Price.objects.select_related("plan").get(pk=made.pk)


def subscribe(customer: Customer | None = None, price: Price | None = None, **over: Any) -> Subscription:
    facts: dict[str, Any] = {"actor": ROBOT, "at": AT, "key": f"subscribe:{next(_numbers)}"}
    customer, price = customer or make_customer(), price or make_price()
    made = create_subscription(customer_id=customer.pk, price_id=price.pk, **facts | over)
    return Subscription.objects.select_related("customer", "price__plan").get(pk=made.pk)


@contextmanager
def claims_in_place() -> Iterator[None]:
    """Let payments find invoices behind their purposes, as the wing plugs them."""
    from billing.invoices.claims import InvoiceClaims
    from billing.payments.sockets import claims

    before = claims.by_prefix.get("inv")
    if before is None:
        claims.plug("inv", InvoiceClaims())  # type: ignore[arg-type]
    try:
        yield
    finally:
        if before is None:
            claims.unplug("inv")


def furnish(at: datetime) -> Subscription:
    """Put one of everything of the screens of plans, subscriptions and collection into a marketplace: renewed, paid, with a change that waits."""
    from billing.collection.operations import place_brake, work
    from billing.plans.operations import create_coupon
    from billing.subscriptions.operations import change_subscription, renew_subscriptions

    early = at - timedelta(days=40)
    code = f"FURNISH{next(_numbers)}"
    create_coupon(code=code, duration="once", basis_points=1_000, actor=ROBOT, at=early)
    price = make_price([{"code": "seat", "text": "Seats", "measure": "seats", "unit_minor": 900}], at=early)
    row = subscribe(make_customer(gateway_method="fake_ok", created_at=early), price, seats=3, coupon=code, at=early)
    work(actor=ROBOT, at=early)
    renew_subscriptions(actor=ROBOT, at=at)
    work(actor=ROBOT, at=at)
    change_subscription(subscription_id=row.pk, seats=1, when="period_end", key="furnish", actor=ROBOT, at=at)
    place_brake(scope="collecting", reason="A look at double charges.", customer_id=row.customer_id, actor=ROBOT, at=at)
    return row
