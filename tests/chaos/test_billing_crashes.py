"""Die at every boundary of renewing and collecting, alone and in pairs, and go on: each period invoiced once, each invoice charged once, no number lost.

The boundaries are those the code declares; the gateway is the fake one, which remembers every charge it made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Sum

from backoffice.kit import failpoints
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import relay
from billing.collection.models import CollectionAttempt
from billing.collection.operations import work
from billing.gateways.models import FakeObject
from billing.invoices.models import Application, Invoice
from billing.invoices.queries import series_state
from billing.payments.operations import work as call
from billing.subscriptions.models import RenewalItem, Subscription
from billing.subscriptions.operations import renew_subscriptions, run_boundaries
from tests.factories.partners import make_partner
from tests.factories.runs import give_money
from tests.factories.sellers import make_seller
from tests.factories.subscriptions import AT, ROBOT, claims_in_place, make_customer, make_price, subscribe

pytestmark = [pytest.mark.chaos, pytest.mark.django_db]
ROOMS = ("billing.subscriptions.", "billing.collection.", "billing.payments.")
BOUNDARIES = [name for name, module in failpoints.BOUNDARIES.items() if module.startswith(ROOMS)]


class Crash(BaseException):
    """The process dies here: nothing below may catch it."""


class Market:
    """Three subscriptions: one pays by card, one out of a balance that is too small and by card, one by a card that charges without an answer."""

    def __init__(self) -> None:
        self.seller = make_seller(partner_id=make_partner().pk)
        partner = make_partner()
        price = make_price()
        customers = [
            make_customer(partner=partner, gateway_method="fake_ok"),
            make_customer(partner=self.seller.partner, seller=self.seller, gateway_method="fake_ok"),
            make_customer(partner=partner, gateway_method="fake_unknown_after"),
        ]
        self.rows = [subscribe(one, price) for one in customers]
        self.hits: Counter[str] = Counter()
        self.at = AT
        self.go([])

    def steps(self) -> list[Callable[[], object]]:
        return [
            lambda: run_boundaries(actor=ROBOT, at=self.at),
            lambda: renew_subscriptions(actor=ROBOT, at=self.at),
            lambda: work(actor=ROBOT, at=self.at),
            lambda: call(at=self.at),
            lambda: relay(at=self.at),
        ]

    def period(self, crashes: list[str]) -> None:
        """Go to the end of the period, give the seller some money, and live through the crashes."""
        self.at = max(row.current_period_end for row in self._fresh())
        give_money(self.seller, 1_000, at=self.at)
        self.go(crashes)

    def go(self, crashes: list[str]) -> None:
        left = list(crashes)
        for _ in range(20):
            try:
                for step in self.steps():
                    self._arm(left)
                    step()
            except Crash:
                left.pop(0)
            else:
                if not left and self.quiet():
                    return
                if self.quiet():
                    left = []  # what was left to die at is not on the way of this recovery
            finally:
                for name in BOUNDARIES:
                    failpoints.hook(name, None)
            self.let_time_pass()
        raise AssertionError(f"not quiet after {crashes}: {list(CollectionAttempt.objects.values_list('status', 'code'))}")

    def let_time_pass(self) -> None:
        """Go past every lease: ours by the time passed in, the gateway's attempts by the database clock."""
        self.at += timedelta(minutes=11)
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE billing_attempt SET next_try_at = next_try_at - interval '1 day', lease_until = lease_until - interval '1 day',
                          last_called_at = last_called_at - interval '1 day' WHERE next_try_at IS NOT NULL"""
            )

    def _arm(self, left: list[str]) -> None:
        for name in BOUNDARIES:
            failpoints.hook(name, self._die(name) if left and left[0] == name else None)

    def _die(self, name: str) -> Callable[[], None]:
        def die() -> None:
            self.hits[name] += 1
            failpoints.hook(name, None)
            raise Crash(name)

        return die

    def _fresh(self) -> list[Subscription]:
        return list(Subscription.objects.filter(pk__in=[row.pk for row in self.rows]))

    def quiet(self) -> bool:
        return not Invoice.objects.exclude(status="paid").exists() and all(
            row.current_period_end > self.at for row in self._fresh()
        )

    def judge(self, crashes: list[str]) -> None:
        periods = Counter(Invoice.objects.values_list("origin", "period_start"))
        assert set(periods.values()) == {1}, f"a period was invoiced twice after {crashes}"
        assert not RenewalItem.objects.exclude(status="done").exists(), f"an item is left after {crashes}"
        assert not any(row["broken"] for row in series_state()), f"a number is missing after {crashes}"
        charged = FakeObject.objects.filter(kind="payment", status="succeeded").aggregate(total=Sum("amount_minor"))["total"]
        applied = Application.objects.filter(source="card").aggregate(total=Sum("amount_minor"))["total"]
        assert charged == applied, f"the provider took {charged} and {applied} were applied after {crashes}"


@pytest.fixture
def market() -> Iterator[Market]:
    with claims_in_place():
        yield Market()
    broken = [verdict for verdict in check_books() if not verdict.ok]
    assert not broken, broken


def test_a_crash_at_every_boundary_of_renewing_and_collecting_is_recovered_from(market: Market) -> None:
    for crashes in [[], *([name] for name in BOUNDARIES)]:
        market.period(crashes)
        market.judge(crashes)

    # asking where an earlier call may have left the gateway takes a crash or an unknown answer before it
    assert set(BOUNDARIES) - set(market.hits) == set()


def test_a_crash_while_recovering_from_a_crash_is_recovered_from(market: Market) -> None:
    pairs = [
        ["renewals.snapshot", "renewals.chunk"],
        ["collection.claimed", "collection.claimed"],
        ["collection.balance_taken", "collection.charged"],
        ["gateway_after_call", "collection.charged"],
        ["gateway_in_record", "gateway_before_record"],
        ["collection.charged", "gateway_after_ask"],
    ]
    for crashes in pairs:
        market.period(crashes)
        market.judge(crashes)
    assert sum(market.hits.values()) >= len(pairs) * 2 - 1
