"""What the demo marketplace bills its sellers: plans, subscriptions in many states, invoices paid and overdue, a credit note; through the real verbs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count

from backoffice.kit.actors import Actor, system
from billing.collection.operations import work
from billing.customers.models import Customer
from billing.customers.operations import accept_vat_number, customer_of_seller, set_gateway, update_customer
from billing.invoices.models import Invoice
from billing.invoices.operations import CreditLine, LineDraft, draft_invoice, finalise_invoice, issue_credit_note
from billing.invoices.states import InvoiceStatus
from billing.plans.models import Price
from billing.plans.operations import add_price, create_coupon, create_plan
from billing.subscriptions.operations import (
    cancel_subscription,
    change_subscription,
    create_subscription,
    pause_subscription,
    renew_subscriptions,
    run_boundaries,
)
from payouts.sellers.models import Seller

ROBOT = system("seed_demo")
EVERY = 2  # the schedule looks in every other day: the demo has to be ready soon
BEGINS_BEFORE_END = 40
DECLINED_BEFORE_END = 12  # so that the dunning of a bill of two weeks is under way at the end
NAMES = 12
_SEATS: dict[str, Any] = {"code": "seat", "text": "Seats", "measure": "seats", "unit_minor": 400, "included": 1}
_SALES: dict[str, Any] = {"code": "sales", "text": "Sales beyond 20", "measure": "sales_count", "unit_minor": 25, "included": 20}


@dataclass
class DemoBilling:
    """The billing of the demo under way: who pays for what, and until when it runs."""

    people: dict[str, Actor]
    begins_on: date
    end: date
    prices: dict[str, Price] = field(default_factory=dict)
    subscriptions: dict[str, int] = field(default_factory=dict)

    def day(self, day: date) -> None:
        """Do what the schedule does on a day; on the first one, the sellers subscribe."""
        at = datetime.combine(day, time(9), tzinfo=UTC)
        if day == self.begins_on:
            self._begin(at)
        if day < self.begins_on or ((day - self.begins_on).days % EVERY and day != self.end):
            return
        if (self.end - day).days <= DECLINED_BEFORE_END and "declined" in self.subscriptions:
            with transaction.atomic():
                set_gateway(customer_id=self._of("declined").pk, gateway_method="fake_declined", actor=ROBOT, at=at)
        run_boundaries(actor=ROBOT, at=at)
        renew_subscriptions(actor=ROBOT, at=at)
        work(actor=ROBOT, at=at)
        if day == self.begins_on:
            self._then(at)

    def _begin(self, at: datetime) -> None:
        with transaction.atomic():
            self._plans(at)
        euro = Seller.objects.filter(currency="EUR", status="active").order_by("-pk")
        sellers, germans = euro.exclude(country="DE")[:10], euro.filter(country="DE")[:2]
        names = ["paid", "credited", "seats", "trial", "card", "declined", "ends", "paused", "less", "later"]
        for name, seller in zip(names, sellers, strict=False):
            self._subscribe(name, self._customer(seller, at), at)
        for name, seller in zip(["unchecked", "reverse"], germans, strict=False):
            self._subscribe(name, self._german(seller, name, at), at)

    def _plans(self, at: datetime) -> None:
        said: dict[str, Any] = {"actor": ROBOT, "at": at}
        starter = create_plan(code="starter", name="Starter", description="Sell up to 100 devices at a time.", due_days=7, **said)
        pro = create_plan(
            code="pro", name="Pro", description="Seats for a team, and a fee on each sale beyond 20.", due_days=7, **said
        )
        tools = create_plan(
            code="tools", name="Listing tools", description="Import and repricing.", collection="card_only", **said
        )
        base: dict[str, Any] = {"code": "base", "text": "Base fee"}
        wanted = [
            ("starter", starter, "month", 1, [base | {"unit_minor": 1_900}]),
            ("pro", pro, "month", 1, [base | {"unit_minor": 4_900}, _SEATS, _SALES]),
            ("pro-yearly", pro, "year", 1, [base | {"unit_minor": 49_000}, _SEATS | {"unit_minor": 4_000}]),
            ("tools", tools, "week", 2, [base | {"unit_minor": 900}]),
        ]
        for name, plan, interval, count, parts in wanted:
            self.prices[name] = add_price(
                plan_id=plan.pk, currency="EUR", interval=interval, interval_count=count, components=parts, **said
            )
        create_coupon(code="WELCOME", duration="repeating", invoices=2, basis_points=5_000, plan_id=pro.pk, **said)

    @transaction.atomic
    def _customer(self, seller: Seller, at: datetime, card: str = "fake_ok") -> Customer:
        customer = customer_of_seller(seller_id=seller.pk, actor=ROBOT, at=at)
        reference = f"demo_{seller.external_id}"
        return set_gateway(
            customer_id=customer.pk, gateway="fake", gateway_customer=reference, gateway_method=card, actor=ROBOT, at=at
        )

    @transaction.atomic
    def _german(self, seller: Seller, name: str, at: datetime) -> Customer:
        """A German business: taxed by reverse charge once its VAT number was checked, and not invoiced before."""
        customer = self._customer(seller, at)
        customer = update_customer(customer_id=customer.pk, changes={"vat_number": "DE136695976"}, actor=ROBOT, at=at)
        if name == "reverse":
            accept_vat_number(
                customer_id=customer.pk, actor=self.people["finance"], at=at, reason="Certificate of the tax office, on file."
            )
        return customer

    @transaction.atomic
    def _subscribe(self, name: str, customer: Customer, at: datetime) -> None:
        price = {"seats": "pro", "trial": "pro", "less": "pro", "card": "tools", "declined": "tools"}.get(name, "starter")
        more: dict[str, dict[str, Any]] = {
            "seats": {"seats": 4, "coupon": "WELCOME"},
            "trial": {"trial_days": (self.end - self.begins_on).days + 4},
            "less": {"seats": 6},
            "later": {"start_at": at + (self.end - self.begins_on + timedelta(days=9))},
            "unchecked": {"start_at": datetime.combine(self.end, time(8), tzinfo=UTC)},
        }
        row = create_subscription(
            customer_id=customer.pk, price_id=self.prices[price].pk, actor=ROBOT, at=at, key=f"demo:{name}", **more.get(name, {})
        )
        self.subscriptions[name] = row.pk

    def _then(self, at: datetime) -> None:
        """Let things happen once the first invoices are paid: an end, a pause, fewer seats, a credit."""
        said: dict[str, Any] = {"actor": ROBOT, "at": at}
        if len(self.subscriptions) < NAMES:
            return  # a marketplace too small to show everything
        with transaction.atomic():
            ends_at = datetime.combine(self.end, time(12), tzinfo=UTC) + timedelta(days=6)
            cancel_subscription(subscription_id=self.subscriptions["ends"], reason="Closes the shop.", cancel_at=ends_at, **said)
            pause_subscription(subscription_id=self.subscriptions["paused"], reason="Two months of holidays.", **said)
            change_subscription(subscription_id=self.subscriptions["less"], seats=2, when="period_end", key="demo:less", **said)
            self._services(at, self.people["lead"])

    def _services(self, at: datetime, lead: Actor) -> None:
        """Issue two invoices by hand: one that becomes overdue, one of which a part is credited."""
        slow, credited = (self._of(name) for name in ("declined", "credited"))
        for name, customer in (("slow", slow), ("credited", credited)):
            line = LineDraft("Photographs of 40 devices", Decimal(40), 350, 14_000, "standard")
            draft = draft_invoice(
                customer_id=customer.pk, currency="EUR", lines=[line], period_start=at.date(), period_end=at.date(), collection="manual",
                due_days=10, origin="photographs", key=f"demo:{name}", actor=lead, at=at,
            )  # fmt: skip
            invoice = finalise_invoice(invoice_id=draft.pk, actor=lead, at=at)
            if name == "credited" and invoice.status == InvoiceStatus.OPEN:
                issue_credit_note(
                    invoice_id=invoice.pk, lines=[CreditLine(1, 3_500)], settlement="offset", reason_code="service",
                    reason="Ten photographs were out of focus.", actor=lead, at=at, key="demo:credit",
                )  # fmt: skip

    def _of(self, name: str) -> Customer:
        return Customer.objects.get(subscriptions=self.subscriptions[name])


def demo_billing(*, people: dict[str, Actor], days: int, end: date) -> DemoBilling:
    """Return the demo's billing; it begins in time for a renewal where the demo has so many days."""
    return DemoBilling(people, end - timedelta(days=min(max(days - 2, 1), BEGINS_BEFORE_END)), end)


def billed() -> dict[str, int]:
    """Return what came of it: invoices by status."""
    counted = Invoice.objects.values_list("status").annotate(count=Count("id"))
    return dict(counted.order_by("status"))
