"""What a payment books: a card's money against the claim it was for; what nobody owes any more stands in suspense until it is given back.

A purchase books nothing here: the seller's sale does (docs/house.md, step 1), and reconciliation holds the two together.
"""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from billing.gateways.registry import MANUAL
from billing.payments.models import Payment
from billing.payments.sockets import claims
from payouts.earnings.booking import PROVIDER
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import card_captured


class CapturedDiffers(Refusal):
    code = "captured_differs"
    sentence = "The gateway says it took {captured} {currency} for {payment}, which is not what was asked."


def clearing_holder(gateway: str) -> str:
    """Return who holds the money of a gateway: the card provider, or our own hands for transfers that staff record."""
    return MANUAL if gateway == MANUAL else PROVIDER


def book_capture(payment: Payment, *, captured_minor: int, currency: str, actor: Actor, at: datetime) -> int:
    """Book what was captured for a locked payment and tell the claim's owner; return what nobody owed. Refuses: CapturedDiffers, ledger's own."""
    if currency != payment.currency or not 0 < captured_minor <= payment.amount_minor:
        raise CapturedDiffers(captured=captured_minor, currency=currency or "?", payment=payment.public_id)
    claim = claims.of(payment.purpose)
    if claim is None:
        return 0
    due = claim.due(purpose=payment.purpose)
    applied = max(0, min(captured_minor, due.amount_minor)) if due.currency == currency else 0
    legs = card_captured(
        customer_id=due.holder_id, currency=currency, applied_minor=applied, surplus_minor=captured_minor - applied,
        provider=clearing_holder(payment.gateway),
    )  # fmt: skip
    draft = Draft("card_captured", payment.public_id, legs, "payment", payment.pk)
    posted = post(drafts=[draft], actor=actor, at=at)[0]
    if applied:
        claim.apply(
            purpose=payment.purpose,
            amount_minor=applied,
            payment=payment.public_id,
            posting_id=posted.posting_id,
            actor=actor,
            at=at,
        )
    return captured_minor - applied
