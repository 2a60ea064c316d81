"""Questions about payments: which nobody knows about, which belongs to what the provider names."""

from __future__ import annotations

from django.db.models import QuerySet

from billing.payments.models import Attempt, Payment
from billing.payments.states import PaymentStatus


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


def payments_for(purpose: str) -> QuerySet[Payment]:
    """Return what was paid, or tried, for a purpose, the oldest first."""
    return Payment.objects.filter(purpose=purpose).order_by("id")


def attempts_of(public_id: str) -> QuerySet[Attempt]:
    """Return every call made for a subject, the oldest first."""
    return Attempt.objects.filter(target=public_id).order_by("id")
