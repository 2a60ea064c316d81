"""Lists: pages by key that miss nothing, searches that hit, filters one can see and take off, queries that do not grow."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from backoffice.kit.admin import OperatorAdmin
from payouts.runs.models import Payout
from tests.backoffice.desk.conftest import AT, Market
from tests.factories.runs import make_payable_seller, make_run

pytestmark = pytest.mark.django_db
SELLERS = "/admin/payouts/seller/"


def shown(page: Any) -> list[int]:
    return [row.pk for row in page.context["cl"].result_list]


@pytest.mark.parametrize(
    "bad",
    [
        "before=x",
        "after=1;drop",
        "before=99999999999999999999999",
        "status__in=nope",
        "seller__legal_name=x",
        "p=abc",
        "o=9.9",
        "queue=x",
        "nonsense=1",
    ],
)
def test_nonsense_in_the_address_never_breaks_a_list(market: Market, sign_in: Any, bad: str) -> None:
    answer = sign_in("finance").get(f"/admin/payouts/payout/?{bad}", follow=True)
    assert answer.status_code in (200, 400)
    assert b"Traceback" not in answer.content


def test_a_list_asks_the_database_as_often_for_many_rows_as_for_few(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    counts = {}
    for model, screen in admin.site._registry.items():
        if isinstance(screen, OperatorAdmin):
            address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            if client.get(address).status_code == 200:
                counts[address] = queries_of(client, address)
    for _ in range(4):
        make_payable_seller(1_000)
    make_run()
    grown = {address: (few, queries_of(client, address)) for address, few in counts.items()}
    assert {address: pair for address, pair in grown.items() if pair[1] > pair[0] + 2} == {}  # a full page adds its two counts


def test_a_sellers_page_asks_as_often_with_many_payouts_as_with_few(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    address = reverse("admin:payouts_seller_change", args=[market.paid.pk])
    panel = reverse("admin:payouts_seller_panel", args=[market.paid.pk, "earnings"])
    few = (queries_of(client, address), queries_of(client, panel))
    assert max(few) <= 40
    run_page = reverse("admin:payouts_payoutrun_change", args=[market.sent.pk])
    assert queries_of(client, run_page) <= 40


def queries_of(client: Any, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


def test_no_list_counts_or_scans_a_whole_table(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    with CaptureQueriesContext(connection) as asked:
        client.get("/admin/payouts/payout/")
    for query in asked:
        assert not re.search(r"count\(\*\)[^(]*from \"payouts_payout\"\s*$", query["sql"], re.IGNORECASE)
        assert " OFFSET " not in query["sql"]
        assert "SELECT DISTINCT" not in query["sql"]  # choices of a filter, read from every row


def test_a_range_of_days_takes_in_both_its_ends(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    day = AT.date().isoformat()
    address = "/admin/payouts/payout/"
    assert len(shown(client.get(address, {"built_at_from": day, "built_at_to": day}))) == 5
    assert shown(client.get(address, {"built_at_to": (AT - timedelta(days=1)).date().isoformat()})) == []
    page = client.get(address, {"built_at_from": day})
    assert ("built at from", day) in {(name, value) for name, value, _ in page.context["cl"].chips()}
    assert client.get(address, {"built_at_from": "9999-99-99"}, follow=True).status_code == 200
    assert client.get(address, {"built_at_to": "9999-12-31"}, follow=True).status_code == 200


def test_search_finds_by_id_reference_external_id_and_name(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    payout = Payout.objects.filter(seller=market.paid).get()
    for term in (payout.public_id, payout.reference, market.paid.external_id, f"  {payout.public_id} "):
        assert shown(client.get("/admin/payouts/payout/", {"q": term})) == [payout.pk], term
    assert shown(client.get(SELLERS, {"q": market.paid.legal_name.upper()})) == [market.paid.pk]
    assert shown(client.get(SELLERS, {"q": "%"})) == []
    assert shown(client.get(SELLERS, {"q": "nobody at all"})) == []


def test_filters_stand_as_chips_and_each_can_be_taken_off(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    page = client.get("/admin/payouts/payout/", {"status__exact": "paid", "currency": "EUR"})
    chips = {name: (value, address) for name, value, address in page.context["cl"].chips()}
    assert chips["status"][0] == "paid"
    assert chips["currency"][0] == "EUR"
    assert "status__exact" not in chips["status"][1]
    assert "currency" in chips["status"][1]
    assert "no rows match" in client.get("/admin/payouts/payout/", {"rail": "none"}).content.decode().lower()
