"""No more goes back than came, from two connections at once: by hand, by program, and while a dispute takes the same money."""

from functools import partial

import pytest

from billing.payments.operations import work
from billing.refunds.models import Refund
from billing.refunds.operations import request_refund, set_disputed
from billing.refunds.requesting import ChargeDisputed, RefundExceedsCaptured, refundable
from tests.factories.payments import AT, ROBOT, make_payment
from tests.races.test_run_races import second_waits, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]


def ask(payment, amount_minor, key):
    return lambda: request_refund(payment_id=payment.pk, amount_minor=amount_minor, reason="Broken.", actor=ROBOT, at=AT, key=key)


def given_back(payment):
    return sum(
        Refund.objects.filter(payment=payment).exclude(status__in=["canceled", "failed"]).values_list("amount_minor", flat=True)
    )


def test_two_refunds_at_the_same_moment_never_give_back_more_than_came():
    payment = make_payment(amount_minor=10_000)
    work(at=AT)

    answers = together(*(ask(payment, 4_000, f"r{n}") for n in range(4)))
    assert sum(isinstance(one, Refund) for one in answers) == 2
    assert sum(isinstance(one, RefundExceedsCaptured) for one in answers) == 2
    assert given_back(payment) == 8_000

    # the second one decides only after the first has committed, and then sees it
    first, second = second_waits(ask(payment, 2_000, "last"), ask(payment, 1, "too much"))
    assert isinstance(first, Refund) and isinstance(second, RefundExceedsCaptured)
    # the same request twice at once is one refund
    same = together(ask(payment, 2_000, "last"), ask(payment, 2_000, "last"))
    assert {one.pk for one in same} == {first.pk}
    assert given_back(payment) == 10_000 and refundable(payment) == 0


def test_a_refund_and_a_dispute_at_once_never_take_the_same_money_twice():
    payment = make_payment(amount_minor=10_000)
    work(at=AT)
    dispute = partial(set_disputed, payment_id=payment.pk, disputed_minor=7_000, actor=ROBOT, at=AT)
    _, refund = second_waits(dispute, ask(payment, 4_000, "r"))
    assert isinstance(refund, ChargeDisputed)
    payment.refresh_from_db()
    assert given_back(payment) + payment.disputed_minor == 7_000 and refundable(payment) == 3_000
