"""Sellers, earnings, balances and payouts through the API, as a partner uses it."""

import csv
import io
from datetime import timedelta

import pytest

from backoffice.kit import clock
from backoffice.kit.outbox import Event
from payouts.earnings.models import Earning
from payouts.runs.models import Payout
from payouts.sellers.models import PayeeAccount, Seller
from tests.backoffice.partners.test_api_keys import assert_problem
from tests.factories.partners import make_client, make_partner
from tests.factories.runs import give_money
from tests.factories.sellers import make_iban, make_payee, make_seller, make_tier

pytestmark = pytest.mark.django_db
SELLER = {
    "external_id": "shop-1",
    "legal_name": "Refurb Lyon SARL",
    "entity_type": "company",
    "country": "FR",
    "currency": "EUR",
    "email": "books@shop.example",
}


@pytest.fixture
def client():
    make_tier("new"), make_tier("standard"), make_tier("trusted")
    return make_client()


@pytest.fixture
def seller(client):
    return make_seller(partner_id=client.partner.pk, external_id="shop-9", schedule="manual")


def sale(**over):
    return {
        "external_id": "line-1",
        "seller": "shop-9",
        "kind": "sale",
        "order_ref": "order-1",
        "occurred_at": (clock.now() - timedelta(days=1)).isoformat(),
        "gross": {"amount_minor": 12000, "currency": "EUR"},
        "fee": {"amount_minor": 1440, "currency": "EUR"},
    } | over


# --- sellers


def test_partner_creates_a_seller_that_waits_longest_and_is_not_yet_active(client):
    body = client.post("sellers", SELLER).json()
    assert body["object"] == "seller" and body["status"] == "created" and body["tier"] == "new" and body["livemode"] is False
    row = Seller.objects.get(public_id=body["id"])
    assert row.partner_id == client.partner.pk
    assert client.get(f"sellers/{body['id']}").json() == body
    assert client.get("sellers").json()["data"] == [body]
    assert client.get("events?type=seller.created").json()["data"][0]["subject"] == body["id"]


@pytest.mark.parametrize(
    "field",
    ["tier", "status", "partner", "partner_id", "debt_limit_minor", "public_id", "id", "livemode", "created_at", "schedule_day"],
)
def test_partner_cannot_set_what_is_the_marketplaces(client, field):
    response = client.post("sellers", SELLER | {field: "trusted"})
    assert assert_problem(response, 422, "invalid_fields")["errors"][0] == {
        "field": field,
        "code": "unknown_field",
        "detail": "There is no such field.",
    }
    assert not Seller.objects.exists()


@pytest.mark.parametrize(
    "field", ["legal_name", "country", "currency", "tier", "status", "partner_id", "debt_limit_minor", "external_id"]
)
def test_partner_cannot_change_what_is_the_marketplaces(client, seller, field):
    before = Seller.objects.values().get(pk=seller.pk)
    assert client.patch(f"sellers/{seller.public_id}", {field: "x"}).status_code == 422
    assert Seller.objects.values().get(pk=seller.pk) == before


def test_wrong_fields_are_each_named(client):
    body = assert_problem(
        client.post("sellers", SELLER | {"currency": "XXX", "entity_type": "cat", "legal_name": 5}), 422, "invalid_fields"
    )
    assert [one["field"] for one in body["errors"]] == ["legal_name", "entity_type", "currency"]


def test_external_id_that_is_taken_is_refused(client, seller):
    assert_problem(client.post("sellers", SELLER | {"external_id": "shop-9"}), 409, "seller_exists")


def test_sellers_are_listed_in_pages_without_gaps_or_repeats(client):
    made = [make_seller(partner_id=client.partner.pk).public_id for _ in range(7)]
    make_seller()
    seen, query = [], "sellers?limit=3"
    while True:
        page = client.get(query).json()
        seen += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        query = f"sellers?limit=3&cursor={page['next_cursor']}"
    assert seen == made[::-1] and page["next_cursor"] is None


