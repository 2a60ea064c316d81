"""Two connections at once: the same lines, a refund against its sale, maturing against maturing and against a refund."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from backoffice.kit.invariants import check_books
from payouts.earnings.models import Earning
from payouts.holds import maturing
from payouts.holds.operations import mature_earnings, place_hold
from payouts.ledger.models import Posting
from tests.factories.earnings import AT, ROBOT, buckets, make_line, record
from tests.factories.sellers import make_seller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]
DUE = AT + timedelta(days=2)


def at_once(*verbs: Callable[[], Any]) -> list[Any]:
    """Run verbs in threads with a connection each, started together; return their answers."""
    gate = Barrier(len(verbs))

    def run(verb: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            gate.wait()
            return verb()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(verbs)) as threads:
        return [future.result() for future in [threads.submit(run, verb) for verb in verbs]]


def clean() -> bool:
    return all(verdict.ok for verdict in check_books())


def test_the_same_lines_sent_twice_at_once_are_booked_once():
    sellers = [make_seller() for _ in range(5)]
    lines = [make_line(sellers[n % 5]) for n in range(200)]
    first, second = at_once(lambda: record(*lines), lambda: record(*lines[::-1]))
    outcomes = sorted(one.outcome for one in first + second)
    assert outcomes == ["accepted"] * 200 + ["duplicate"] * 200
    assert Posting.objects.count() == 200 and clean()


def test_one_external_id_for_two_sellers_at_once_is_booked_for_one():
    one, other = make_seller(), make_seller()
    for number in range(5):
        results = at_once(
            lambda n=number: record(make_line(one, external_id=f"same-{n}")),
            lambda n=number: record(make_line(other, external_id=f"same-{n}")),
        )
        assert sorted(result[0].code for result in results) == ["", "differs_from_earlier"]
    assert clean()


def test_a_refund_and_its_sale_at_once_end_like_one_after_the_other():
    seller = make_seller()
    for number in range(10):
        at_once(
            lambda n=number: record(make_line(seller, order_ref=f"o{n}")),
            lambda n=number: record(make_line(seller, order_ref=f"o{n}", kind="refund", gross="40.00", fee="4.00")),
        )
    assert buckets(seller) == {"pending": 54_000} and clean()


def test_two_maturings_at_once_free_each_earning_once(monkeypatch):
    monkeypatch.setattr(maturing, "CHUNK", 7)
    sellers = [make_seller() for _ in range(10)]
    record(*[make_line(sellers[n % 10]) for n in range(100)])
    answers = at_once(*[lambda: mature_earnings(actor=ROBOT, at=DUE)] * 3)
    assert sum(answer["earnings"] for answer in answers) == 100
    assert all(buckets(seller) == {"available": 90_000} for seller in sellers) and clean()


def test_a_refund_while_its_sale_matures_takes_its_money_once():
    seller = make_seller()
    for number in range(10):
        record(make_line(seller, order_ref=f"o{number}"))
        at_once(
            lambda: mature_earnings(actor=ROBOT, at=DUE),
            lambda n=number: record(make_line(seller, order_ref=f"o{n}", kind="refund")),
        )
    assert buckets(seller) == {} and clean()
    assert not Earning.objects.filter(pending_minor__gt=0).exists()


def test_two_holds_at_once_never_take_more_than_there_is():
    seller = make_seller()
    record(make_line(seller))
    mature_earnings(actor=ROBOT, at=DUE)

    def hold(key: str) -> str:
        facts = {"code": "risk", "reason": "r", "seller_text": "t", "owner": "o", "actor": ROBOT, "at": DUE}
        try:
            return place_hold(seller_id=seller.pk, currency="EUR", amount_minor=6_000, key=key, **facts).state
        except Exception as refusal:  # noqa: BLE001 - the loser's refusal is what is asserted
            return getattr(refusal, "code", repr(refusal))

    outcomes = at_once(lambda: hold("a"), lambda: hold("b"))
    assert sorted(outcomes) == ["active", "hold_exceeds_balance"]
    assert buckets(seller) == {"available": 3_000, "reserved": 6_000} and clean()
    winner = "ab"[outcomes.index("active")]
    assert at_once(lambda: hold(winner), lambda: hold(winner)) == ["active", "active"]
    assert buckets(seller) == {"available": 3_000, "reserved": 6_000}
