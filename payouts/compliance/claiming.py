"""Who works on which seller: the next in the queue for whoever asks, for an hour, so that two reviewers never read the same file."""

from __future__ import annotations

from datetime import datetime, timedelta

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import composable
from payouts.compliance.models import Claim
from payouts.compliance.queries import review_queue
from payouts.sellers.models import Seller
from payouts.sellers.queries import lock_seller

CLAIM_MINUTES = 60


class QueueEmpty(Refusal):
    code = "queue_empty"
    sentence = "Nobody waits for a review that a colleague does not have already."


class ClaimedByColleague(Refusal):
    code = "claimed_by_colleague"
    sentence = "A colleague works on this seller until {until}."


@composable
def claim_next(*, actor: Actor, at: datetime) -> Seller:
    """Take the next seller of the queue, skipping those colleagues have. Refuses: QueueEmpty."""
    for one in review_queue(at=at, limit=20, free_for=str(actor)):
        seller = lock_seller(one["id"])
        if _take(seller, actor, at):
            return seller
    raise QueueEmpty()


@composable
def claim(*, seller_id: int, actor: Actor, at: datetime) -> Seller:
    """Take one seller. Refuses: NotFound, ClaimedByColleague."""
    seller = lock_seller(seller_id)
    if not _take(seller, actor, at):
        raise ClaimedByColleague(until=f"{Claim.objects.get(seller=seller).until:%H:%M} UTC")
    return seller


@composable
def release_claim(*, seller_id: int, actor: Actor, at: datetime) -> Seller:
    """Give a seller back to the queue; a colleague's claim stays. Refuses: NotFound, ClaimedByColleague."""
    seller = lock_seller(seller_id)
    held = Claim.objects.filter(seller=seller).first()
    if held is not None and held.claimed_by != str(actor) and held.until > at:
        raise ClaimedByColleague(until=f"{held.until:%H:%M} UTC")
    Claim.objects.filter(seller=seller).delete()
    return seller


def _take(seller: Seller, actor: Actor, at: datetime) -> bool:
    held = Claim.objects.filter(seller=seller).first()
    if held is not None and held.claimed_by != str(actor) and held.until > at:
        return False
    facts = {"claimed_by": str(actor), "claimed_at": at, "until": at + timedelta(minutes=CLAIM_MINUTES)}
    Claim.objects.update_or_create(seller=seller, defaults=facts)
    return True
