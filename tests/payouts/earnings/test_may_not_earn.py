"""Who may not earn gets no new earnings booked, and the line says why and can be tried again; what follows an earlier sale is always booked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backoffice.kit import clock
from backoffice.kit.invariants import check_books
from payouts.compliance.catalogue import catalogues
from payouts.compliance.deriving import derive
from payouts.compliance.models import Requirement
from payouts.compliance.operations import accept_requirement, keep_deadlines
from payouts.earnings.importing import import_earnings
from payouts.earnings.models import Earning, RejectedLine
from payouts.earnings.operations import StillRejected, retry_rejected
from payouts.sellers.models import Seller
from payouts.sellers.operations import set_seller_status
from tests.factories.compliance import REVIEWER, answer, make_newcomer, row
from tests.factories.earnings import AT, ROBOT, buckets, make_line, record, write_csv
from tests.factories.partners import make_client
from tests.factories.sellers import make_seller, make_tier

pytestmark = pytest.mark.django_db


def guard_earning(seller: Seller) -> Seller:
    """Let a requirement of the seller guard earning, as a catalogue may say."""
    Requirement.objects.filter(seller=seller, code="legal_entity").update(capabilities=["accrue", "pay_out"], gating=True)
    derive([seller.pk], actor=ROBOT, at=AT)
    return seller


@pytest.mark.parametrize(
    ("kind", "gross", "outcome"),
    [
        ("sale", "100.00", "rejected"), ("adjustment", "5.00", "rejected"), ("adjustment", "-5.00", "accepted"),
        ("refund", "40.00", "accepted"), ("chargeback", "40.00", "accepted"), ("chargeback_reversal", "40.00", "accepted"),
    ],
)  # fmt: skip
def test_only_new_earnings_wait_for_the_right_to_earn(kind, gross, outcome):
    seller = make_newcomer()
    record(make_line(seller, order_ref="before"))
    guard_earning(seller)

    (result,) = record(make_line(seller, kind=kind, gross=gross, fee="0.00", order_ref="before"))

    assert result.outcome == outcome
    if outcome == "rejected":
        assert result.code == "seller_may_not_accrue"
        assert (
            result.reason
            == f"The seller {seller.external_id!r} may not earn now: a requirement is not met yet. Try the line again when it may."
        )
        assert buckets(seller) == {"pending": 9_000}
    else:
        assert buckets(seller) != {"pending": 9_000}
    assert not [verdict for verdict in check_books() if not verdict.ok]


def test_the_rejected_line_of_a_file_is_kept_and_booked_once_the_requirement_is_met(tmp_path: Path):
    seller, other = guard_earning(make_newcomer()), make_seller()
    lines = [make_line(seller), make_line(other), make_line(seller, kind="refund", gross="20.00", fee="2.00", order_ref="o-9")]

    said = import_earnings(path=write_csv(tmp_path / "sales.csv", lines), source="test", actor=ROBOT, at=AT)

    assert (said.accepted, said.rejected) == (2, 1)
    kept = RejectedLine.objects.get()
    assert (kept.code, kept.line_no) == ("seller_may_not_accrue", 2)
    assert buckets(seller)["available"] == -1_800, "the refund is a fact, and becomes a debt"
    with pytest.raises(StillRejected):
        retry_rejected(rejected_id=kept.pk, actor=ROBOT, at=AT)
    answer(seller, "legal_entity", "1 rue de la Paix, 75002 Paris", AT)
    accept_requirement(requirement_id=row(seller, "legal_entity").pk, actor=REVIEWER, at=AT, reason="as in the register")
    retry_rejected(rejected_id=kept.pk, actor=ROBOT, at=AT)
    assert Earning.objects.filter(seller=seller, kind="sale").count() == 1


def test_a_trader_of_the_union_stops_earning_once_its_commitment_is_overdue_and_goes_on_with_it():
    seller, private = make_newcomer(), make_newcomer(entity_type="individual")
    commitment = row(seller, "trader_commitment")
    assert [one.outcome for one in record(make_line(seller))] == ["accepted"], "the deadline is not there yet"
    late = commitment.deadline_at + timedelta(minutes=1)
    keep_deadlines(actor=ROBOT, at=late)

    sale = make_line(seller)
    sold, back, other = record(sale, make_line(seller, kind="refund", order_ref="o-2"), make_line(private), at=late)

    assert (sold.outcome, sold.code, back.outcome, other.outcome) == ("rejected", "seller_may_not_accrue", "accepted", "accepted")
    answer(seller, "trader_commitment", "I offer only what the law of the Union allows.", late)
    assert [one.outcome for one in record(sale, at=late)] == ["accepted"]


def test_only_laws_that_suspend_the_trade_keep_anybody_from_earning_and_never_before_a_deadline():
    guards = {
        (country, rule.code) for country, one in catalogues().items() for rule in one.rules if "accrue" in rule.capabilities
    }
    assert guards == {(country, "trader_commitment") for country in ("FR", "DE", "ES", "IT", "BE", "NL")} | {
        ("US", "high_volume_contact")
    }
    rules = [rule for one in catalogues().values() for rule in one.rules if "accrue" in rule.capabilities]
    assert all(not rule.gating and rule.grace_days and "suspension" in rule.source for rule in rules)


def test_a_blocked_seller_earns_nothing_new_by_api_and_is_told_so():
    make_tier("new")
    client = make_client()
    seller = make_seller(partner_id=client.partner.pk)
    sale = {
        "external_id": "s-1", "seller": seller.external_id, "kind": "sale", "order_ref": "o-1", "occurred_at": clock.now().isoformat(),
        "gross": {"amount_minor": 500, "currency": "EUR"},
    }  # fmt: skip
    assert client.post("earnings", sale).status_code == 201
    set_seller_status(seller_id=seller.pk, to="blocked", actor=REVIEWER, at=clock.now(), reason="forged papers")

    alone = client.post("earnings", sale | {"external_id": "s-2"})
    batch = client.post(
        "earnings", {"earnings": [sale | {"external_id": "s-3"}, sale | {"external_id": "r-1", "kind": "refund"}]}
    )

    assert (alone.status_code, alone.json()["code"]) == (422, "seller_may_not_accrue")
    assert "it is blocked" in alone.json()["detail"]
    first, second = batch.json()["data"]
    assert (first["outcome"], first["code"], second["outcome"]) == ("rejected", "seller_may_not_accrue", "accepted")
    said = {one["capability"]: one["code"] for one in client.get(f"sellers/{seller.public_id}/capabilities").json()["data"]}
    assert said["accrue"] == said["sell"] == "blocked"


def test_asking_who_may_earn_costs_no_query_a_line():
    sellers = [guard_earning(make_newcomer()) if number % 2 else make_seller() for number in range(12)]

    def queries(chosen: list[Seller], lines: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            record(*(make_line(one) for one in chosen for _ in range(lines)))
        return len(seen)

    queries(sellers[:2], 1)  # what is asked once per process
    assert queries(sellers[:2], 1) == queries(sellers, 9)
