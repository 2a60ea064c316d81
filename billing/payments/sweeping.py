"""Ask the gateway about what waits there: events may never have been sent, and a customer may have finished long ago."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import IntegrityError, transaction

from backoffice.kit.actors import system
from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import durable
from billing.gateways.registry import gateway_named
from billing.payments.applying import NEXT_LOOK, apply_provider_state, lock_payment, write
from billing.payments.handlers import apply_setup_answer
from billing.payments.models import CardSetup, Payment
from billing.payments.requesting import send_setup
from billing.payments.states import SetupStatus

logger = logging.getLogger(__name__)
SWEEPER = system("payments")
# An invitation nobody took up for so long is given up by the provider, too (Stripe: 24 hours).
SETUP_LOOKS_DAYS = 2


@durable
def look_after(*, at: datetime, limit: int = 200) -> dict[str, int]:
    """Ask about payments and set-ups whose time for a look has come; answers how many of each, and how many changed."""
    payments = list(Payment.objects.filter(next_look_at__lte=at).order_by("next_look_at")[:limit])
    changed = sum(_look_at(payment, at) for payment in payments)
    setups = list(CardSetup.objects.filter(next_look_at__lte=at).select_related("customer").order_by("next_look_at")[:limit])
    for setup in setups:
        _look_at_setup(setup, at)
    return {"payments": len(payments), "changed": changed, "setups": len(setups)}


def _look_at(payment: Payment, at: datetime) -> bool:
    try:
        found = gateway_named(payment.gateway).get_payment(provider_ref=payment.provider_ref)
        with transaction.atomic():
            if apply_provider_state(payment_id=payment.pk, answer=found, actor=SWEEPER, at=at) == "applied":
                return True
            row = lock_payment(payment.pk)
            write(row, {"looks": row.looks + 1, "next_look_at": at + NEXT_LOOK if row.status == payment.status else None})
    except (Refusal, IntegrityError):
        logger.exception("what the gateway says about payment %s could not be booked; asked again later", payment.public_id)
        Payment.objects.filter(pk=payment.pk).update(next_look_at=at + NEXT_LOOK)
    return False


def _look_at_setup(setup: CardSetup, at: datetime) -> None:
    if setup.status == SetupStatus.CREATED:
        send_setup(setup_id=setup.pk, actor=SWEEPER, at=at)
    found = gateway_named(setup.gateway).get_setup(provider_ref=setup.provider_ref) if setup.provider_ref else None
    with transaction.atomic():
        row = CardSetup.objects.select_for_update(of=("self",)).select_related("customer").get(pk=setup.pk)
        if found is not None and apply_setup_answer(row, found, actor=SWEEPER, at=at) == "applied":
            return
        waits = row.status in (SetupStatus.CREATED, SetupStatus.REQUIRES_ACTION) and (at - row.created_at).days < SETUP_LOOKS_DAYS
        CardSetup.objects.filter(pk=row.pk).update(next_look_at=at + (at - row.created_at) + NEXT_LOOK / 24 if waits else None)
