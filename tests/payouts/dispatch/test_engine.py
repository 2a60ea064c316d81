"""Call rails: claim, act, record; look before any second call, unknown stays unknown, absent only when proven."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import override_settings

from payouts.dispatch import claims
from payouts.dispatch.claims import claim
from payouts.dispatch.engine import Engine
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.operations import (
    NotUnknown,
    OnlyAPersonDecides,
    ask_about_sent,
    bounce,
    close_return_windows,
    resolve_unknown,
    settle,
    sweep,
    work,
)
from payouts.ledger.models import Posting
from payouts.ledger.queries import seller_buckets
from payouts.rails.port import Accepted
from payouts.runs.models import Payout, PayoutRun
from payouts.runs.operations import cancel_payout
from payouts.sellers.models import Seller
from payouts.sellers.operations import set_seller_status
from tests.factories.dispatch import BANK, SUBMIT_AT, SUBMITTER, make_submitted_run, orders_of, provider_in
from tests.factories.runs import give_money, make_checker
from tests.factories.sellers import make_payee, make_seller

AT = SUBMIT_AT + timedelta(minutes=5)


def american(holder: str = "", amount_minor: int = 10_000) -> Seller:
    """Return a seller who is paid in dollars over the sandbox; the holder's name asks for what the provider does."""
    seller = make_seller(currency="USD", country="US")
    make_payee(seller, currency="USD", **({"account_holder": holder} if holder else {}))
    give_money(seller, amount_minor)
    return seller


def order_of(seller: Seller) -> PaymentOrder:
    return PaymentOrder.objects.filter(payout__seller=seller).order_by("-attempt")[0]


def let_leases_end() -> None:
    """Make every lease and pause lie in the past, as waiting would."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE payouts_paymentorder SET next_try_at = now() - interval '1 second', lease_until = now() - interval '1 second',
                      last_called_at = last_called_at - interval '1 day' WHERE next_try_at IS NOT NULL"""
        )


def test_an_accepted_order_is_in_transit_under_the_providers_reference(rails: Path):
    seller = american()
    make_submitted_run()

    assert work(at=AT) == 1

    order = order_of(seller)
    assert (order.status, order.provider_ref) == ("sent", "sbx_1")
    assert order.payout.status == "in_transit"
    assert seller_buckets([seller.pk])[(seller.pk, "USD")]["in_payout"] == 0


def test_a_settled_order_pays_its_payout_and_stays_provisional_until_the_window_closes(rails: Path):
    seller = american()
    make_submitted_run()
    work(at=AT)

    sweep(at=AT)

    payout = Payout.objects.get(seller=seller)
    assert (payout.status, payout.settled_final_at) == ("paid", None)
    assert close_return_windows(at=AT) == 0
    assert close_return_windows(at=AT + timedelta(days=30)) == 1
    assert PayoutRun.objects.get(pk=payout.run_id).status == "completed"


def test_a_refusal_gives_the_money_back_and_closes_the_payee_account(rails: Path):
    seller = american("SANDBOX REFUSE")
    make_submitted_run()

    work(at=AT)

    payout = Payout.objects.get(seller=seller)
    assert (payout.status, payout.status_code) == ("failed", "AC04")
    assert seller_buckets([seller.pk])[(seller.pk, "USD")]["available"] == 10_000
    assert order_of(seller).payee_account.status == "closed"


@pytest.mark.parametrize("holder", ["SANDBOX TIMEOUT AFTER", "SANDBOX ERROR AFTER"])
def test_no_answer_is_unknown_and_the_question_finds_the_payment(rails: Path, holder: str):
    seller = american(holder)
    make_submitted_run()
    work(at=AT)
    assert order_of(seller).status == "unknown"

    let_leases_end()
    work(at=AT)

    assert order_of(seller).status == "sent"
    assert len(provider_in(rails).truth()) == 1


@pytest.mark.parametrize("holder", ["SANDBOX TIMEOUT BEFORE", "SANDBOX ERROR BEFORE"])
def test_what_never_arrived_is_made_again_once_and_then_waits_for_a_person(rails: Path, holder: str):
    seller = american(holder)
    make_submitted_run()
    for _ in range(6):
        work(at=AT)
        let_leases_end()

    attempts = PaymentOrder.objects.filter(payout__seller=seller).order_by("attempt")
    assert [(order.attempt, order.status) for order in attempts] == [(1, "absent"), (2, "unknown")]
    assert attempts[1].code == "needs_a_person"
    assert attempts[0].key != attempts[1].key


