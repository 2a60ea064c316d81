"""The money of a dispute: booked when it moves, by balance transaction, and charged to whoever bears the loss when it is lost.

Both are derived from what is there and not from the order in which it was told: booking the same look twice books once, and a status that goes back
takes the charge back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.money import Money
from billing.disputes.models import Dispute, DisputeMovement, Purpose
from billing.disputes.reading import Movement
from billing.disputes.states import DisputeStatus
from payouts.earnings.lines import EarningLine
from payouts.earnings.operations import record_earnings
from payouts.ledger.operations import Draft, post, reverse
from payouts.ledger.templates import dispute_lost, dispute_moved

# How these lines are named among the earnings: one of each kind per dispute and round.
SOURCE = "disputes"


class MovementChanged(Refusal):
    code = "dispute_movement_changed"
    sentence = (
        "The provider shows balance transaction {ref} with other amounts than were booked. Nothing was booked now; look at both."
    )


class LossNotCharged(Refusal):
    code = "dispute_loss_not_charged"
    sentence = "The lost dispute could not be charged to the seller: {why}"


def book_movements(dispute: Dispute, movements: Sequence[Movement], *, actor: Actor, at: datetime) -> int:
    """Book each balance transaction not booked yet; return how many. Refuses: MovementChanged."""
    known = {one.provider_ref: one for one in dispute.movements.all()}
    fresh = 0
    for one in movements:
        before = known.get(one.provider_ref)
        if before is None:
            _book(dispute, one, actor=actor, at=at)
            fresh += 1
        elif (before.amount_minor, before.fee_minor, before.currency) != (one.amount_minor, one.fee_minor, one.currency):
            raise MovementChanged(ref=one.provider_ref)
    return fresh


def _book(dispute: Dispute, one: Movement, *, actor: Actor, at: datetime) -> None:
    legs = dispute_moved(
        dispute=dispute.public_id, currency=one.currency, amount_minor=one.amount_minor, fee_minor=one.fee_minor, net_minor=one.net_minor
    )  # fmt: skip
    template = "dispute_reinstated" if one.amount_minor > 0 else "dispute_withdrawn"
    key = f"{dispute.provider}:{one.provider_ref}"
    posted = post(drafts=[Draft(template, key, legs, "dispute", dispute.pk, one.occurred_at)], actor=actor, at=at)[0]
    DisputeMovement.objects.create(
        dispute=dispute, provider=dispute.provider, provider_ref=one.provider_ref, amount_minor=one.amount_minor, fee_minor=one.fee_minor,
        net_minor=one.net_minor, currency=one.currency, occurred_at=one.occurred_at, posting=posted.posting_id, created_at=at,
    )  # fmt: skip


def claims(dispute: Dispute) -> dict[str, int]:
    """Return what the provider has taken and not given back, by currency: the claim before anybody was charged with it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency, -sum(amount_minor)::bigint FROM billing_disputemovement WHERE dispute_id = %s GROUP BY 1",
            [dispute.pk],
        )
        return {currency: amount for currency, amount in cursor.fetchall() if amount}


def loss_of(dispute: Dispute) -> tuple[str, int]:
    """Return currency and amount of what somebody has to bear now: what was taken, while the dispute is lost."""
    if dispute.status != DisputeStatus.LOST:
        return "", 0
    return next(((currency, amount) for currency, amount in sorted(claims(dispute).items()) if amount > 0), ("", 0))


def book(dispute: Dispute, movements: Sequence[Movement], *, actor: Actor, at: datetime) -> None:
    """Book what moved, and charge the loss to whoever bears it while the dispute is lost; take the charge back when it no longer is.

    The seller of a purchase bears it through a chargeback of their sale, we bear all else (decision 56). The charge goes back before money that
    came back is booked, so that the claim never stands below zero. Refuses: MovementChanged, LossNotCharged.
    """
    known = set(dispute.movements.values_list("provider_ref", flat=True))
    moved = any(one.provider_ref not in known for one in movements)
    if dispute.settled_minor and (moved or dispute.status != DisputeStatus.LOST):
        _take_back(dispute, actor=actor, at=at)
    book_movements(dispute, movements, actor=actor, at=at)
    currency, amount_minor = loss_of(dispute)
    if amount_minor and not dispute.settled_minor:
        _charge(dispute, amount_minor, currency, actor=actor, at=at)
    dispute.save(update_fields=["settled_minor", "settled_currency", "settled_rounds", "settled_posting"])


def _charge(dispute: Dispute, amount_minor: int, currency: str, *, actor: Actor, at: datetime) -> None:
    dispute.settled_rounds += 1
    to_seller = dispute.purpose == Purpose.PURCHASE and dispute.seller_id is not None and bool(dispute.order_ref)
    if to_seller:
        _charge_seller(dispute, "chargeback", amount_minor, currency, actor=actor, at=at)
    legs = dispute_lost(dispute=dispute.public_id, currency=currency, amount_minor=amount_minor, charged_to_seller=to_seller)
    key = f"{dispute.public_id}:{dispute.settled_rounds}"
    posted = post(drafts=[Draft("dispute_lost", key, legs, "dispute", dispute.pk)], actor=actor, at=at)[0]
    dispute.settled_minor, dispute.settled_currency, dispute.settled_posting = amount_minor, currency, posted.posting_id


def _take_back(dispute: Dispute, *, actor: Actor, at: datetime) -> None:
    assert dispute.settled_posting is not None  # noqa: S101 - dispute_settled_is_posted
    reverse(
        posting_id=dispute.settled_posting, actor=actor, at=at, reason="The dispute is no longer lost, or for another amount."
    )
    if dispute.purpose == Purpose.PURCHASE and dispute.seller_id is not None and dispute.order_ref:
        _charge_seller(dispute, "chargeback_reversal", dispute.settled_minor, dispute.settled_currency, actor=actor, at=at)
    dispute.settled_minor, dispute.settled_currency, dispute.settled_posting = 0, "", None


def _charge_seller(dispute: Dispute, kind: str, amount_minor: int, currency: str, *, actor: Actor, at: datetime) -> None:
    """Book a chargeback of the sale, or its return, the way every chargeback is booked: reserve of the sale, pending, available, debt."""
    assert dispute.seller is not None  # noqa: S101 - the callers look
    line = EarningLine(
        1, f"{dispute.public_id}:{dispute.settled_rounds}:{kind}", dispute.seller.external_id, kind, dispute.order_ref, at.isoformat(), "",
        currency, Money(amount_minor, currency).decimal(), "0",
    )  # fmt: skip
    result = record_earnings(lines=[line], source=SOURCE, actor=actor, at=at, partner_id=dispute.seller.partner_id)[0]
    if result.outcome == "rejected":
        raise LossNotCharged(why=result.reason)
