"""The desk of subscriptions: a coupon for one that runs, and a test clock that only test customers have."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from backoffice.kit import clock
from billing.plans.operations import create_coupon
from billing.subscriptions.models import ClockAdvance, Redemption
from tests.billing.invoices.test_screens import press, signed
from tests.factories.partners import make_partner
from tests.factories.subscriptions import AT, ROBOT, make_customer, subscribe, till_in_place

pytestmark = pytest.mark.django_db


def test_a_running_subscription_is_given_a_coupon_on_its_page() -> None:
    create_coupon(code="LOYAL", duration="once", basis_points=2_500, actor=ROBOT, at=AT)
    with till_in_place():
        row = subscribe()
        assert "counts from the next invoice on" in press(signed("finance"), row, "coupon", coupon="loyal")
    assert Redemption.objects.get(subscription=row).coupon.code == "LOYAL"


def test_the_clock_of_a_test_customer_is_advanced_on_its_page_and_a_live_one_has_none() -> None:
    finance, customer, live = signed("finance"), make_customer(), make_customer(partner=make_partner())
    live.partner.livemode = True
    live.partner.save()
    to = (clock.now() + timedelta(days=40)).replace(second=0, microsecond=0)
    press(finance, customer, "advance", to=f"{to:%Y-%m-%dT%H:%M}")
    assert ClockAdvance.objects.get(customer=customer).status == "requested"
    assert finance.get(reverse("admin:billing_customer_panel", args=[customer.pk, "clock"])).status_code == 200
    assert (
        finance.get(reverse("admin:billing_customer_button", args=[live.pk, "advance"])).status_code == 302
    )  # back to the page, where it does not stand
