"""Exports: the rows of the list, numbers as numbers, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from openpyxl import load_workbook

from backoffice.kit import clock, trail
from backoffice.kit.admin.export import ExportColumn, csv_lines, safe_text, write_xlsx
from backoffice.kit.money import Money
from backoffice.staff.models import AuditEntry
from payouts.sellers.models import Seller
from tests.backoffice.desk.conftest import Market
from tests.factories.sellers import ACTOR, make_seller

DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")', "=cmd|' /C calc'!A0"]


@pytest.mark.parametrize("text", DANGEROUS)
def test_text_that_looks_like_a_formula_is_made_safe(text: str) -> None:
    assert safe_text(text) == "'" + text


def test_amounts_stay_numbers_also_below_zero(tmp_path: Any) -> None:
    columns = [ExportColumn("name", lambda row: row[0]), ExportColumn("amount", lambda row: row[1])]
    rows = [("=evil", Money(-1234, "EUR")), ("fine", Money(1234, "JPY"))]
    text = b"".join(csv_lines(columns, rows)).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [["name", "amount"], ["'=evil", "-12.34"], ["fine", "1234"]]
    write_xlsx(tmp_path / "x.xlsx", columns, rows)
    sheet = load_workbook(tmp_path / "x.xlsx").active
    assert sheet is not None
    assert [[cell.value for cell in line] for line in sheet.iter_rows(min_row=2)] == [["'=evil", -12.34], ["fine", 1234]]
    assert {cell.data_type for line in sheet.iter_rows(min_row=2, min_col=2) for cell in line} == {"n"}


@pytest.mark.django_db
def test_the_download_has_the_lists_filter_and_the_lists_rows(market: Market, sign_in: Any) -> None:
    make_seller(country="DE", legal_name="=HYPERLINK(1)")
    client = sign_in("finance")
    page = client.get("/admin/payouts/seller/", {"country": "DE"})
    links = dict(page.context["export_links"])
    assert "country=DE" in links["CSV"]
    text = b"".join(client.get(links["CSV"]).streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["legal_name"] for row in rows] == ["'=HYPERLINK(1)"]
    book = client.get(links["XLSX"])
    assert book["Content-Disposition"].endswith('.xlsx"')
    sheet = load_workbook(io.BytesIO(b"".join(book.streaming_content))).active
    assert sheet is not None
    assert sheet.max_row == 2
    assert Seller.objects.count() > 1


@pytest.mark.django_db
def test_exports_need_their_own_permission(market: Market, sign_in: Any) -> None:
    assert sign_in("support").get("/admin/payouts/payout/export/csv/").status_code == 403
    assert sign_in("auditor").get("/admin/payouts/payout/export/csv/").status_code == 200
    assert sign_in("auditor").get("/admin/payouts/payout/export/exe/").status_code == 404


@pytest.mark.django_db
def test_every_export_stands_in_the_audit_with_who_what_filter_and_rows(market: Market, sign_in: Any) -> None:
    for _ in range(3):
        make_seller(country="DE", legal_name="Anna Muster")
    client = sign_in("compliance")

    for kind in ("csv", "xlsx"):
        answer = client.get(f"/admin/payouts/seller/export/{kind}/", {"country": "DE", "q": "Anna Muster"})
        assert answer.status_code == 200
        b"".join(answer.streaming_content)

    entries = AuditEntry.objects.filter(action="export").order_by("id")
    assert {entry.actor for entry in entries} == {f"staff:{client.user.pk}"}
    assert {entry.subject for entry in entries} == {"payouts.seller"}
    assert [entry.facts for entry in entries] == [
        {"list": "seller", "format": kind, "filter": {"country": "DE", "q": "…"}, "rows": 3} for kind in ("csv", "xlsx")
    ]
    assert client.get("/admin/payouts/seller/export/pdf/").status_code == 404
    assert sign_in("support").get("/admin/payouts/seller/export/csv/").status_code == 403
    assert entries.count() == 2


def test_without_anybody_who_keeps_the_trail_nothing_is_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "_keepers", [])
    with pytest.raises(trail.NobodyKeepsTheTrail):
        trail.record(ACTOR, "export", "x", clock.now(), {})
