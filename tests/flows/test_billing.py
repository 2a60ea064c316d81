"""The life of one subscription through every room of billing, by the doors everybody uses; the books are clean after every step.

Trial, a charge that fails, dunning, the balance pays, a new card, an upgrade in the middle of the period, a refund, a dispute that is lost. The card
provider is a process-local double of Stripe behind our real gateway, and its events come through the real door.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.test import Client

from backoffice.kit import clock
from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import relay
from billing.collection.models import Collection, CollectionAttempt
from billing.collection.operations import work as collect
from billing.customers.models import Customer
from billing.disputes.models import Dispute
from billing.gateways import registry
from billing.invoices.models import Invoice
from billing.payments.models import CardSetup, Payment
from billing.payments.operations import setup_card
from billing.payments.operations import work as call_gateways
from billing.refunds.models import Refund
from billing.refunds.operations import refund_claim, refundable
from billing.refunds.requesting import NothingPaid
from billing.subscriptions.models import Subscription
from billing.subscriptions.operations import change_subscription, renew_subscriptions
from billing.webhooks.models import InboundEvent
from billing.webhooks.operations import work as process_events
from payouts.holds.operations import mature_earnings
from payouts.ledger.operations import account_of
from payouts.ledger.queries import balance
from payouts.sellers.models import Seller
from tests.factories.billing import make_customer
from tests.factories.earnings import buckets, make_line, record
from tests.factories.sellers import make_seller
from tests.factories.stripe_double import SECRET, StripeDouble, stripe_double
from tests.factories.subscriptions import ROBOT, make_price, subscribe

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
SEAT = [{"code": "seat", "measure": "seats", "text": "Seat", "unit_minor": 3_000}]


@pytest.fixture
def provider(settings) -> Iterator[StripeDouble]:
    with stripe_double() as (double, url):
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, settings.STRIPE_WEBHOOK_SECRETS = "sk_test_double", url, [SECRET]
        registry.forget()
        yield double
    registry.forget()


class Story:
    """Who plays, and the moves of the world around them."""

    def __init__(self, provider: StripeDouble) -> None:
        self.provider, self.client = provider, Client()
        self.delivered = 0
        self.seller: Seller = make_seller()
        self.customer: Customer = make_customer(self.seller)
        self.begin: datetime = clock.now().replace(microsecond=0) - 60 * DAY

    def hear(self, at: datetime) -> None:
        """Let the provider's new events come through the door, be processed, and the news spread; then look at the books."""
        fresh = self.provider.deliveries()[self.delivered :]
        self.delivered += len(fresh)
        for body, signature in fresh:
            answer = self.client.post("/webhooks/stripe/", body, "application/json", HTTP_STRIPE_SIGNATURE=signature)
            assert answer.status_code == 200, answer.content
        process_events(at=clock.now() + timedelta(minutes=1))
        while relay(at=max(at, clock.now())):
            pass
        assert not InboundEvent.objects.filter(state__in=["received", "processing", "retry", "dead"]).exists()
        self.books()

    def books(self) -> None:
        broken = [verdict for verdict in check_books() if not verdict.ok]
        assert not broken, broken

    def card(self, method: str, at: datetime) -> None:
        """Put a card on file on the provider's page."""
        setup = setup_card(
            customer_id=self.customer.pk, return_url="https://shop.example/done", actor=ROBOT, at=at, key=f"card:{method}"
        )
        self.provider.complete_setup(setup.provider_ref, method)
        self.hear(at)
        assert CardSetup.objects.get(pk=setup.pk).status == "succeeded"
        assert Customer.objects.get(pk=self.customer.pk).gateway_method == method

    def pay(self, at: datetime) -> dict[str, int]:
        counts = collect(actor=ROBOT, at=at)
        self.hear(at)
        return counts

    def receivable(self) -> int:
        account = account_of("receivable.invoice", self.customer.pk, "EUR")
        return balance(account.pk) if account else 0


def fresh(row: Subscription) -> Subscription:
    return Subscription.objects.get(pk=row.pk)