def test_lists_are_narrowed_by_field_and_by_time(client, seller):
    make_seller(partner_id=client.partner.pk, currency="USD", country="US")
    found = client.get("sellers?currency=USD").json()["data"]
    assert [one["country"] for one in found] == ["US"]
    assert client.get("sellers?external_id=shop-9").json()["data"][0]["id"] == seller.public_id
    created = client.get(f"sellers/{seller.public_id}").json()["created_at"]
    assert len(client.get(f"sellers?created_at[gte]={created}").json()["data"]) == 2
    assert client.get(f"sellers?created_at[lt]={created}").json()["data"] == []
    for query, field in [
        ("status=sleeping", "status"),
        ("tier=new", "tier"),
        ("created_at[gte]=soon", "created_at[gte]"),
        ("partner=1", "partner"),
    ]:
        assert assert_problem(client.get(f"sellers?{query}"), 422, "invalid_fields")["errors"][0]["field"] == field
    assert_problem(client.get("sellers?cursor=bm9wZQ"), 400, "invalid_cursor")


@pytest.mark.parametrize("path", ["sellers", "payouts", "earnings", "events"])
def test_page_of_a_list_costs_one_query_besides_the_key(client, seller, path, django_assert_num_queries):
    client.get(path)
    with django_assert_num_queries(2):
        client.get(path)


# --- payee accounts


def test_payee_account_is_shown_masked_only(client, seller):
    iban = make_iban()
    response = client.post(
        f"sellers/{seller.public_id}/payee_accounts",
        {"currency": "EUR", "kind": "iban", "account_holder": "Refurb Lyon SARL", "number": iban},
    )
    assert response.status_code == 201, response.content
    body = response.json()
    assert body["number"] == f"FR •••• {iban[-4:]}" and body["version"] == 1
    listed = client.get(f"sellers/{seller.public_id}/payee_accounts")
    assert listed.json()["data"] == [body]
    assert iban not in response.content.decode() + listed.content.decode() + str(list(Event.objects.values()))


def test_second_payee_account_replaces_the_first_and_cools_off(client, seller):
    make_payee(seller)
    path = f"sellers/{seller.public_id}/payee_accounts"
    body = client.post(path, {"currency": "EUR", "kind": "iban", "account_holder": "Refurb", "number": make_iban("DE")}).json()
    assert body["version"] == 2 and body["cool_off_until"] > body["created_at"]
    assert [one["status"] for one in client.get(path).json()["data"]] == ["active", "superseded"]


def test_wrong_iban_is_refused_without_being_repeated(client, seller):
    path = f"sellers/{seller.public_id}/payee_accounts"
    response = client.post(
        path, {"currency": "EUR", "kind": "iban", "account_holder": "Refurb", "number": "FR7630006000011234567890188"}
    )
    assert_problem(response, 422, "invalid_iban")
    assert b"0188" not in response.content
    assert not PayeeAccount.objects.exists()


# --- earnings and balance


def test_sale_is_booked_and_stands_in_the_balance(client, seller):
    response = client.post("earnings", sale())
    assert response.status_code == 201, response.content
    body = response.json()
    assert body["net"] == {"amount_minor": 10560, "currency": "EUR"} and body["seller"] == seller.public_id
    assert client.get(f"earnings/{body['id']}").json() == body
    balance = client.get(f"sellers/{seller.public_id}/balance").json()
    buckets = balance["balances"][0]
    assert {name: buckets[name]["amount_minor"] for name in ("pending", "available", "total", "debt")} == {
        "pending": 10560,
        "available": 0,
        "total": 10560,
        "debt": 0,
    }


def test_seller_may_be_named_by_id(client, seller):
    assert client.post("earnings", sale(seller=seller.public_id)).status_code == 201


