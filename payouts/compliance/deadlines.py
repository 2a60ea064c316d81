"""What time does to requirements: reminders, papers that run out, deadlines that pass. Works from the rows until nothing is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q as Where
from django.db.models import QuerySet

from backoffice.kit.actors import Actor
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable, durable
from payouts.compliance.catalogue import ELSEWHERE, catalogues
from payouts.compliance.deriving import derive
from payouts.compliance.models import Document, Requirement, SellerCapabilities
from payouts.compliance.opening import VOUCHED
from payouts.compliance.rows import Q, move, told
from payouts.compliance.settling import settle_file
from payouts.compliance.sockets import volumes
from payouts.compliance.states import DOCUMENT, DocumentState
from payouts.sellers.models import Seller
from payouts.sellers.queries import lock_sellers
from payouts.sellers.states import SellerStatus

# Thirty days to send a new paper, a reminder when a week is left: Stripe's current_deadline practice.
ASK_AGAIN_DAYS = 30
REMIND_DAYS = 7
VOLUME_DAYS = 365
_CHUNK = 500


@durable
def keep_deadlines(*, actor: Actor, at: datetime) -> dict[str, int]:
    """Ask again for what expires, remind, and mark overdue what nobody gave in time; capabilities follow at once. Answers the counts."""
    return {
        "asked_again": _each(_expiring(at), _ask_again, actor, at),
        "reminded": _each(_to_remind(at), _remind, actor, at),
        "past_due": _each(_overdue(at), _past_due, actor, at),
        "reviews": _each(_waivers_over(at), _end_waiver, actor, at),
    }


def _expiring(at: datetime) -> QuerySet[Requirement]:
    return Requirement.objects.filter(state=Q.SATISFIED, expires_at__lte=at + timedelta(days=ASK_AGAIN_DAYS))


def _to_remind(at: datetime) -> QuerySet[Requirement]:
    soon = at + timedelta(days=REMIND_DAYS)
    return Requirement.objects.filter(state=Q.CURRENTLY_DUE, deadline_at__lte=soon, deadline_at__gt=at, reminded_at__isnull=True)


def _overdue(at: datetime) -> QuerySet[Requirement]:
    return Requirement.objects.filter(state=Q.CURRENTLY_DUE, deadline_at__lte=at)


def _waivers_over(at: datetime) -> QuerySet[Requirement]:
    return Requirement.objects.filter(state=Q.WAIVED, expires_at__lte=at)


def _each(due: QuerySet[Requirement], act: Callable[[Requirement, Actor, datetime], None], actor: Actor, at: datetime) -> int:
    """Act on what is due, some sellers at a time, each chunk a transaction of its own."""
    count = 0
    while sellers := list(due.order_by("seller_id").values_list("seller_id", flat=True).distinct()[:_CHUNK]):
        count += _chunk(sellers, due, act, actor, at)
    return count


@composable
def _chunk(
    seller_ids: Sequence[int],
    due: QuerySet[Requirement],
    act: Callable[[Requirement, Actor, datetime], None],
    actor: Actor,
    at: datetime,
) -> int:
    sellers = {seller.pk: seller for seller in lock_sellers(seller_ids)}
    # Read again under the lock: a seller may have given meanwhile what was due.
    found = list(due.filter(seller_id__in=sellers).order_by("seller_id", "pk"))
    for row in found:
        row.seller = sellers[row.seller_id]
        act(row, actor, at)
    derive(list(sellers), actor=actor, at=at)
    return len(found)


def _ask_again(row: Requirement, actor: Actor, at: datetime) -> None:
    """Make due what runs out, with the day it runs out as the deadline: until then everything goes on."""
    columns: dict[str, Any] = {"deadline_at": row.expires_at, "gating": False, "reminded_at": None, "expires_at": None}
    columns |= {
        "error_code": "expires_soon",
        "error_text": f"It expires on {row.expires_at:%Y-%m-%d}. Give a new one before that.",
    }
    move(row, Q.CURRENTLY_DUE, actor=actor, at=at, code="expires_soon", **columns)


def _remind(row: Requirement, actor: Actor, at: datetime) -> None:
    row.reminded_at = at
    row.save(update_fields=["reminded_at"])
    tell("requirement.reminder", subject=row.public_id, payload=told(row), at=at, partner_id=row.seller.partner_id)


def _past_due(row: Requirement, actor: Actor, at: datetime) -> None:
    move(row, Q.PAST_DUE, actor=actor, at=at, code="deadline_passed")
    for document in Document.objects.select_for_update(no_key=True).filter(requirement=row, state=DocumentState.VALIDATED):
        transition(DOCUMENT, document, DocumentState.OUT_OF_DATE, actor=actor, at=at, code="deadline_passed")


def _end_waiver(row: Requirement, actor: Actor, at: datetime) -> None:
    columns: dict[str, Any] = {
        "deadline_at": at + timedelta(days=row.grace_days),
        "expires_at": None,
        "gating": False,
        "reminded_at": None,
    }
    move(row, Q.CURRENTLY_DUE, actor=actor, at=at, code="waiver_over", **columns)


@durable
def assess_volumes(*, actor: Actor, at: datetime) -> int:
    """Count what sellers with something to show from a volume on have sold in twelve months, and ask for what it makes due; return how many."""
    since, waiting = at - timedelta(days=VOLUME_DAYS), Where(requirements__state=Q.EVENTUALLY_DUE)
    ids = list(
        Seller.objects.filter(waiting).exclude(status=SellerStatus.CLOSED).order_by("pk").values_list("pk", flat=True).distinct()
    )
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        sold = volumes.of(chunk, since, at)
        for seller_id in chunk:
            if seller_id in sold:
                settle_file(seller_id=seller_id, actor=actor, at=at, volume=sold[seller_id])
    return len(ids)


@durable
def apply_catalogues(*, actor: Actor, at: datetime) -> int:
    """Compare every file with the catalogue in force, where that is another than it was last compared with; return how many.

    What is new is asked with days of grace of those who are being paid. Who was verified elsewhere is left alone until somebody re-opens it.
    """
    known = [country for country in catalogues() if country != ELSEWHERE]
    vouched = Requirement.objects.filter(code=VOUCHED, state=Q.WAIVED).values("seller_id")
    count = 0
    for country, catalogue in catalogues().items():
        files = SellerCapabilities.objects.exclude(catalogue=catalogue.name).exclude(seller__status=SellerStatus.CLOSED)
        files = files.exclude(seller_id__in=vouched)
        files = files.exclude(seller__country__in=known) if country == ELSEWHERE else files.filter(seller__country=country)
        for seller_id in list(files.order_by("seller_id").values_list("seller_id", flat=True)):
            settle_file(seller_id=seller_id, actor=actor, at=at)
            count += 1
    return count
