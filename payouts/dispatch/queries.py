"""Questions about payments on their way: the queues people work, and what a run's hand-over stands at."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet, Sum

from backoffice.kit.approvals import Approval, ApprovalState
from backoffice.kit.errors import NotFound
from payouts.dispatch.models import BankFileEntry, PaymentOrder, RailFile
from payouts.dispatch.states import EntryState, FileState, OrderStatus
from payouts.rails.bank_profiles import profile_named


def silent_files(at: datetime) -> list[RailFile]:
    """Return files the bank should have answered by now, the oldest first: silence is a state too."""
    waiting = (
        RailFile.objects.filter(state=FileState.HANDED_OVER, answered_at__isnull=True).defer("sealed").order_by("handed_over_at")
    )
    return [file for file in waiting if file.handed_over_at and file.handed_over_at + _patience(file) <= at]


def _patience(file: RailFile) -> timedelta:
    return timedelta(hours=profile_named(file.bank_profile).silent_after_hours)


def unknown_orders() -> QuerySet[PaymentOrder]:
    """Return orders whose outcome nobody knows, the oldest first; those with the code needs_a_person wait for one."""
    return PaymentOrder.objects.filter(status=OrderStatus.UNKNOWN).select_related("payout__seller").order_by("created_at", "id")


def absences_to_confirm() -> QuerySet[PaymentOrder]:
    """Return unknown orders of which one person says that they paid nobody, and another has not said yet."""
    asked = Approval.objects.filter(action="order_absent", state=ApprovalState.REQUESTED).values("subject")
    return PaymentOrder.objects.filter(status=OrderStatus.UNKNOWN, public_id__in=asked).order_by("id")


def unplaced_entries() -> QuerySet[BankFileEntry]:
    """Return bank lines that wait for an explanation, the oldest first."""
    return BankFileEntry.objects.filter(state=EntryState.UNPLACED).select_related("bank_file").order_by("id")


def waiting_files() -> QuerySet[RailFile]:
    """Return sealed files that have not reached the bank, the oldest first."""
    return RailFile.objects.filter(state=FileState.BUILT).defer("sealed").order_by("id")


def run_progress(run_id: int) -> dict[str, dict[str, int]]:
    """Return {order status: {count, amount_minor}} of a run's latest attempts."""
    rows = (
        PaymentOrder.objects.filter(payout__run_id=run_id)
        .exclude(status=OrderStatus.ABSENT)
        .values("status")
        .annotate(count=Count("id"), amount_minor=Sum("amount_minor"))
    )
    return {row["status"]: {"count": row["count"], "amount_minor": row["amount_minor"]} for row in rows.order_by("status")}


def files_of_run(run_id: int) -> list[RailFile]:
    return list(RailFile.objects.filter(run_id=run_id).defer("sealed").order_by("id"))


def find_order(ref: str) -> PaymentOrder:
    """Return an order by public id or end-to-end id. Refuses: NotFound."""
    order = PaymentOrder.objects.filter(end_to_end_id=ref.replace("_", "-")).first()
    if order is None:
        raise NotFound(what="payment order", ref=ref[:40])
    return order


def as_json(file: RailFile) -> dict[str, Any]:
    """Return a file without its bytes."""
    return {
        "id": file.public_id,
        "file_name": file.file_name,
        "message_id": file.message_id,
        "sha256": file.sha256,
        "state": file.state,
        "orders": file.orders_count,
        "total": {"amount_minor": file.control_sum_minor, "currency": file.currency},
        "execute_on": file.execute_on.isoformat(),
    }
