"""The desk: each number is a link to exactly the rows it counts, currencies are never added up, and it says what to do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from backoffice.desk import queries
from backoffice.desk.models import BooksCheck
from backoffice.kit import clock
from backoffice.kit.admin import QUEUES, viewing
from backoffice.kit.money import Money
from fraud.lists.models import ListedValue
from payouts.runs.models import Payout
from tests.backoffice.desk.conftest import AT, Market

pytestmark = pytest.mark.django_db


def test_every_queue_leads_to_the_rows_it_counts(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    lines = client.get("/admin/").context["queues"]
    assert {line.title for line in lines} >= {queue.title for queue in QUEUES}
    filled = 0
    for line in lines:
        page = client.get(line.address)
        assert page.status_code == 200, line.title
        if line.title != "Truths broken":
            assert page.context["cl"].result_count == line.count, line.title
            filled += line.count > 0
    assert filled >= 4
    by_title = {line.title: line for line in lines}
    assert by_title["Runs to approve"].count == 1
    assert by_title["Runs to submit"].count == 1
    assert by_title["Payouts that bounced"].count == 1
    assert by_title["Rejected import lines"].count == 1
    assert by_title["Bank entries not placed"].count == 1


def test_every_figure_leads_to_rows_that_add_up_to_it(market: Market, sign_in: Any) -> None:
    Payout.objects.filter(status="paid").update(paid_at=clock.now())
    client = sign_in("lead")
    context = client.get("/admin/").context
    checked = 0
    for figure in context["owed"]:
        for amount, address in figure.lines:
            rows = client.get(address).context["cl"].result_list
            currency = rows[0].currency
            assert {row.currency for row in rows} == {currency}
            assert str(amount) == str(queries.display.money(sum(row.shown_balance for row in rows), currency)), figure.name
            checked += 1
    for figure in context["moving"]:
        for amount, address in figure.lines:
            rows = client.get(address).context["cl"].result_list
            assert str(amount) == str(queries.display.money(sum(row.amount_minor for row in rows), rows[0].currency)), figure.name
            checked += 1
    assert checked >= 6
    assert {figure.name for figure in context["moving"] if figure.lines} == {"In flight", "Paid this week"}


def test_the_chart_and_its_table_say_the_same_in_one_currency(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    address = client.get("/admin/", {"currency": "EUR"}).context["chart_url"]
    context = client.get(address).context
    data = json.loads(context["chart"])
    assert context["chart_currency"] == "EUR"
    assert len(data["labels"]) == queries.DAYS_SHOWN == len(context["chart_rows"])
    assert client.get("/admin/chart/", {"currency": "XXX"}).context["chart_currency"] == "EUR"


def test_money_by_day_counts_sales_and_settled_payouts_on_the_day_they_were_booked(market: Market) -> None:
    days = {day: (came, went) for day, came, went in queries.money_by_day("EUR", AT + timedelta(days=1))}
    assert days[AT.date()][0] == Money.parse("120.00", "EUR").amount_minor
    assert days[(AT + timedelta(days=1)).date()][1] == 30_000


def test_the_last_verdict_of_the_books_stands_on_the_desk(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    assert "not been checked" in client.get("/admin/").content.decode()
    BooksCheck.objects.create(checked_at=timezone.now(), checked_by="system:test", is_clean=False, broken=2, verdicts=[])
    line = next(one for one in client.get("/admin/").context["queues"] if one.title == "Truths broken")
    assert line.count == 2
    assert client.get(line.address).status_code == 200


def test_a_role_sees_only_its_own_desk(market: Market, sign_in: Any) -> None:
    client = sign_in("support")
    support = client.get("/admin/").context
    titles = {line.title for line in support["queues"]}
    assert "Truths broken" not in titles
    assert "Outcome unknown" not in titles
    assert "chart_url" not in support
    assert client.get("/admin/chart/").status_code == 403


def test_strangers_are_asked_to_sign_in(client: Any, db: None) -> None:
    for address in ("/admin/", "/admin/payouts/payout/", "/go/pay_01h455vb4pex5vsknk084sn02q", "/admin/payouts/payoutrun/plan/"):
        answer = client.get(address)
        assert answer.status_code == 302
        assert answer.url.startswith("/admin/login/")


def test_an_id_leads_to_its_page_and_a_hidden_one_answers_like_a_missing_one(market: Market, sign_in: Any) -> None:
    payout = Payout.objects.filter(seller=market.paid).get()
    order = payout.orders.get()
    finance, support = sign_in("finance"), sign_in("support")
    assert finance.get(f"/go/{payout.public_id}").url == f"/admin/payouts/payout/{payout.pk}/change/"
    assert finance.get(f"/go/{market.paid.public_id.upper()}").status_code == 302
    hidden, missing = support.get(f"/go/{order.public_id}"), support.get("/go/ord_01h455vb4pex5vsknk084sn02q")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.content == missing.content


def test_the_search_box_finds_ids_references_numbers_and_names_by_post(market: Market, sign_in: Any) -> None:
    client = sign_in("lead")
    payout = Payout.objects.filter(seller=market.paid).get()
    iban = market.paid.payee_accounts.get().number
    for text, wanted in (
        (payout.public_id, f"/admin/payouts/payout/{payout.pk}/"),
        (payout.orders.get().end_to_end_id, "/admin/payouts/paymentorder/"),
        (market.paid.external_id, f"/admin/payouts/seller/{market.paid.pk}/"),
        (market.paid.legal_name.lower(), f"/admin/payouts/seller/{market.paid.pk}/"),
        (" ".join(iban[i : i + 4] for i in range(0, len(iban), 4)), "/admin/payouts/payeeaccount/"),
        (payout.reference, f"/admin/payouts/payout/{payout.pk}/"),
    ):
        answer = client.post("/admin/find/", {"s": text})
        assert answer.status_code == 200
        assert wanted in answer.content.decode(), text
    assert client.get("/admin/find/", {"s": iban}).status_code == 405
    assert "/admin/payouts/payeeaccount/" not in sign_in("support").post("/admin/find/", {"s": "x" * 500}).content.decode()


def test_the_dry_run_shows_who_is_paid_and_why_others_are_not_and_writes_nothing(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    before = Payout.objects.count()
    page = client.get(
        "/admin/payouts/payoutrun/plan/", {"on": clock.now().date().isoformat(), "currency": "", "all_schedules": ""}
    )
    assert page.status_code == 200
    plan = page.context["plan"]
    text = page.content.decode()
    assert market.held.legal_name in text
    assert "the payee account" in text or "another payout is on its way" in text
    assert Payout.objects.count() == before
    assert plan.skipped
    assert client.get("/admin/payouts/payoutrun/plan/", {"on": "tomorrow"}).status_code == 200
    far = client.get("/admin/payouts/payoutrun/plan/", {"on": "2999-01-01"})
    assert "at most" in far.content.decode()


def test_a_balance_is_shown_as_of_an_instant(market: Market, sign_in: Any) -> None:
    from payouts.ledger.models import Account

    client = sign_in("auditor")
    account = Account.objects.get(code="seller.in_payout", holder_id=market.paid.pk, currency="EUR")
    for as_of, wanted in (
        (AT - timedelta(minutes=1), "0.00"),
        (AT + timedelta(minutes=1), "100.00"),
        (AT + timedelta(days=1), "0.00"),
    ):
        page = client.get(f"/admin/payouts/account/{account.pk}/change/", {"as_of": as_of.isoformat()})
        assert f">{wanted} " in str(page.context["as_of_balance"])
    bad = client.get(f"/admin/payouts/account/{account.pk}/change/", {"as_of": "yesterday"})
    assert "is not a date" in bad.content.decode()
    assert client.get("/admin/payouts/account/trial-balance/", {"as_of": "2026-02-30"}).status_code == 200
    sums = client.get("/admin/payouts/account/trial-balance/").context["sums"]
    assert sums
    assert all(balanced for _, _, balanced in sums)


def test_times_are_shown_in_the_zone_one_chose_and_utc_stands_behind(market: Market, sign_in: Any) -> None:
    client = sign_in("finance")
    address = f"/admin/payouts/payoutrun/{market.sent.pk}/change/"
    for zone in ("Asia/Tokyo", "America/New_York"):
        assert client.post("/admin/time-zone/", {"zone": zone}).status_code == 302
        page = client.get(address).content.decode()
        local = market.sent.built_at.astimezone(ZoneInfo(zone))
        assert f"{local.day} {local:%b %Y, %H:%M}" in page
        assert f"{market.sent.built_at:%Y-%m-%d %H:%M:%S} UTC" in page
    assert client.post("/admin/time-zone/", {"zone": "Mars/Olympus"}).status_code == 200


def test_an_id_whose_prefix_two_rooms_use_leads_to_its_own_page(sign_in: Any) -> None:
    value = ListedValue.objects.create(
        list="watched", kind="buyer", value="b-1", value_index="x", shown="b-1", reason="Seen before.", owner="staff:1",
        state="active", made_by="staff:1", made_at=AT,
    )  # fmt: skip
    assert len(viewing.models_of(value.public_id)) == 2, "versions of screening lists have the same prefix"
    answer = sign_in("lead").get(f"/go/{value.public_id}")
    assert answer.status_code == 302 and answer["Location"] == f"/admin/fraud/listedvalue/{value.pk}/change/"