def test_absence_is_no_proof_while_the_call_may_still_be_on_its_way(rails: Path):
    seller = american("SANDBOX TIMEOUT BEFORE")
    make_submitted_run()
    work(at=AT)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payouts_paymentorder SET next_try_at = now() - interval '1 second'")

    work(at=AT)

    order = order_of(seller)
    assert (order.attempt, order.status) == (1, "unknown")
    assert "too early" in order.reason


def test_a_silent_provider_leaves_the_order_unknown_for_ever(rails: Path):
    seller = american("SANDBOX SILENT")
    make_submitted_run()
    for _ in range(3):
        work(at=AT)

    assert order_of(seller).status == "unknown"
    assert Payout.objects.get(seller=seller).status == "pending"


def test_a_person_may_say_what_became_of_an_unknown_order(rails: Path):
    seller = american("SANDBOX TIMEOUT BEFORE")
    make_submitted_run()
    work(at=AT)
    order, person = order_of(seller), make_checker()

    with pytest.raises(OnlyAPersonDecides):
        resolve_unknown(order_id=order.pk, reason="seen", actor=BANK, at=AT)
    resolve_unknown(order_id=order.pk, provider_ref="sbx_1", reason="the provider wrote us", actor=person, at=AT)

    assert Payout.objects.get(seller=seller).status == "in_transit"
    with pytest.raises(NotUnknown):
        resolve_unknown(order_id=order.pk, reason="no", actor=person, at=AT)


def test_a_later_return_comes_back_once(rails: Path):
    seller = american("SANDBOX RETURN")
    make_submitted_run()
    work(at=AT)
    sweep(at=AT)
    assert Payout.objects.get(seller=seller).status == "paid"

    sweep(at=AT + timedelta(days=1))
    let_leases_end()
    sweep(at=AT + timedelta(days=2))

    assert Payout.objects.get(seller=seller).status == "returned"
    assert seller_buckets([seller.pk])[(seller.pk, "USD")]["available"] == 10_000
    assert Posting.objects.filter(template="payout_bounced").count() == 1


def test_a_late_worker_writes_nothing(rails: Path):
    seller = american()
    make_submitted_run()
    engine = Engine(wave=1)
    (slow,) = engine.claim(["sandbox"], 1, AT)
    let_leases_end()
    (quick,) = engine.claim(["sandbox"], 1, AT)
    assert quick.ask_only and quick.claim != slow.claim

    engine.record([(slow, Accepted("sbx_99"))], AT)

    assert order_of(seller).status == "sending"
    assert not Posting.objects.filter(template="payout_sent").exists()


def test_a_worker_with_no_time_left_does_not_call(rails: Path):
    seller = american()
    make_submitted_run()
    with override_settings(LEASE_SECONDS=0.05):
        (late,) = claim(rails=["sandbox"], limit=1, actor=BANK, at=AT)
    time.sleep(0.06)
    engine = Engine(wave=1)

    engine.record(engine.act_all([late]), AT)

    order = order_of(seller)
    assert (order.status, order.called) == ("approved", False)
    assert provider_in(rails).truth() == []


def test_a_claimed_order_is_nobody_elses(rails: Path):
    american()
    make_submitted_run()

    first = claim(rails=["sandbox"], limit=10, actor=BANK, at=AT)
    second = claim(rails=["sandbox"], limit=10, actor=BANK, at=AT)

    assert (len(first), len(second)) == (1, 0)


def test_the_last_gate_stops_what_changed_after_the_submission(rails: Path):
    seller = american()
    make_submitted_run()
    set_seller_status(seller_id=seller.pk, to="blocked", actor=SUBMITTER, at=AT, reason="found on a list")

    work(at=AT)

    assert Payout.objects.get(seller=seller).status == "held"
    assert order_of(seller).status == "canceled"
    assert provider_in(rails).truth() == []


