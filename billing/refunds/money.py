"""What refunds book. Of a claim: back against the claim it had paid, or out of suspense. Of a purchase: the seller's line says all (shares.py)."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from billing.payments.models import Payment
from billing.payments.money import clearing_holder
from billing.payments.sockets import claims
from billing.refunds.models import Refund
from billing.refunds.shares import give_share_back
from payouts.earnings.purses import lock_purses
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import card_refund_returned, card_refunded, claim_refunded_to_balance


def book_card_refund(refund: Refund, *, actor: Actor, at: datetime) -> int | None:
    """Book that a claim's money is on its way back, and tell the claim's owner; the posting's id, None for a purchase."""
    payment = refund.payment
    claim = claims.of(refund.purpose)
    if claim is None or payment is None:
        return None
    due = claim.due(purpose=refund.purpose)
    owed = refund.amount_minor - refund.surplus_minor
    legs = card_refunded(
        customer_id=due.holder_id, currency=refund.currency, owed_minor=owed, surplus_minor=refund.surplus_minor,
        provider=clearing_holder(payment.gateway),
    )  # fmt: skip
    draft = Draft("card_refunded", refund.public_id, legs, "refund", refund.pk)
    posting_id = post(drafts=[draft], actor=actor, at=at)[0].posting_id
    if owed:
        claim.unapply(
            purpose=refund.purpose, amount_minor=owed, refund=refund.public_id, posting_id=posting_id, actor=actor, at=at
        )
    return posting_id


def book_balance_refund(refund: Refund, *, actor: Actor, at: datetime) -> int:
    """Give back to the seller's balance what it had paid of a claim, debt first; the seller is locked. Returns the posting's id."""
    claim = claims.of(refund.purpose)
    if claim is None or refund.seller_id is None:
        raise ValueError(f"{refund}: a refund to a balance is of a claim, and has a seller.")
    due = claim.due(purpose=refund.purpose)
    purse = lock_purses([refund.seller_id]).get((refund.seller_id, refund.currency))
    available, repaid = purse.give(refund.amount_minor) if purse else (refund.amount_minor, 0)
    legs = claim_refunded_to_balance(
        customer_id=due.holder_id,
        seller_id=refund.seller_id,
        currency=refund.currency,
        available_minor=available,
        debt_minor=repaid,
    )
    draft = Draft("claim_refunded_to_balance", refund.public_id, legs, "refund", refund.pk)
    posting_id = post(drafts=[draft], actor=actor, at=at)[0].posting_id
    claim.unapply(
        purpose=refund.purpose,
        amount_minor=refund.amount_minor,
        refund=refund.public_id,
        posting_id=posting_id,
        actor=actor,
        at=at,
    )
    return posting_id


def take_back(refund: Refund, *, actor: Actor, at: datetime, reason: str) -> None:
    """Undo what a refund booked that did not reach its customer: the seller has the share again; of a claim, nobody owns the money until it goes out anew.

    The claim was credited when the refund left and stays so: what came back is surplus of its payment, the first to go with the next refund.
    """
    payment = refund.payment
    if refund.posting_id is not None and payment is not None:
        legs = card_refund_returned(
            currency=refund.currency, amount_minor=refund.amount_minor, provider=clearing_holder(payment.gateway)
        )
        draft = Draft("card_refund_returned", refund.public_id, legs, "refund", refund.pk)
        post(drafts=[draft], actor=actor, at=at, reason=reason)
        payment.surplus_minor += refund.amount_minor - refund.surplus_minor
        Payment.objects.filter(pk=payment.pk).update(surplus_minor=payment.surplus_minor)
    if refund.share_taken:
        give_share_back(refund, actor=actor, at=at)