def test_earning_sent_twice_is_booked_once(client, seller):
    body = sale()
    first, second = client.post("earnings", body), client.post("earnings", body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert Earning.objects.count() == 1


def test_single_earning_that_breaks_a_rule_is_refused_with_the_rules_code(client, seller):
    assert_problem(client.post("earnings", sale(seller="nobody")), 422, "unknown_seller")
    assert_problem(client.post("earnings", sale(kind="gift")), 422, "unknown_kind")
    assert_problem(client.post("earnings", sale(gross={"amount_minor": "12000", "currency": "EUR"})), 422, "not_money")
    assert_problem(client.post("earnings", sale(net=1)), 422, "unknown_field")
    assert_problem(client.post("earnings", sale(occurred_at="yesterday")), 422, "bad_timestamp")
    assert_problem(client.post("earnings", sale(fee={"amount_minor": 1, "currency": "USD"})), 422, "currency_mismatch")
    assert_problem(client.post("earnings", {}), 422, "not_money")
    assert not Earning.objects.exists()


def test_batch_answers_for_each_item_and_books_the_good_ones(client, seller):
    once = sale()
    items = [
        once,
        once,
        sale(external_id="line-2", seller="nobody"),
        sale(external_id="line-3", gross={"amount_minor": -1, "currency": "EUR"}, fee=None),
        "text",
        sale(external_id="line-4", surprise=True),
        sale(external_id="line-5", kind="refund", gross={"amount_minor": 2000, "currency": "EUR"}, fee=None),
        sale(external_id="line-6", gross={"amount_minor": 100, "currency": "XXX"}, fee=None),
    ]
    response = client.post("earnings", {"earnings": items})
    assert response.status_code == 200, response.content
    body = response.json()
    outcomes = [(one["index"], one["external_id"], one["outcome"], one["code"]) for one in body["data"]]
    assert outcomes == [
        (0, "line-1", "accepted", ""),
        (1, "line-1", "duplicate", ""),
        (2, "line-2", "rejected", "unknown_seller"),
        (3, "line-3", "rejected", "negative_amount"),
        (4, "", "rejected", "not_an_object"),
        (5, "line-4", "rejected", "unknown_field"),
        (6, "line-5", "accepted", ""),
        (7, "line-6", "rejected", "unknown_currency"),
    ]
    assert (body["accepted"], body["duplicate"], body["rejected"]) == (2, 1, 5)
    assert all(one["id"] for one in body["data"] if one["outcome"] == "accepted")
    buckets = client.get(f"sellers/{seller.public_id}/balance").json()["balances"][0]
    assert buckets["pending"]["amount_minor"] == 10560 - 2000


@pytest.mark.parametrize("items", [[], [{}] * 1001, {}, None, "x"])
def test_batch_of_a_wrong_size_is_refused_whole(client, items):
    assert client.post("earnings", {"earnings": items}).status_code == 422


def test_amounts_keep_their_currencys_decimals(client):
    make_seller(partner_id=client.partner.pk, external_id="jp", currency="JPY", country="JP")
    make_seller(partner_id=client.partner.pk, external_id="tn", currency="TND", country="TN")
    for seller, currency, minor in [("jp", "JPY", 5), ("jp", "JPY", 123456), ("tn", "TND", 7), ("tn", "TND", 1234567)]:
        body = client.post(
            "earnings", sale(external_id=f"{seller}-{minor}", seller=seller, order_ref=f"o{minor}",
                             gross={"amount_minor": minor, "currency": currency}, fee=None)
        ).json()  # fmt: skip
        assert body["gross"] == {"amount_minor": minor, "currency": currency}


def test_two_partners_may_use_the_same_external_id(client, seller):
    other = make_client()
    make_seller(partner_id=other.partner.pk, external_id="their-shop")
    body = sale()
    assert client.post("earnings", body).status_code == 201
    assert client.post("earnings", body).status_code == 200
    assert other.post("earnings", sale(seller="their-shop")).status_code == 201


def test_other_partners_seller_is_unknown_however_it_is_named(client, seller):
    other = make_client()
    for name in ("shop-9", seller.public_id):
        theirs = other.post("earnings", sale(seller=name))
        nobodys = other.post("earnings", sale(seller=name[:-1] + "x"))
        assert theirs.status_code == nobodys.status_code == 422
        assert theirs.json()["code"] == nobodys.json()["code"] == "unknown_seller"
    assert not Earning.objects.exists()


# --- payouts


@pytest.fixture
def payable(client, seller):
    make_payee(seller, currency="EUR")
    give_money(seller, 12_345)
    return seller


def test_partner_asks_for_a_payout_reads_it_and_cancels_it(client, payable):
    response = client.post("payouts", {"seller": payable.public_id, "currency": "EUR"})
    assert response.status_code == 201, response.content
    body = response.json()
    assert body["status"] == "needs_approval" and body["amount"] == {"amount_minor": 12345, "currency": "EUR"}
    assert client.get(f"payouts/{body['id']}").json() == body
    assert client.get(f"payouts?seller={payable.public_id}&status=needs_approval").json()["data"] == [body]
    assert_problem(client.post("payouts", {"seller": payable.public_id, "currency": "EUR"}), 409, "not_payable")
    canceled = client.post(f"payouts/{body['id']}/cancel", {"reason": "next week"})
    assert canceled.status_code == 200, canceled.content
    assert canceled.json()["status"] == "canceled"
    assert_problem(client.post(f"payouts/{body['id']}/cancel", {"reason": "again"}), 409, "payout_on_its_way")
    buckets = client.get(f"sellers/{payable.public_id}/balance").json()["balances"][0]
    assert buckets["available"]["amount_minor"] == 12345 and buckets["in_payout"]["amount_minor"] == 0


def test_payout_asked_for_twice_with_one_key_is_one_payout(client, payable):
    ask = {"seller": payable.public_id, "currency": "EUR"}
    first, second = client.post("payouts", ask, key="k"), client.post("payouts", ask, key="k")
    assert first.content == second.content and Payout.objects.count() == 1


def test_lines_and_statement_agree_with_the_payout_in_every_form(client, payable):
    for number in range(4):
        give_money(payable, 100 + number)
    payout = client.post("payouts", {"seller": payable.public_id, "currency": "EUR"}).json()
    path = f"payouts/{payout['id']}"
    total, query, numbers = 0, f"{path}/lines?limit=2", []
    while query:
        page = client.get(query).json()
        total += sum(line["amount"]["amount_minor"] for line in page["data"])
        numbers += [line["line_no"] for line in page["data"]]
        query = page["has_more"] and f"{path}/lines?limit=2&cursor={page['next_cursor']}"
    assert total == payout["amount"]["amount_minor"] == 12345 + 406
    assert numbers == [1, 2, 3, 4, 5]

    as_json = client.get(f"{path}/statement").json()
    assert as_json["total"] == payout["amount"] and len(as_json["lines"]) == 5
    as_csv = client.get(f"{path}/statement", Accept="text/csv")
    assert as_csv["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(as_csv.content.decode())))
    assert rows[-1]["amount"] == "127.51" and len(rows) == 6
    as_pdf = client.get(f"{path}/statement", Accept="application/pdf")
    assert as_pdf["Content-Type"] == "application/pdf" and as_pdf.content.startswith(b"%PDF")
    assert payout["id"] in as_pdf["Content-Disposition"]
    assert_problem(client.get(f"{path}/statement", Accept="image/png"), 406, "not_acceptable")


def test_problem_stays_json_when_pdf_was_asked_for(client):
    from backoffice.kit.ids import new_id

    assert_problem(client.get(f"payouts/{new_id('pay')}/statement", Accept="application/pdf"), 404, "not_found")


def test_eligibility_says_what_the_operator_sees(client, payable):
    body = client.get(f"payout_eligibility?seller={payable.public_id}").json()
    assert body["data"] == [
        {
            "currency": "EUR",
            "amount": {"amount_minor": 12345, "currency": "EUR"},
            "eligible": False,
            "code": "manual_schedule",
            "reason": "paid on request only",
            "next_on": None,
        }
    ]
    assert assert_problem(client.get("payout_eligibility"), 422, "invalid_fields")["errors"][0]["code"] == "required"
    assert_problem(client.get(f"payout_eligibility?seller={payable.public_id}&on=2999-01-01"), 422, "run_day_too_far")
    assert_problem(client.get("payout_eligibility?seller=sel_1"), 422, "invalid_fields")


def test_seller_moved_to_another_partner_is_gone_at_once(client, payable):
    payout = client.post("payouts", {"seller": payable.public_id, "currency": "EUR"}).json()
    Seller.objects.filter(pk=payable.pk).update(partner=make_partner())
    assert_problem(client.get(f"payouts/{payout['id']}"), 404, "not_found")
    assert_problem(client.get(f"sellers/{payable.public_id}"), 404, "not_found")
