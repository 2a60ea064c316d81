"""Exposure by night: the sum of its parts, judged by thresholds that two people agreed on, told once, and quick for all sellers."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from backoffice.kit.invariants import check_books
from backoffice.kit.outbox import Event
from fraud.cases.models import Case
from fraud.exposure import queries
from fraud.exposure.models import ExposureSnapshot
from fraud.exposure.operations import forget_nights, snapshot_exposure
from fraud.policies.operations import approve_fraud_policy, in_force, propose_fraud_policy
from payouts.holds.operations import place_hold
from payouts.sellers.models import Seller
from tests.factories.cases import deliver, person
from tests.factories.earnings import make_line
from tests.factories.earnings import record as record_lines
from tests.factories.fraud import AT, ROBOT
from tests.factories.runs import give_money
from tests.factories.sellers import limit, make_seller

pytestmark = pytest.mark.django_db
NIGHT = AT.replace(hour=2) + timedelta(days=1)


def record(seller: Seller, *, occurred_at: datetime, **facts: str) -> None:
    record_lines(make_line(seller, occurred_at=f"{occurred_at:%Y-%m-%dT%H:%M:%SZ}", **facts), at=occurred_at)


def night(at: datetime) -> dict[str, int]:
    return snapshot_exposure(actor=ROBOT, at=at)


def of(seller: Seller, at: datetime) -> ExposureSnapshot:
    return ExposureSnapshot.objects.get(seller=seller, on=at.date())


def propose(**over: object) -> None:
    content = in_force("exposure").content | over
    asked = propose_fraud_policy(kind="exposure", content=content, reason="test", actor=person("risk"), at=AT)
    approve_fraud_policy(policy_id=asked.pk, actor=person("lead"), at=AT)


def test_exposure_is_unsettled_and_disputed_and_owed_less_what_we_keep() -> None:
    seller = limit(make_seller(), 1_000_000)
    give_money(seller, 30_000, at=AT)
    place_hold(
        seller_id=seller.pk, currency="EUR", amount_minor=20_000, code="x", reason="x", seller_text="x", owner="risk", actor=ROBOT, key="h", at=AT
    )  # fmt: skip
    give_money(seller, -25_000, at=AT)
    record(seller, gross="500.00", fee="50.00", occurred_at=AT)
    assert night(NIGHT)["written"] == 1
    row = of(seller, NIGHT)
    parts = (row.unsettled_minor, row.disputed_minor, row.debt_minor, row.advance_minor, row.reserved_minor)
    assert parts == (45_000, 0, 15_000, 0, 20_000) and row.exposure_minor == 40_000
    assert night(NIGHT) == {"written": 0, "crossed": 0}, "the same night again changes nothing"
    with pytest.raises(DatabaseError, match="never edited"), transaction.atomic():
        ExposureSnapshot.objects.update(exposure_minor=0)
    assert [one for one in check_books({16}) if not one.ok] == []


def test_a_threshold_is_told_when_it_is_crossed_and_raises_one_case() -> None:
    propose(exposure_minor={"EUR": {"warn": 40_000, "critical": 90_000}})
    seller = make_seller()
    record(seller, gross="450.00", fee="0.00", occurred_at=AT)
    assert night(NIGHT) == {"written": 1, "crossed": 1}
    record(seller, gross="10.00", fee="0.00", occurred_at=AT)
    assert night(NIGHT + timedelta(days=1))["crossed"] == 0, "still at warning: told once"
    record(seller, gross="600.00", fee="0.00", occurred_at=AT)
    assert night(NIGHT + timedelta(days=2))["crossed"] == 1
    deliver(NIGHT + timedelta(days=2))
    case = Case.objects.get(subject=seller.public_id)
    assert (case.alerts_count, case.priority, case.at_stake) == (2, 4, {"EUR": 106_000})
    assert list(case.alerts.order_by("pk").values_list("code", flat=True)) == ["exposure_warn", "exposure_critical"]
    assert "exposure" in case.alerts.earliest("pk").text
    assert [one for one in check_books({16}) if not one.ok] == []


def test_rates_say_nothing_of_few_sales_and_growth_is_measured_against_a_week_ago() -> None:
    propose(sales_least=3, chargebacks_least=1, growth_from_minor={"EUR": 10_000})
    steady, few = make_seller(), make_seller()
    for number in range(4):
        record(steady, gross="100.00", fee="0.00", occurred_at=AT, order_ref=f"o{number}")
    record(few, gross="100.00", fee="0.00", occurred_at=AT, order_ref="f1")
    record(few, gross="100.00", fee="0.00", kind="refund", occurred_at=AT, order_ref="f1")
    record(steady, gross="50.00", fee="0.00", kind="refund", occurred_at=AT, order_ref="o1")
    record(steady, gross="100.00", fee="0.00", kind="chargeback", occurred_at=AT, order_ref="o2")
    night(NIGHT)
    row = of(steady, NIGHT)
    assert (row.refund_basis_points, row.chargeback_basis_points, row.level) == (1_250, 2_500, "critical")
    assert sorted(row.reasons) == ["chargebacks", "refunds"] and of(few, NIGHT).refund_basis_points is None
    for number in range(20):
        record(steady, gross="100.00", fee="0.00", occurred_at=AT + timedelta(days=6), order_ref=f"g{number}")
    later = NIGHT + timedelta(days=7)
    night(later)
    grown = of(steady, later)
    assert grown.before_minor == row.exposure_minor and "growth" in grown.reasons
    assert Event.objects.filter(type="exposure.crossed", subject=grown.public_id).count() == 0, "critical it was before"


def test_twenty_thousand_sellers_take_seconds_and_old_nights_are_forgotten() -> None:
    seller = make_seller()
    columns = [field.column for field in Seller._meta.concrete_fields if field.column not in ("id", "public_id", "external_id")]
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO payouts_seller (public_id, external_id, {names}) SELECT kit_typeid('sel'), 'many-' || n, {names}"
            f" FROM payouts_seller, generate_series(1, 20000) n WHERE id = {seller.pk}"
        )
        cursor.execute(
            """INSERT INTO payouts_account (code, holder_id, holder, currency, normal_sign, guarded, created_at)
               SELECT 'seller.reserved', id, '', 'EUR', -1, true, now() FROM payouts_seller WHERE external_id LIKE 'many-%%'"""
        )
        cursor.execute(
            """INSERT INTO payouts_balance (account_id, amount_minor, normal_sign, floor_minor)
               SELECT id, -5000, -1, 0 FROM payouts_account a WHERE holder_id IN (SELECT id FROM payouts_seller WHERE external_id LIKE 'many-%%')"""
        )
    began = time.monotonic()
    assert night(NIGHT)["written"] == 20_000
    assert time.monotonic() - began < 10
    summed = queries.totals("EUR", NIGHT.date())[-1]
    assert (summed["reserved"], queries.currencies(NIGHT.date())) == (20_000 * 5_000, ["EUR"])
    assert all(one.ok for one in check_books({16}))
    assert forget_nights(at=NIGHT + timedelta(days=399)) == 0
    assert forget_nights(at=NIGHT + timedelta(days=401)) == 20_000