def test_a_subscription_lives_through_every_room_and_the_books_hold_at_every_step(provider):
    story = Story(provider)
    at = story.begin
    story.card("pm_card_visa_chargeDeclinedInsufficientFunds", at)
    row = subscribe(story.customer, make_price(SEAT), trial_days=14, at=at)
    story.hear(at)
    assert row.status == "trialing" and not Invoice.objects.exists()

    # the trial ends, nothing is on the balance, and the card is declined
    at += 14 * DAY
    renew_subscriptions(actor=ROBOT, at=at)
    first = Invoice.objects.get()
    assert (first.status, first.total_minor, story.receivable()) == ("open", 3_600, 3_600)
    assert story.pay(at) == {"failed": 1}
    assert fresh(row).status == "past_due"
    assert Payment.objects.get().decline_code == "card_declined/insufficient_funds"

    # dunning asks once more, in vain; then the seller earns, and the balance pays before dunning comes again
    at += 2 * DAY
    assert story.pay(at) == {"failed": 1}
    sale = make_line(story.seller, gross="41.00", fee="1.00", occurred_at=(at - 20 * DAY).isoformat())
    record(sale, at=at)
    mature_earnings(actor=ROBOT, at=at + DAY)
    story.hear(at + DAY)
    first.refresh_from_db()
    assert (first.status, fresh(row).status, buckets(story.seller)) == ("paid", "active", {"available": 400})
    assert not CollectionAttempt.objects.filter(status="planned").exists() and story.receivable() == 0

    # two more seats in the middle of the period, on a new card: they count once they are paid, by the balance and by the card
    at += 5 * DAY
    story.card("pm_card_visa", at)
    change = change_subscription(subscription_id=row.pk, seats=3, key="up", actor=ROBOT, at=at)
    assert (change.status, fresh(row).seats, buckets(story.seller)) == ("awaiting_payment", 1, {})
    assert story.pay(at) == {"succeeded": 1}
    change.refresh_from_db()
    second = Invoice.objects.get(public_id=change.invoice)
    paid = Payment.objects.get(status="succeeded")
    assert (change.status, fresh(row).seats, second.status) == ("applied", 3, "paid")
    assert (paid.purpose, paid.captured_minor) == (second.public_id, second.total_minor - 400)
    assert provider.charged() == {paid.public_id: 1}

    # a third goes back, to each source its part, with its credit note
    part = second.total_minor // 3
    refund_claim(purpose=second.public_id, amount_minor=part, reason="A day without service.", actor=ROBOT, at=at, key="back")
    call_gateways(at=at)
    story.hear(at)
    second.refresh_from_db()
    assert (second.status, second.credited_minor, story.receivable()) == ("paid", part, 0)
    assert set(Refund.objects.values_list("status", flat=True)) == {"succeeded"} and second.credit_notes.count() == 2
    card_part = Refund.objects.get(source="card").amount_minor
    assert card_part + buckets(story.seller)["available"] == part
    assert provider.refunded() == {Refund.objects.get(source="card").public_id: 1}

    # the next period is invoiced; before it is collected, the bank disputes the charge: nothing more is taken, nothing more goes back
    at = fresh(row).current_period_end
    renew_subscriptions(actor=ROBOT, at=at)
    third = Invoice.objects.latest("id")
    assert (third.total_minor, CollectionAttempt.objects.filter(status="planned").count()) == (10_800, 1)
    dispute = provider.open_dispute(paid.provider_ref, paid.captured_minor - card_part)
    story.hear(at)
    paid.refresh_from_db()
    assert Collection.objects.get(invoice=third.public_id).status == "stopped" and story.pay(at) == {}
    assert paid.disputed_minor == paid.captured_minor - card_part
    left = 400 - (part - card_part)
    assert refundable(paid) == 0
    with pytest.raises(NothingPaid):
        refund_claim(purpose=second.public_id, amount_minor=left + 1, reason="Too late.", actor=ROBOT, at=at, key="late")

    provider.close_dispute(dispute["id"], won=False)
    story.hear(at)
    lost = Dispute.objects.get()
    assert (lost.status, lost.purpose, lost.payment, lost.settled_minor) == (
        "lost", "invoice", paid.public_id, paid.disputed_minor,
    )  # fmt: skip
    assert story.receivable() == third.total_minor