def test_a_pending_payout_is_cancelled_only_while_its_order_is_here(rails: Path):
    from payouts.runs.giving_back import PayoutOnItsWay

    seller = american()
    make_submitted_run()
    payout = Payout.objects.get(seller=seller)
    assert payout.status == "pending"

    cancel_payout(payout_id=payout.pk, actor=SUBMITTER, at=AT, reason="not needed")

    assert order_of(seller).status == "canceled"
    assert work(at=AT) == 0
    other = american()
    make_submitted_run()
    claim(rails=["sandbox"], limit=10, actor=BANK, at=AT)
    with pytest.raises(PayoutOnItsWay):
        cancel_payout(payout_id=Payout.objects.get(seller=other).pk, actor=SUBMITTER, at=AT, reason="too late")


def test_settling_and_bouncing_twice_books_once(rails: Path):
    seller = american()
    make_submitted_run()
    work(at=AT)
    order = order_of(seller)

    assert settle(order_id=order.pk, actor=BANK, at=AT) == "applied"
    assert settle(order_id=order.pk, actor=BANK, at=AT) == "already"
    assert bounce(order_id=order.pk, code="AC04", actor=BANK, at=AT) == "applied"
    assert bounce(order_id=order.pk, code="AC04", actor=BANK, at=AT) == "already"
    assert Posting.objects.filter(template="payout_bounced").count() == 1


def test_a_bounce_first_repays_what_the_seller_owes(rails: Path):
    seller = american(amount_minor=10_000)
    make_submitted_run()
    work(at=AT)
    owe(seller, 3_000)

    bounce(order_id=order_of(seller).pk, code="MS03", actor=BANK, at=AT)

    buckets = seller_buckets([seller.pk])[(seller.pk, "USD")]
    assert (buckets["available"], buckets["debt"]) == (7_000, 0)


def owe(seller: Seller, amount_minor: int) -> None:
    from backoffice.kit.actors import staff
    from payouts.ledger.operations import Draft, post
    from payouts.ledger.templates import Leg, platform

    legs = [Leg("receivable.seller_debt", seller.pk, "", "USD", amount_minor), platform("suspense", "USD", -amount_minor)]
    post(drafts=[Draft("write_off", f"owe:{seller.pk}", legs)], actor=staff(1_000_001), approver=staff(1_000_002), at=AT)


def test_a_reason_without_a_rule_pauses_the_seller_for_a_person(rails: Path):
    from payouts.holds.models import Hold

    seller = american()
    make_submitted_run()
    work(at=AT)

    bounce(order_id=order_of(seller).pk, code="XX99", reason="strange", actor=BANK, at=AT)

    assert Hold.objects.get(seller=seller).kind == "pause"


def test_a_payment_order_without_an_approval_is_refused_by_the_database(rails: Path):
    from payouts.dispatch.orders import create_orders
    from tests.factories.runs import make_payout

    payout = make_payout(approved=False)

    with pytest.raises(IntegrityError, match="does not match its payout"), transaction.atomic():
        create_orders([payout.pk], actor=BANK, at=AT)


def test_what_was_asked_of_a_rail_is_frozen(rails: Path):
    american()
    run = make_submitted_run()
    order = orders_of(run)[0]
    for column, value in [("amount_minor", 1), ("key", "'other'"), ("end_to_end_id", "'other'"), ("status", "'completed'")]:
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE payouts_paymentorder SET {column} = {value} WHERE id = {order.pk}")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM payouts_paymentorder WHERE id = {order.pk}")


def test_asking_about_sent_orders_has_no_effect_while_nothing_is_due(rails: Path):
    american()
    make_submitted_run()
    work(at=AT)
    assert ask_about_sent(at=AT) == {"settled": 1}

    assert ask_about_sent(at=AT) == {}
    assert ask_about_sent(at=AT) == {}


def test_taking_up_the_next_orders_of_a_long_queue_sorts_nothing(db):
    with connection.cursor() as cursor:
        # with sorting and reading whole tables put last, a sort that is left is one no index spares
        cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off; SET LOCAL enable_seqscan = off")
        facts = {"rails": ["sandbox"], "states": ["approved"], "limit": 8}
        cursor.execute("EXPLAIN " + claims._DUE, facts)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "order_due" in plan and "Sort" not in plan, plan
