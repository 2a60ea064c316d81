"""Questions about refunds: which wait for whom, and which belongs to what the provider names."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from billing.refunds.models import Refund, RefundLimit
from billing.refunds.preparing import QUEUED
from billing.refunds.states import LimitState, RefundStatus


def to_approve() -> QuerySet[Refund]:
    """Return the refunds that wait for a second person."""
    return Refund.objects.filter(status=RefundStatus.REQUESTED)


def stuck() -> QuerySet[Refund]:
    """Return the refunds that wait for their seller, failed, or have an outcome nobody knows."""
    return Refund.objects.filter(
        Q(status=RefundStatus.APPROVED, code__in=QUEUED)
        | Q(status__in=[RefundStatus.FAILED, RefundStatus.UNKNOWN], looked_after_at=None)
    )


def find_refund(*, provider_ref: str = "", reference: str = "") -> Refund | None:
    """Return the refund behind what a provider names: our reference it carries, or its own id. None when there is none."""
    if reference.startswith("ref_"):
        return Refund.objects.filter(public_id=reference).first()
    return Refund.objects.filter(provider_ref=provider_ref).first() if provider_ref else None


def proposed_limits() -> QuerySet[RefundLimit]:
    """Return the limits that wait for a second person."""
    return RefundLimit.objects.filter(state=LimitState.PROPOSED)
