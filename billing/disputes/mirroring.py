"""What a look at the provider's dispute changes here: the status by the allowed moves, the money by balance transaction, the work it makes.

However the looks come, early, late, twice or with steps left out, the same last look ends in the same rows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import Sum

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from billing.disputes import money
from billing.disputes.models import Dispute, DisputePolicy, Purpose
from billing.disputes.reading import DisputeFacts, WarningFacts
from billing.disputes.sockets import payments
from billing.disputes.states import DISPUTE, ENDED, MONEY_AWAY, NEEDS_ANSWER, RANK, WORK, DisputeStatus, PolicyState, WorkState

# How long a dispute waits for its payment to be known here, before it is kept as one of a payment we do not know.
PAYMENT_PATIENCE = timedelta(minutes=10)


class Seen(StrEnum):
    """What a look did: moved something, nothing, or showed less than we know."""

    APPLIED = "applied"
    SAME = "same"
    STALE = "stale"


class PaymentNotKnownYet(Refusal):
    code = "payment_not_known_yet"
    sentence = "The payment {ref} behind the dispute is not known here yet."


@composable
def see_dispute(*, provider: str, facts: DisputeFacts, actor: Actor, at: datetime) -> Seen:
    """Make our dispute say what the provider's says, and book the money it moved.

    Tells dispute.created, dispute.updated, dispute.funds_moved, dispute.closed. Refuses: PaymentNotKnownYet (young disputes only), MoveNotAllowed
    (an impossible pair of states), and what booking refuses.
    """
    _lock(provider, facts.charge_ref)
    row = Dispute.objects.select_for_update().filter(provider=provider, provider_ref=facts.provider_ref).first()
    row = row or _warning_before(provider, facts)
    before = (row.status, row.due_by, row.movements.count()) if row else None
    row = row or _open(provider, facts, actor=actor, at=at)
    stale = RANK[facts.status] < RANK[DisputeStatus(row.status)] and not DISPUTE.allows(row.status, facts.status)
    if not stale:
        _follow(row, facts, actor=actor, at=at)
    money.book(row, facts.movements, actor=actor, at=at)
    _note_payment(row, before[0] if before else "", actor=actor, at=at)
    row.seen_at = at
    row.save(update_fields=["seen_at"])
    return Seen.STALE if stale else _tell(row, before, at)


@composable
def see_warning(*, provider: str, facts: WarningFacts, actor: Actor, at: datetime) -> Seen:
    """Keep an early fraud warning: as a dispute to be, or beside the dispute that was faster. Tells dispute.warned."""
    _lock(provider, facts.charge_ref)
    if Dispute.objects.filter(provider=provider, warning_ref=facts.provider_ref).exists():
        return Seen.SAME
    followed = (
        Dispute.objects.select_for_update()
        .filter(provider=provider, charge_ref=facts.charge_ref, warning_ref="")
        .order_by("opened_at", "provider_ref")
        .first()
    )
    if followed is not None:
        followed.warning_ref = facts.provider_ref
        followed.save(update_fields=["warning_ref"])
        return Seen.APPLIED
    row = Dispute(
        provider=provider, provider_ref=facts.provider_ref, warning_ref=facts.provider_ref, livemode=facts.livemode,
        charge_ref=facts.charge_ref, payment_ref=facts.payment_ref, reason=facts.fraud_type, status=DisputeStatus.EARLY_WARNING,
        opened_at=facts.opened_at, seen_at=at, created_at=at,
    )  # fmt: skip
    _name_payment(row, facts.opened_at, at)
    _insert(row, actor=actor, at=at)
    tell("dispute.warned", subject=row.public_id, payload={"payment": row.payment}, at=at, partner_id=row.partner_id)
    return Seen.APPLIED


def _lock(provider: str, charge_ref: str) -> None:
    """Let a warning and a dispute of one charge come one after the other; both look for the other before they make a row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 54))", [f"dispute:{provider}:{charge_ref}"])


def _warning_before(provider: str, facts: DisputeFacts) -> Dispute | None:
    """Return the early warning this dispute follows, now under the dispute's own name."""
    row = (
        Dispute.objects.select_for_update()
        .filter(provider=provider, charge_ref=facts.charge_ref, status=DisputeStatus.EARLY_WARNING)
        .first()
    )
    if row is not None and facts.charge_ref:
        row.provider_ref = facts.provider_ref
        return row
    return None


def _open(provider: str, facts: DisputeFacts, *, actor: Actor, at: datetime) -> Dispute:
    row = Dispute(
        provider=provider, provider_ref=facts.provider_ref, livemode=facts.livemode, charge_ref=facts.charge_ref,
        payment_ref=facts.payment_ref, amount_minor=facts.amount_minor, currency=facts.currency, reason=facts.reason,
        status=facts.status, opened_at=facts.opened_at, seen_at=at, created_at=at,
    )  # fmt: skip
    _name_payment(row, facts.opened_at, at)
    row.work_state = _work_for(row, facts)
    _insert(row, actor=actor, at=at)
    return row


