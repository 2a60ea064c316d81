"""Where nothing is yet, and pages of few rows: an empty marketplace explains itself, pages by key miss nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin

from payouts.sellers.models import Seller
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db
SELLERS = "/admin/payouts/seller/"


def shown(page: Any) -> list[int]:
    return [row.pk for row in page.context["cl"].result_list]


@pytest.fixture
def small_pages() -> Any:
    screen = admin.site._registry[Seller]
    before, type(screen).list_per_page = type(screen).list_per_page, 4
    yield
    type(screen).list_per_page = before


@pytest.mark.parametrize("count", [0, 3, 4, 5, 8, 9])
def test_walking_the_pages_shows_every_row_once_in_both_directions(sign_in: Any, small_pages: Any, count: int) -> None:
    ids = [make_seller().pk for _ in range(count)]
    client = sign_in("finance")
    seen, address = [], SELLERS
    while address:
        page = client.get(address)
        seen += shown(page)
        link = page.context["cl"].older_url()
        address = SELLERS + link if link else ""
    assert seen == ids[::-1]

    back, address = [], SELLERS + "?last=1"
    while address:
        page = client.get(address)
        back = shown(page) + back
        link = page.context["cl"].newer_url()
        address = SELLERS + link if link else ""
    assert sorted(back, reverse=True) == ids[::-1]
    assert len(set(back)) == len(back)


def test_a_filter_survives_going_to_the_next_page(sign_in: Any, small_pages: Any) -> None:
    for _ in range(6):
        make_seller(country="FR")
    client = sign_in("finance")
    page = client.get(SELLERS, {"country": "FR"})
    older = page.context["cl"].older_url()
    assert "country=FR" in older
    assert "before=" in older


def test_an_empty_list_says_why_and_what_next(db: None, sign_in: Any) -> None:
    page = sign_in("finance").get("/admin/payouts/payoutrun/").content.decode()
    assert "No run was built yet" in page
    assert "Plan a run first" in page


def test_an_empty_marketplace_has_a_calm_desk(db: None, sign_in: Any) -> None:
    page = sign_in("lead").get("/admin/")
    assert page.status_code == 200
    assert all(line.count == 0 for line in page.context["queues"])
