"""Questions about payments: which nobody knows about, which belongs to what the provider names."""

from __future__ import annotations

from django.db.models import QuerySet

from billing.payments.models import Attempt, CardSetup, Payment
from billing.payments.states import OPEN_PAYMENTS, PaymentStatus


def unknown_payments() -> QuerySet[Payment]:
    """Return the payments whose outcome nobody knows, the oldest first."""
    return Payment.objects.filter(status=PaymentStatus.UNKNOWN).order_by("created_at")


def surplus_payments() -> QuerySet[Payment]:
    """Return the payments of which something is nobody's (whether it is on its way back, the room of refunds knows)."""
    return Payment.objects.filter(status=PaymentStatus.SUCCEEDED, surplus_minor__gt=0).order_by("id")


def find_payment(*, gateway: str, provider_ref: str = "", charge_ref: str = "", reference: str = "") -> Payment | None:
    """Return the payment behind what a provider names: its own id, its charge's, or our reference it carries. None when there is none."""
    if reference.startswith("pmt_"):
        return Payment.objects.filter(public_id=reference, gateway=gateway).first()
    if provider_ref:
        return Payment.objects.filter(gateway=gateway, provider_ref=provider_ref).first()
    return Payment.objects.filter(gateway=gateway, charge_ref=charge_ref).first() if charge_ref else None


def find_setup(*, gateway: str, provider_ref: str = "", reference: str = "") -> CardSetup | None:
    """Return the card set-up behind what a provider names: our reference it carries, or its own id. None when there is none."""
    if reference.startswith("cst_"):
        return CardSetup.objects.filter(public_id=reference, gateway=gateway).first()
    return CardSetup.objects.filter(gateway=gateway, provider_ref=provider_ref).first() if provider_ref else None


def payments_for(purpose: str) -> QuerySet[Payment]:
    """Return what was paid, or tried, for a purpose, the oldest first."""
    return Payment.objects.filter(purpose=purpose).order_by("id")


def open_payment_for(purpose: str) -> Payment | None:
    """Return the payment for a purpose that may still take money, or None: there is one at a time."""
    return Payment.objects.filter(purpose=purpose, status__in=OPEN_PAYMENTS).first() if purpose else None


def attempts_of(public_id: str) -> QuerySet[Attempt]:
    """Return every call made for a subject, the oldest first."""
    return Attempt.objects.filter(target=public_id).order_by("id")