def _insert(row: Dispute, *, actor: Actor, at: datetime) -> None:
    row.save(force_insert=True)
    born(DISPUTE, row, actor=actor, at=at)
    born(WORK, row, actor=actor, at=at)


def _name_payment(row: Dispute, opened_at: datetime, at: datetime) -> None:
    """Write down whose payment it is, or wait a little for it to become known."""
    found = payments.find(row.provider, row.charge_ref, row.payment_ref)
    if found is None:
        if at - opened_at < PAYMENT_PATIENCE:
            raise PaymentNotKnownYet(ref=row.payment_ref or row.charge_ref)
        return
    row.payment, row.purpose, row.order_ref = found.payment, found.purpose, found.order_ref
    row.seller_id, row.partner_id = found.seller_id, found.partner_id


def _note_payment(row: Dispute, was: str, *, actor: Actor, at: datetime) -> None:
    """Say how much of the payment stands in disputes, after the seller was locked for the money; the sum is what is there, whatever came first."""
    if not row.payment:
        return
    same = Dispute.objects.filter(payment=row.payment, currency=row.currency, status__in=MONEY_AWAY)
    disputed = int(same.aggregate(sum=Sum("amount_minor"))["sum"] or 0)
    fresh = row.status in MONEY_AWAY and was not in MONEY_AWAY
    payments.note(
        payment=row.payment, disputed_minor=disputed, currency=row.currency, fresh=fresh, actor=actor, at=at,
        reason=f"The dispute {row.public_id} is {row.get_status_display()}.",
    )  # fmt: skip


def _work_for(row: Dispute, facts: DisputeFacts) -> WorkState:
    if facts.status in ENDED:
        return WorkState.CLOSED
    return WorkState.TRIAGE if facts.status in NEEDS_ANSWER else WorkState.SUBMITTED


def _follow(row: Dispute, facts: DisputeFacts, *, actor: Actor, at: datetime) -> None:
    """Take over what the provider says, and move the work where the status asks for it."""
    if row.purpose == Purpose.UNKNOWN and not row.settled_minor:
        _name_payment(row, facts.opened_at - PAYMENT_PATIENCE, at)
    row.charge_ref, row.payment_ref = facts.charge_ref, facts.payment_ref or row.payment_ref
    row.amount_minor, row.currency, row.reason = facts.amount_minor, facts.currency, facts.reason
    row.network_code, row.opened_at, row.is_refundable = facts.network_code, facts.opened_at, facts.is_refundable
    row.submission_count, row.due_by = facts.submission_count, facts.due_by
    row.seller_due_by = facts.due_by and facts.due_by - timedelta(hours=policy_in_force().seller_buffer_hours)
    if facts.status not in NEEDS_ANSWER:
        row.auto_accept_at = None
    row.save()
    moved = facts.status != row.status
    if moved:
        transition(DISPUTE, row, facts.status, actor=actor, at=at)
    wanted = _work_for(row, facts)
    if wanted != WorkState.TRIAGE and row.work_state not in (
        wanted,
        WorkState.ACCEPTED if wanted == WorkState.SUBMITTED else wanted,
    ):
        transition(WORK, row, wanted, actor=actor, at=at, code=facts.status)
    elif wanted == WorkState.TRIAGE and moved and row.work_state in (WorkState.CLOSED, WorkState.SUBMITTED, WorkState.ACCEPTED):
        transition(WORK, row, WorkState.TRIAGE, actor=actor, at=at, code=facts.status)


def policy_in_force() -> DisputePolicy:
    """Return the policy in force; the first one is written by a migration."""
    return DisputePolicy.objects.get(state=PolicyState.IN_FORCE)


def _tell(row: Dispute, before: tuple[Any, ...] | None, at: datetime) -> Seen:
    """Write the events of a look; `before` is None for a dispute that was not there. Answer whether anything changed."""
    now = (row.status, row.due_by, row.movements.count())
    if now == before:
        return Seen.SAME
    facts: dict[str, Any] = {"subject": row.public_id, "payload": picture(row), "at": at, "partner_id": row.partner_id}
    tell("dispute.created" if before is None else "dispute.updated", **facts)
    if now[2] != (before[2] if before else 0):
        tell("dispute.funds_moved", **facts)
    if row.status in ENDED and (before is None or before[0] != row.status):
        tell("dispute.closed", **facts)
    return Seen.APPLIED


def picture(row: Dispute) -> dict[str, Any]:
    """Return what an event tells of a dispute: ids, amounts, states; nobody's name."""
    return {
        "status": str(row.status), "work_state": str(row.work_state), "amount_minor": row.amount_minor, "currency": row.currency,
        "reason": row.reason, "payment": row.payment, "seller": row.seller.public_id if row.seller else None,
        "due_by": row.due_by.isoformat() if row.due_by else None,
    }  # fmt: skip
