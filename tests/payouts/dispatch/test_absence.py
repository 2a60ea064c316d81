"""Only two people together can say that an unknown order paid nobody; whoever else tries sends nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from backoffice.kit import approvals
from backoffice.kit.states import transition
from backoffice.staff.models import AuditEntry
from payouts.dispatch.invariants import refusals_of_people_are_proved
from payouts.dispatch.models import PaymentOrder
from payouts.dispatch.operations import (
    NeedsASecondPerson,
    NotUnknown,
    OnlyAPersonDecides,
    confirm_absence,
    refuse_absence,
    request_absence,
    resolve_unknown,
    work,
)
from payouts.dispatch.orders import create_orders
from payouts.dispatch.queries import absences_to_confirm
from payouts.dispatch.states import ORDER, OrderStatus
from payouts.runs.models import Payout
from payouts.sellers.operations import set_seller_status
from tests.factories.dispatch import BANK, make_submitted_run
from tests.factories.runs import make_checker
from tests.payouts.dispatch.test_engine import AT, american, let_leases_end, order_of

LATER = AT + timedelta(hours=1)
EVIDENCE = "The provider's desk, by telephone: no such payment."


def unknown_order(holder: str = "SANDBOX TIMEOUT BEFORE") -> PaymentOrder:
    seller = american(holder)
    make_submitted_run()
    work(at=AT)
    order = order_of(seller)
    assert order.status == "unknown"
    return order


def test_it_takes_another_person_to_send_again(rails: Path):
    order, maker, checker = unknown_order(), make_checker(), make_checker()

    with pytest.raises(NeedsASecondPerson):
        resolve_unknown(order_id=order.pk, outcome="absent", reason=EVIDENCE, actor=maker, at=AT)
    with pytest.raises(approvals.ApprovalMissing):
        confirm_absence(order_id=order.pk, actor=checker, at=AT)
    with pytest.raises(OnlyAPersonDecides):
        request_absence(order_id=order.pk, reason=EVIDENCE, actor=BANK, at=AT)
    asked = request_absence(order_id=order.pk, reason=EVIDENCE, actor=maker, at=AT)
    with pytest.raises(approvals.ApproverIsMaker):
        confirm_absence(order_id=order.pk, actor=maker, at=LATER)
    with pytest.raises(approvals.ApproverIsNotAPerson):
        confirm_absence(order_id=order.pk, actor=BANK, at=LATER)
    with pytest.raises(approvals.ContentChanged):
        confirm_absence(order_id=order.pk, actor=checker, at=LATER, content_hash="0" * 64)
    assert PaymentOrder.objects.get(payout=order.payout).status == "unknown"
    assert list(absences_to_confirm()) == [order]

    confirm_absence(order_id=order.pk, actor=checker, at=LATER, content_hash=asked.content_hash)

    attempts = PaymentOrder.objects.filter(payout=order.payout).order_by("attempt")
    assert [(one.attempt, one.status) for one in attempts] == [(1, "absent"), (2, "approved")]
    assert EVIDENCE in attempts[0].reason
    told = AuditEntry.objects.filter(subject=order.public_id).order_by("id").values_list("action", "actor")
    assert list(told) == [("order_absent.request", str(maker)), ("order_absent.confirm", str(checker))]
    with pytest.raises(NotUnknown):
        confirm_absence(order_id=order.pk, actor=checker, at=LATER)
    assert not absences_to_confirm().exists()


def test_it_takes_another_person_to_say_that_the_rail_refused_it(rails: Path):
    order, maker, checker = unknown_order(), make_checker(), make_checker()

    with pytest.raises(NeedsASecondPerson):
        resolve_unknown(order_id=order.pk, outcome="rejected", reason=EVIDENCE, actor=maker, at=AT)
    request_absence(order_id=order.pk, code="AC01", reason=EVIDENCE, actor=maker, at=AT)
    with pytest.raises(approvals.ApproverIsMaker):
        confirm_absence(order_id=order.pk, actor=maker, at=LATER)
    assert Payout.objects.get(pk=order.payout_id).status == "pending"
    confirm_absence(order_id=order.pk, actor=checker, at=LATER)

    (closed,) = PaymentOrder.objects.filter(payout=order.payout)
    assert (closed.status, closed.code, Payout.objects.get(pk=order.payout_id).status) == ("rejected", "AC01", "failed")
    assert refusals_of_people_are_proved() == []


def test_an_order_that_one_person_alone_closed_as_refused_is_found(rails: Path):
    order, person = unknown_order(), make_checker()
    with transaction.atomic():
        transition(ORDER, order, OrderStatus.REJECTED, actor=person, at=LATER)
        found = refusals_of_people_are_proved()
        transaction.set_rollback(True)

    assert [row["payment_order"] for row in found] == [order.public_id]


def test_an_order_that_was_found_meanwhile_is_not_sent_again(rails: Path):
    order, maker, checker = unknown_order("SANDBOX TIMEOUT AFTER"), make_checker(), make_checker()
    request_absence(order_id=order.pk, reason=EVIDENCE, actor=maker, at=AT)
    let_leases_end()
    work(at=AT)

    with pytest.raises(NotUnknown):
        confirm_absence(order_id=order.pk, actor=checker, at=LATER)

    assert PaymentOrder.objects.get(payout=order.payout).status == "sent"


def test_a_refused_word_leaves_the_order_unknown_and_may_be_given_anew(rails: Path):
    order, maker, checker = unknown_order(), make_checker(), make_checker()
    request_absence(order_id=order.pk, reason=EVIDENCE, actor=maker, at=AT)
    refuse_absence(order_id=order.pk, reason="Ask in writing.", actor=checker, at=AT)

    with pytest.raises(approvals.ApprovalMissing):
        confirm_absence(order_id=order.pk, actor=checker, at=LATER)
    request_absence(order_id=order.pk, reason="In writing, reference 4711.", actor=checker, at=LATER)
    set_seller_status(seller_id=order.payout.seller_id, to="blocked", actor=checker, at=LATER, reason="x")
    confirm_absence(order_id=order.pk, actor=maker, at=LATER)

    assert PaymentOrder.objects.get(payout=order.payout).status == "absent"
    assert Payout.objects.get(pk=order.payout_id).status == "held"


def test_the_database_makes_no_third_attempt_after_two_unconfirmed_ones(rails: Path):
    order = unknown_order()
    let_leases_end()
    for _ in range(3):
        work(at=AT)
        let_leases_end()
    second = order_of(order.payout.seller)
    assert (second.attempt, second.status) == (2, "unknown")

    with pytest.raises(IntegrityError, match="nobody confirmed"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE payouts_paymentorder SET status = 'absent' WHERE id = %s", [second.pk])
        create_orders([order.payout_id], actor=make_checker(), at=LATER)

    maker, checker = make_checker(), make_checker()
    request_absence(order_id=second.pk, reason=EVIDENCE, actor=maker, at=LATER)
    confirm_absence(order_id=second.pk, actor=checker, at=LATER)
    assert order_of(order.payout.seller).attempt == 3
