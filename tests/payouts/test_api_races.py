"""Twins in flight: the same request twice at once, on two real connections, is one effect and one answer."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from backoffice.kit import clock
from payouts.earnings.models import Earning
from payouts.runs.models import Payout
from payouts.sellers.models import Seller
from tests.factories.partners import ApiClient, make_client
from tests.factories.runs import give_money
from tests.factories.sellers import make_payee, make_seller, make_tier

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]
TWINS = 4


def at_once(secret, path, body, keys):
    start = Barrier(len(keys))

    def send(key):
        start.wait()
        try:
            return ApiClient(secret).post(path, body, key=key)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(keys)) as pool:
        return list(pool.map(send, keys))


@pytest.fixture
def client():
    make_tier("new"), make_tier("standard")
    return make_client()


@pytest.fixture
def seller(client):
    return make_seller(partner_id=client.partner.pk, external_id="shop-9", schedule="manual")


def test_seller_created_by_twins_is_one_seller(client):
    body = {"external_id": "s", "legal_name": "S", "entity_type": "company", "country": "FR", "currency": "EUR"}
    answers = at_once(client.secret, "sellers", body, ["k"] * TWINS)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer for answer in answers) == 1
    assert Seller.objects.count() == 1


def test_payout_asked_for_by_twins_is_one_payout(client, seller):
    make_payee(seller)
    give_money(seller)
    answers = at_once(client.secret, "payouts", {"seller": seller.public_id, "currency": "EUR"}, ["k"] * TWINS)
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert Payout.objects.count() == 1


def test_payout_asked_for_at_once_with_different_keys_is_one_payout_and_refusals(client, seller):
    make_payee(seller)
    give_money(seller)
    answers = at_once(client.secret, "payouts", {"seller": seller.public_id, "currency": "EUR"}, [f"k{n}" for n in range(TWINS)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (TWINS - 1)
    assert Payout.objects.count() == 1


def test_batch_sent_at_once_with_different_keys_is_booked_once(client, seller):
    items = [
        {
            "external_id": f"line-{number}", "seller": "shop-9", "kind": "sale", "order_ref": f"o-{number}",
            "occurred_at": clock.now().isoformat(), "gross": {"amount_minor": 100, "currency": "EUR"},
        }
        for number in range(50)
    ]  # fmt: skip
    answers = at_once(client.secret, "earnings", {"earnings": items}, [f"k{n}" for n in range(TWINS)])
    assert {answer.status_code for answer in answers} == {200}
    counts = [answer.json() for answer in answers]
    assert sum(one["accepted"] for one in counts) == 50 and sum(one["duplicate"] for one in counts) == 50 * (TWINS - 1)
    assert Earning.objects.count() == 50
    ids = [{item["id"] for item in one["data"]} for one in counts]
    assert all(one == ids[0] and None not in one for one in ids)
