"""The gate at which sales are recorded: no sale's money is free before its decision, whether or not the schedule runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backoffice.kit.invariants import check_books
from backoffice.staff.models import AuditEntry
from fraud.decisions import awaiting
from fraud.decisions.awaiting import TRIES_MAX, decide_sales, undecided
from fraud.decisions.holding import keep_holds
from fraud.decisions.models import Decision, SaleToDecide, WantedHold
from fraud.decisions.operations import Question, decide
from payouts.earnings.gates import sales_recorded
from payouts.earnings.models import Earning
from payouts.holds import maturing
from payouts.holds.gates import before_maturing
from payouts.holds.operations import mature_earnings
from payouts.ledger.queries import seller_buckets
from tests.factories.earnings import buckets, make_line, record
from tests.factories.fraud import AT, CHECKER, ROBOT, happening, make_live
from tests.factories.sellers import make_seller

pytestmark = pytest.mark.django_db
LATER = AT + timedelta(days=40)


def sell(seller, gross="100.00", **over):
    line = make_line(seller, gross=gross, fee="0", occurred_at=AT.isoformat(), delivered_at=AT.isoformat(), **over)
    record(line, at=AT)
    return Earning.objects.get(external_id=line.external_id)


def test_money_of_a_sale_stays_pending_while_the_job_is_stopped_and_matures_once_it_ran(monkeypatch):
    monkeypatch.setattr(maturing, "CHUNK", 2)  # those that wait stand in front of those that do not
    seller = make_seller()
    for _ in range(3):
        sell(seller)
    make_live("event.amount_minor > 50000", code="large_sale")
    small, large = [sell(seller) for _ in range(4)], sell(seller, "900.00")
    free = mature_earnings(actor=ROBOT, at=LATER)
    assert (free["earnings"], free["waiting"], free["matured"]) == (3, 5, {"EUR": 30_000})
    assert mature_earnings(actor=ROBOT, at=LATER + timedelta(days=90))["earnings"] == 0, "however long the job stands still"
    assert buckets(seller) == {"available": 30_000, "pending": 130_000}
    assert decide_sales(actor=ROBOT, at=LATER) == 5 and decide_sales(actor=ROBOT, at=LATER) == 0
    assert mature_earnings(actor=ROBOT, at=LATER)["waiting"] == 0 and keep_holds(actor=ROBOT, at=LATER)["placed"] == 1
    assert buckets(seller) == {"available": 70_000, "reserved": 90_000}
    assert WantedHold.objects.get().earning == large and Decision.objects.filter(outcome="allow").count() == len(small)
    assert all(one.ok for one in check_books())


def test_where_no_rule_speaks_about_sales_nothing_waits():
    make_live("event.amount_minor > 1", point="payout")
    sell(make_seller())
    assert not SaleToDecide.objects.exists() and mature_earnings(actor=ROBOT, at=LATER)["earnings"] == 1


def test_only_sales_wait_and_a_refund_takes_the_pending_money_of_its_own_sale_meanwhile():
    make_live()
    seller = make_seller()
    sale = sell(seller, order_ref="o-1")
    sell(seller, "40.00", kind="refund", order_ref="o-1")
    assert list(SaleToDecide.objects.values_list("earning_id", flat=True)) == [sale.pk] and buckets(seller) == {"pending": 6_000}


def test_what_cannot_be_decided_is_tried_again_then_waits_for_a_person_and_its_money_with_it(monkeypatch):
    make_live()
    seller = make_seller()
    bad, good = sell(seller), sell(seller)

    def breaks(earning, told):
        if earning.pk == bad.pk:
            raise LookupError("account FR76 3000")
        return asked(earning, told)

    asked = awaiting.question_of
    monkeypatch.setattr(awaiting, "question_of", breaks)
    now = LATER
    for _ in range(TRIES_MAX):
        assert decide_sales(actor=ROBOT, at=now) >= 1
        now += timedelta(hours=2)
    row = SaleToDecide.objects.get()
    assert (row.earning_id, row.tries, row.gave_up_at is not None) == (bad.pk, TRIES_MAX, True) and "FR76" not in row.error
    assert decide_sales(actor=ROBOT, at=now) == 0 and list(undecided(now)) == [row]
    assert Decision.objects.get().event.ref.endswith(good.external_id)
    assert mature_earnings(actor=ROBOT, at=now)["waiting"] == 1 and buckets(seller) == {"pending": 10_000, "available": 10_000}
    awaiting.ask_again(earning_id=bad.pk, reason="mended", actor=CHECKER, at=now)
    monkeypatch.setattr(awaiting, "question_of", asked)
    assert decide_sales(actor=ROBOT, at=now) == 1 and mature_earnings(actor=ROBOT, at=now)["earnings"] == 1


def test_a_person_lets_a_sale_go_that_nobody_could_decide_on_and_that_is_written_down():
    make_live()
    sale = sell(make_seller())
    awaiting.let_pass(earning_id=sale.pk, reason="looked at the papers", actor=CHECKER, at=AT)
    assert AuditEntry.objects.filter(action="sale.let_pass", subject=sale.public_id).exists()
    assert mature_earnings(actor=ROBOT, at=LATER)["earnings"] == 1


def test_a_partner_that_was_told_to_hold_and_books_all_the_same_has_the_money_held():
    make_live("event.amount_minor > 50000", code="large_sale")
    seller = make_seller()
    said = {"seller": seller.public_id, "currency": "EUR", "buyer": "b9", "at": AT}
    for external_id, amount in (("order:1", 80_000), ("order:2", 100)):
        event = happening(ref=f"api:prt_1:{external_id}", amount_minor=amount, **said)
        decide(question=Question(event, external_id, event.ref, seller=seller), actor=ROBOT, at=AT)
    asked = sell_by_api(seller, "order:1", "800.00")
    cheated = sell_by_api(seller, "order:2", "900.00")
    assert decide_sales(actor=ROBOT, at=AT) == 2
    assert set(WantedHold.objects.values_list("earning_id", flat=True)) == {asked.pk, cheated.pk}
    assert Decision.objects.get(key="api:prt_1:order:2#booked").features["event.amount_minor"] == 90_000


def sell_by_api(seller, external_id, gross):
    line = make_line(
        seller, external_id=external_id, gross=gross, fee="0", occurred_at=AT.isoformat(), delivered_at=AT.isoformat()
    )
    record(line, at=AT, source="api:prt_1")
    return Earning.objects.get(external_id=external_id)


def test_a_gate_that_crashes_keeps_money_where_it_is_and_sales_out_of_the_books(monkeypatch):
    seller = make_seller()
    sell(seller)

    def crashes(*_):
        raise ZeroDivisionError

    monkeypatch.setitem(before_maturing.checks, "broken", crashes)
    with pytest.raises(ZeroDivisionError):
        mature_earnings(actor=ROBOT, at=LATER)
    monkeypatch.setitem(sales_recorded.checks, "broken", crashes)
    with pytest.raises(ZeroDivisionError):
        sell(seller)
    assert seller_buckets([seller.pk])[(seller.pk, "EUR")]["pending"] == 10_000 and Earning.objects.count() == 1


def test_what_was_just_sold_is_decided_first_and_the_oldest_is_not_forgotten():
    make_live()
    seller = make_seller()
    sold = [sell(seller).pk for _ in range(6)]
    assert decide_sales(actor=ROBOT, at=AT, limit=2) == 2
    assert sorted(SaleToDecide.objects.values_list("earning_id", flat=True)) == sold[1:-1]
