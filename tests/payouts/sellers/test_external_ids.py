"""An external id is its partner's own: it tells nobody whether another partner has one, and a file of the house means its own seller first."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from payouts.earnings.importing import import_earnings
from payouts.earnings.models import Earning, RejectedLine
from payouts.ledger.queries import seller_buckets
from payouts.sellers import queries
from payouts.sellers.importing import import_sellers
from payouts.sellers.models import Seller
from payouts.sellers.operations import SellerExists
from payouts.sellers.partnership import SellerHasPartner, SellerNameTaken, assign_partner
from tests.factories.earnings import AT, ROBOT, make_line, record, write_csv
from tests.factories.partners import make_client, make_partner
from tests.factories.sellers import make_seller, make_tier

pytestmark = pytest.mark.django_db
NEW = {"external_id": "shop-1", "legal_name": "Shop SARL", "entity_type": "company", "country": "FR", "currency": "EUR"}
HEADER = "external_id,legal_name,entity_type,country,currency,tier,schedule,account_holder,iban,bic,us_routing_number,us_account_number\n"


def pending(seller: Seller) -> int:
    return seller_buckets([seller.pk]).get((seller.pk, "EUR"), {}).get("pending", 0)


def sellers_file(folder: Path, *names: str) -> Path:
    path = folder / "sellers.csv"
    path.write_text(HEADER + "".join(f"{name},Shop SARL,company,FR,EUR,standard,daily,,,,,\n" for name in names))
    return path


def test_a_partner_learns_nothing_from_a_name_another_partner_uses():
    make_tier("new")
    theirs, mine = make_client(), make_client()
    assert theirs.post("sellers", NEW).status_code in (200, 201)

    answers = [mine.post("sellers", NEW | {"external_id": name}) for name in ("shop-1", "shop-2")]

    assert {answer.status_code for answer in answers} == {answers[1].status_code}
    assert {tuple(sorted(answer.json())) for answer in answers} == {tuple(sorted(answers[1].json()))}
    assert mine.get("sellers?external_id=shop-1").json()["data"][0]["id"] == answers[0].json()["id"]
    assert mine.post("sellers", NEW).json()["code"] == "seller_exists"
    assert Seller.objects.filter(external_id="shop-1").count() == 2


def test_money_sent_with_a_key_goes_to_the_keys_own_seller():
    make_tier("new")
    clients = [make_client(), make_client()]
    ids = [client.post("sellers", NEW).json()["id"] for client in clients]
    house = make_seller(external_id="shop-1")

    for client, minor in zip(clients, (1_000, 2_000), strict=True):
        sale = {"external_id": "line-1", "seller": "shop-1", "kind": "sale", "order_ref": "o", "occurred_at": AT.isoformat()}
        assert client.post("earnings", sale | {"gross": {"amount_minor": minor, "currency": "EUR"}}).status_code in (200, 201)

    rows = [Seller.objects.get(public_id=public_id) for public_id in ids]
    assert [pending(one) for one in (*rows, house)] == [1_000, 2_000, 0]


def test_the_house_and_each_partner_have_a_name_once():
    partner = make_partner()
    make_seller(external_id="twice")
    make_seller(external_id="twice", partner_id=partner.pk)

    with pytest.raises(SellerExists):
        make_seller(external_id="twice")
    with pytest.raises(SellerExists):
        make_seller(external_id="twice", partner_id=partner.pk)
    moved = make_seller(external_id="other")
    with pytest.raises(IntegrityError), transaction.atomic():
        Seller.objects.filter(pk=moved.pk).update(external_id="twice")


def test_a_file_of_earnings_means_the_house_first_then_the_only_partner_and_says_when_it_cannot_tell(tmp_path: Path):
    one, two = make_partner(), make_partner()
    house = make_seller(external_id="both")
    make_seller(external_id="both", partner_id=one.pk)
    only = make_seller(external_id="only", partner_id=one.pk)
    for partner in (one, two):
        make_seller(external_id="unclear", partner_id=partner.pk)
    lines = [make_line(name) for name in ("both", "only", "unclear", "both")]

    summary = import_earnings(path=write_csv(tmp_path / "e.csv", lines), source="t", actor=ROBOT, at=AT, create_sellers=True)

    assert (summary.accepted, summary.rejected) == (3, 1)
    assert (pending(house), pending(only)) == (18_000, 9_000)
    line = RejectedLine.objects.get()
    assert line.code == "ambiguous_seller"
    assert "Several partners have a seller 'unclear'" in line.reason
    assert record(make_line("unclear"), partner_id=two.pk)[0].outcome == "accepted"
    assert Earning.objects.count() == 4


def test_a_file_of_sellers_means_the_same_and_names_the_partner_it_differs_from(tmp_path: Path):
    one, two = make_partner(), make_partner()
    make_seller(external_id="same", legal_name="Shop SARL", partner_id=one.pk)
    make_seller(external_id="differs", legal_name="Another name", partner_id=one.pk)
    for partner in (one, two):
        make_seller(external_id="unclear", partner_id=partner.pk)

    answer = import_sellers(path=sellers_file(tmp_path, "same", "differs", "unclear", "unclear", "fresh"), actor=ROBOT, at=AT)

    assert (answer.read, answer.accepted, answer.duplicate, answer.rejected) == (5, 1, 1, 3)
    assert dict(answer.codes) == {"seller_differs": 1, "ambiguous_seller": 2}
    assert answer.rejects_file
    assert one.public_id in Path(answer.rejects_file).read_text()
    again = import_sellers(path=sellers_file(tmp_path, "fresh"), actor=ROBOT, at=AT)
    assert (again.accepted, again.duplicate) == (0, 1)


def test_a_seller_is_named_by_the_house_as_its_files_name_it():
    one, two = make_partner(), make_partner()
    house = make_seller(external_id="x")
    for partner in (one, two):
        make_seller(external_id="x", partner_id=partner.pk)
        make_seller(external_id="y", partner_id=partner.pk)

    assert queries.find_seller("x") == house
    assert queries.find_seller("x", partner_id=two.pk).partner_id == two.pk
    with pytest.raises(queries.AmbiguousSeller):
        queries.find_seller("y")


def test_putting_a_seller_under_a_partner_takes_the_houses_and_never_makes_two_of_a_name():
    one, two = make_partner(), make_partner()
    facts = {"actor": ROBOT, "at": AT}
    house = make_seller(external_id="x")
    make_seller(external_id="x", partner_id=one.pk)

    with pytest.raises(SellerNameTaken):
        assign_partner(external_ids=["x"], partner_id=one.pk, **facts)
    with pytest.raises(SellerNameTaken):
        assign_partner(external_ids=None, partner_id=one.pk, **facts)
    assert assign_partner(external_ids=["x"], partner_id=two.pk, **facts) == 1
    house.refresh_from_db()
    assert house.partner_id == two.pk
    assert assign_partner(external_ids=["x"], partner_id=two.pk, **facts) == 0
    with pytest.raises(SellerHasPartner):
        assign_partner(external_ids=["x"], partner_id=make_partner().pk, **facts)
