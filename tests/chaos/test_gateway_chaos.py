"""Workers are killed between claim, call and record, while the provider loses answers: no second charge, no lost one, by the provider's own books."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

from backoffice.kit import clock
from backoffice.kit.actors import system
from backoffice.kit.invariants import check_books
from billing.gateways import registry
from billing.payments.models import Attempt, Payment
from billing.payments.operations import request_payment
from billing.refunds.models import Refund
from billing.refunds.operations import request_refund
from tests.factories.payments import make_claim, make_customer
from tests.factories.stripe_double import StripeDouble, stripe_double

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.chaos]
LONG = os.environ.get("CHAOS") == "long"
KILLS = 200 if LONG else 6
# A lease so short that a busy machine never gets a call within it proves nothing but that; the long form shares its machine for a while.
LEASE_SECONDS, PATIENCE = ("1.5", 1_200) if LONG else ("0.6", 45)
PAYMENTS = KILLS * 2
ROBOT = system("test")


def run_workers(url: str, kills: int) -> dict[str, int]:
    """Let workers die until they have died often enough and nothing is open any more; says so when time was too short for that."""
    environment = os.environ | {
        "TEST_OF_DATABASE": connection.settings_dict["NAME"],
        "BACKOFFICE_DATA": str(settings.DATA_DIR),
        "DJANGO_SETTINGS_MODULE": "backoffice.settings",
        "BACKOFFICE_DB_ROLE": "owner",
        "LEASE_SECONDS": LEASE_SECONDS,
        "STRIPE_SECRET_KEY": "sk_test_double",
        "STRIPE_API_BASE": url,
        "LOG_LEVEL": "CRITICAL",
    }
    command = [sys.executable, "-m", "tests.chaos.gateway_workers", str(kills), str(PATIENCE)]
    done = subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE + 30,
    )
    assert done.stdout.strip(), done.stderr[-2_000:]
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert said["done"], f"the workers were not done within {PATIENCE} seconds: {said}; {done.stderr[-2_000:]}"
    return said


def unkind(double: StripeDouble) -> None:
    chance = random.Random(5)

    def fault(path: str) -> str:
        return chance.choice(["drop_before", "drop_after", "error_before", "error_after"]) if chance.random() < 0.15 else ""

    double.faults = fault


def request_all() -> None:
    for number in range(PAYMENTS):
        customer = make_customer(
            "pm_card_visa", gateway="stripe", gateway_customer=f"cus_{number}", external_id=f"chaos-{number}"
        )
        amount = 1_000 + number
        purpose = make_claim(customer, amount)
        request_payment(
            customer_id=customer.pk, amount_minor=amount, currency="EUR", purpose=purpose, off_session=True, actor=ROBOT,
            at=clock.now(), key=purpose,
        )  # fmt: skip


@pytest.fixture
def stripe_here(settings):
    """The provider is set up in this process, too, which never calls it."""
    settings.STRIPE_SECRET_KEY = "sk_test_double"
    registry.forget()
    yield
    registry.forget()


def test_kills_between_claim_call_and_record_charge_and_refund_each_exactly_once(stripe_here):
    with stripe_double() as (double, url):
        unkind(double)
        request_all()
        charges = run_workers(url, KILLS * 3 // 4)
        paid = list(Payment.objects.order_by("pk"))
        assert {(one.status, one.captured_minor - one.amount_minor) for one in paid} == {("succeeded", 0)}
        for one in paid[: PAYMENTS // 2]:
            request_refund(payment_id=one.pk, amount_minor=500, reason="Chaos.", actor=ROBOT, at=clock.now(), key=one.public_id)
        refunds = run_workers(url, KILLS - KILLS * 3 // 4)

    print(
        json.dumps(
            {
                "killed": charges["killed"] + refunds["killed"],
                "payments": PAYMENTS,
                "refunds": PAYMENTS // 2,
                "faults": double.faults_made,
            }
        )
    )
    assert double.charged() == {one.public_id: 1 for one in paid}
    assert double.refunded() == {one.public_id: 1 for one in Refund.objects.all()}
    assert set(Refund.objects.values_list("status", flat=True)) == {"succeeded"}
    assert len(double.made("payment_intent")) == PAYMENTS
    assert Attempt.objects.filter(number__gt=1).count() == 0
    assert charges["killed"] + refunds["killed"] >= KILLS
    assert double.faults_made > KILLS / 4
    assert not [verdict for verdict in check_books() if not verdict.ok]
