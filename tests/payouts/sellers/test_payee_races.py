"""Two people change one seller at once, on two connections."""

import threading

import pytest
from django.db import connection, transaction

from backoffice.kit.actors import staff
from backoffice.kit.errors import Refusal
from payouts.sellers import operations, queries
from payouts.sellers.models import PayeeAccount
from tests.factories.sellers import AT, make_iban, make_payee, make_seller

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]


def together(*acts):
    """Run the acts at once; return what they answered or refused with."""
    outcomes, gate = [], threading.Barrier(len(acts))

    def work(act):
        try:
            gate.wait()
            outcomes.append(act())
        except Refusal as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(act,)) for act in acts]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return outcomes


def change(seller, number, key):
    return lambda: (
        operations.change_payee_account(
            seller_id=seller.pk, currency="EUR", kind="iban", account_holder="A", number=number, actor=staff(1), key=key, at=AT
        ).version
    )


def test_two_changes_at_once_make_two_versions_of_which_one_is_in_use():
    seller = make_seller()
    make_payee(seller)
    assert sorted(together(*[change(seller, make_iban(), f"k{n}") for n in range(4)])) == [2, 3, 4, 5]
    assert queries.payee_in_use(seller.pk, "EUR").version == 5
    assert PayeeAccount.objects.filter(seller=seller).exclude(status="superseded").count() == 1


def test_one_change_sent_twice_at_once_is_made_once():
    seller = make_seller()
    number = make_iban()
    assert together(*[change(seller, number, "same")] * 4) == [1, 1, 1, 1]


def test_one_seller_created_twice_at_once_is_created_once():
    make_seller()
    given = {
        "external_id": "twin", "legal_name": "Twin", "entity_type": "company", "country": "FR", "currency": "EUR", "tier": "standard",
        "schedule": "daily", "actor": staff(1), "at": AT,
    }  # fmt: skip
    same = together(*[lambda: operations.create_seller(**given, key="same").pk] * 4)
    assert len(set(same)) == 1
    given["external_id"] = "other"
    apart = together(*[lambda n=n: type(operations.create_seller(**given, key=f"k{n}").pk) for n in range(4)])
    assert sorted(map(str, apart)) == ["<class 'int'>", "seller_exists", "seller_exists", "seller_exists"]


def test_a_change_waits_for_whoever_holds_the_seller():
    seller = make_seller()
    old = make_payee(seller)
    started, outcome = threading.Event(), []

    def rival():
        started.set()
        try:
            outcome.append(change(seller, make_iban(), "rival")())
        finally:
            connection.close()

    thread = threading.Thread(target=rival)
    with transaction.atomic():
        queries.lock_sellers([seller.pk])
        thread.start()
        started.wait()
        thread.join(0.3)
        assert thread.is_alive()
        assert queries.payee_in_use(seller.pk, "EUR") == old
    thread.join()
    assert outcome == [2]
