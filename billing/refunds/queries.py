"""Questions about refunds: which wait for whom, and which belongs to what the provider names."""

from __future__ import annotations

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from billing.payments.models import Payment
from billing.payments.states import PaymentStatus
from billing.refunds.models import Refund, RefundLimit
from billing.refunds.preparing import QUEUED
from billing.refunds.states import LIVE_REFUNDS, LimitState, RefundStatus


def to_approve() -> QuerySet[Refund]:
    """Return the refunds that wait for a second person."""
    return Refund.objects.filter(status=RefundStatus.REQUESTED)


def stuck() -> QuerySet[Refund]:
    """Return the refunds that wait for their seller, failed, or have an outcome nobody knows."""
    return Refund.objects.filter(
        Q(status=RefundStatus.APPROVED, code__in=QUEUED)
        | Q(status__in=[RefundStatus.FAILED, RefundStatus.UNKNOWN], looked_after_at=None)
    )


def surplus_left() -> QuerySet[Payment]:
    """Return the payments of which something is nobody's and no refund of it is under way or through."""
    gone = Refund.objects.filter(payment=OuterRef("pk"), status__in=LIVE_REFUNDS).order_by()
    summed = gone.values("payment").annotate(sum=Sum("surplus_minor")).values("sum")
    rows = Payment.objects.filter(status=PaymentStatus.SUCCEEDED, surplus_minor__gt=0)
    return rows.filter(surplus_minor__gt=Coalesce(Subquery(summed), 0))


def find_refund(*, provider_ref: str = "", reference: str = "") -> Refund | None:
    """Return the refund behind what a provider names: our reference it carries, or its own id. None when there is none."""
    if reference.startswith("ref_"):
        return Refund.objects.filter(public_id=reference).first()
    return Refund.objects.filter(provider_ref=provider_ref).first() if provider_ref else None


def proposed_limits() -> QuerySet[RefundLimit]:
    """Return the limits that wait for a second person."""
    return RefundLimit.objects.filter(state=LimitState.PROPOSED)
