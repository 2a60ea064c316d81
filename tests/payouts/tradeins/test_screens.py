"""The desk of trade-ins: agreed on the consumer's page, inspected, approved by another, taken back; and what each role may not."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from payouts.tradeins.models import TradeIn
from tests.factories.sellers import make_seller, make_staff
from tests.factories.tradeins import make_consumer

pytestmark = pytest.mark.django_db


def signed(role: str) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def press(client: Client, row: Any, name: str, *, status: int = 200, **asked: Any) -> str:
    """Open the confirm page, send its form, and return what the page said before and after; `status` 409 where it is refused."""
    address = reverse(f"admin:payouts_{row._meta.model_name}_button", args=[row.pk, name])
    page = client.get(address)
    assert page.status_code == 200, (name, page.status_code)
    form = page.context["form"]
    given = {field: form[field].value() or "" for field in form.fields} | {"key": page.context["key"], "back": "/admin/"}
    answer = client.post(address, given | asked, follow=True)
    assert answer.status_code == status, (name, answer.status_code, answer.context and answer.context["form"].errors)
    return page.content.decode() + answer.content.decode()


def test_a_device_is_bought_on_the_desk_by_two_and_taken_back() -> None:
    finance, lead, consumer = signed("finance"), signed("lead"), make_consumer(payee=False)
    press(
        finance, consumer, "agree_trade_in", external_id="desk-1", device="MacBook Air", amount="900.00", serial="C02-XL0GTJGH5"
    )
    row = TradeIn.objects.get(external_id="desk-1")
    press(finance, row, "receive")
    assert "waiting for a second person" in press(finance, row, "accept")
    assert "900.00" in press(lead, row, "approve")

    page = lead.get(reverse("admin:payouts_tradein_change", args=[row.pk])).content.decode()
    for shown in ("MacBook Air", "Not paid by the next run: no payee account", "•••• JGH5", "accepted, to be paid"):
        assert shown in page, shown
    assert "C02XL0GTJGH5" not in page
    found = finance.get(reverse("admin:payouts_tradein_changelist"), {"q": "c02 xl0gtjgh5"}).content.decode()
    assert "MacBook Air" in found
    assert finance.get(reverse("admin:payouts_tradein_button", args=[row.pk, "withdraw"])).status_code in (403, 404)
    press(lead, row, "withdraw", reason="Stolen, says the police.")
    row.refresh_from_db()
    assert row.status == "withdrawn"


def test_a_shop_has_no_button_for_trade_ins_and_support_only_looks() -> None:
    shop, consumer = make_seller(), make_consumer()
    finance, support = signed("finance"), signed("support")
    assert (
        finance.get(reverse("admin:payouts_seller_button", args=[shop.pk, "agree_trade_in"])).status_code == 302
    )  # back to the page, where it does not stand
    page = support.get(reverse("admin:payouts_seller_change", args=[consumer.pk])).content.decode()
    assert "Trade-ins" in page and "Agree on a trade-in" not in page
