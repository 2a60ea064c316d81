"""What a refund of a purchase takes back from the seller: the sale's share, with the commission on it given back in proportion.

Booked before the card is refunded, so that money never leaves while it is only hoped for; given back where the refund fails. The commission is
rounded on the sum of all refunds of the sale, so that many parts give back exactly what one would.
"""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.money import Money
from billing.refunds.models import Refund
from payouts.earnings.lines import EarningLine
from payouts.earnings.models import Earning, EarningKind
from payouts.earnings.operations import record_earnings
from payouts.earnings.purses import lock_purses
from payouts.earnings.queries import lines_of_sale

SOURCE = "billing.refunds"


class ShareNotBooked(Refusal):
    code = "share_not_booked"
    sentence = "The seller's share of {refund} could not be booked: {why}"


def why_queued(refund: Refund) -> tuple[str, str]:
    """Return (code, sentence) of why a refund must wait for its seller, or two empty texts; the seller is locked."""
    lines = _lines(refund)
    if not any(line.kind == EarningKind.SALE for line in lines):
        return "sale_not_recorded", f"The sale {refund.purpose} is not recorded yet, so its seller's share is not known."
    purse = lock_purses([refund.seller_id or 0]).get((refund.seller_id or 0, refund.currency))
    there = sum(line.pending_minor for line in lines) + (max(0, purse.available_minor) if purse else 0)
    needed = refund.amount_minor - fee_back(refund, lines)
    if needed > there and not refund.short_by_choice:
        missing = Money(needed - there, refund.currency)
        return "seller_balance_short", f"The seller's balance is short by {missing}; it goes out when the seller has earned that."
    return "", ""


def take_share(refund: Refund, *, actor: Actor, at: datetime) -> int:
    """Book the refund against the seller and return the net amount taken, minor units. Refuses: ShareNotBooked."""
    fee = fee_back(refund, _lines(refund))
    _record(refund, refund.public_id, EarningKind.REFUND, refund.amount_minor, fee, actor, at)
    return refund.amount_minor - fee


def give_share_back(refund: Refund, *, actor: Actor, at: datetime) -> None:
    """Book back what was taken, when the refund did not reach the buyer after all. Refuses: ShareNotBooked."""
    fee = refund.amount_minor - refund.share_minor
    _record(refund, f"{refund.public_id}:back", EarningKind.ADJUSTMENT, refund.amount_minor, fee, actor, at)


def fee_back(refund: Refund, lines: list[Earning]) -> int:
    """Return the commission that goes back with this refund: the part of the sale's, rounded half up over all refunds of the sale."""
    gross = sum(line.gross_minor for line in lines if line.kind == EarningKind.SALE)
    fee = sum(line.fee_minor for line in lines if line.kind == EarningKind.SALE)
    others = [line for line in lines if line.kind != EarningKind.SALE]
    refunded, given = -sum(line.gross_minor for line in others), -sum(line.fee_minor for line in others)
    if gross <= 0 or fee <= 0:
        return 0
    wanted = (2 * fee * min(gross, max(0, refunded) + refund.amount_minor) + gross) // (2 * gross)
    return max(0, min(wanted - given, refund.amount_minor))


def _lines(refund: Refund) -> list[Earning]:
    return list(lines_of_sale(refund.seller_id or 0, refund.currency, refund.purpose))


def _record(refund: Refund, external_id: str, kind: str, gross_minor: int, fee_minor: int, actor: Actor, at: datetime) -> None:
    seller = refund.seller
    if seller is None:
        raise ShareNotBooked(refund=refund.public_id, why="it has no seller.")
    line = EarningLine(
        1, external_id, seller.external_id, kind, refund.purpose, at.isoformat(), "", refund.currency,
        Money(gross_minor, refund.currency).decimal(), Money(fee_minor, refund.currency).decimal(),
    )  # fmt: skip
    result = record_earnings(lines=[line], source=SOURCE, actor=actor, at=at, partner_id=seller.partner_id)[0]
    if result.outcome == "rejected":
        raise ShareNotBooked(refund=refund.public_id, why=result.reason)
