"""What screens make of stored values: words for codes, names for actors, times for instants; and one link in a row's first cell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils.html import format_html

from backoffice.kit.admin import Column, Table, display, viewing
from backoffice.kit.admin.rows import cells_of
from tests.factories.sellers import make_seller, make_staff

pytestmark = pytest.mark.django_db


def test_stored_values_are_shown_in_words() -> None:
    user = make_staff("lead", first_name="Ada", last_name="Lead")
    assert display.plain(f"staff:{user.pk}") == "Ada Lead"
    assert display.plain("system:load_list") == "system (load list)"
    assert [display.plain(True), display.plain(False), display.plain(None)] == ["yes", "no", display.EMPTY]
    assert "20 Jan 2027" in display.plain("2027-01-20T19:00:13.036633+00:00")
    assert display.plain("2027-01-20T99:00:00Z") == "2027-01-20T99:00:00Z"
    assert "/go/sel_" in display.plain(make_seller().public_id)


def test_a_code_is_shown_by_its_telling_part_and_kept_for_who_hovers() -> None:
    assert ">insufficient funds<" in display.coded("card_declined/insufficient_funds")
    assert 'title="card_declined/insufficient_funds"' in display.coded("card_declined/insufficient_funds")
    assert "&lt;b&gt;" in display.coded("<b>") and display.coded("") == ""


def test_the_first_cell_of_a_row_leads_to_the_row_alone() -> None:
    seller = make_seller(legal_name="Dupont & Fils SAS")
    other = format_html('<a href="/elsewhere/">{}</a>', "Dupont & Fils SAS")
    model_admin: Any = SimpleNamespace(name=lambda row: other, wide_only=())
    (cells,) = cells_of(SimpleNamespace(list_display=("name",), model_admin=model_admin, result_list=[seller]))
    assert cells.count("<a ") == 1 and "/elsewhere/" not in cells and ">Dupont &amp; Fils SAS</a>" in cells


def test_a_wide_column_is_left_out_on_narrow_screens_with_its_cells() -> None:
    table = Table([Column("Paper"), Column("File", wide=True), Column("Sum", money=True)], [("one", "two", "three"), ("four",)])
    page = render_to_string("backoffice/panel_table.html", {"table": table, "panel": {"title": "Papers"}})
    assert page.count("is-wide-only") == 3, "the head, and a cell of each row"
    assert '<th scope="col" class="is-money">' in page


def test_what_somebody_may_not_open_stands_there_without_a_link() -> None:
    seller = make_seller(legal_name="Dupont SAS")
    nobody = make_staff("support")
    nobody.groups.clear()
    with viewing.seen_by(nobody):
        assert display.link(seller) == str(seller) and display.way_to(seller.public_id, "here") == "here"
        assert "<a " not in display.plain(seller.public_id) and not viewing.may("payouts.view_seller")
    with viewing.seen_by(make_staff("support")):
        assert 'href="/go/sel_' in display.subject(seller.public_id) and "<a " in display.link(seller)
    assert "<a " in display.link(seller), "where nobody is known to look, nothing is left out"
