"""What each kind of decision means: what it is about, how much, and the verb of the room whose money or seller it is. Nothing here writes others' rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.money import Money, MoneyError
from billing.payments.models import Payment
from billing.refunds.operations import request_refund
from fraud.cases.models import Alert, Case, CaseDecision, Kind
from fraud.decisions.models import DecisionReview, Outcome
from fraud.decisions.operations import allow_reviewed, uphold_reviewed
from fraud.decisions.reserving import Terms, place_reserve
from fraud.decisions.states import ReviewState
from fraud.features.models import Point
from payouts.holds.models import Hold
from payouts.holds.operations import place_hold, place_pause, release_hold
from payouts.holds.states import HoldState
from payouts.ledger.queries import seller_buckets
from payouts.runs.models import Payout
from payouts.runs.operations import cancel_payout, release_payout
from payouts.runs.states import PayoutStatus
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.operations import set_seller_status
from payouts.sellers.states import SellerStatus

CODE = "case_decision"


class CaseHasNoSeller(Refusal):
    code = "case_has_no_seller"
    sentence = "This case is about {subject}, no seller of ours; only a release or a refund can be decided in it."


class TargetInvalid(InputError):
    code = "case_target_invalid"
    sentence = "{detail}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants: terms as the kind asks (basis_points, days, review_on)."""

    kind: str
    target: str = ""
    amount_minor: int = 0
    currency: str = ""
    seller_text: str = ""
    terms: dict[str, Any] = field(default_factory=dict)


def seller_of(case: Case) -> Seller:
    if case.seller is None:
        raise CaseHasNoSeller(subject=case.subject)
    return case.seller


# --- what it is about -----------------------------------------------------------------------------------------------------


def weigh(case: Case, wish: Wish) -> tuple[int, str]:
    """Return (minor units, currency) that the wish moves or frees, looked up now; for what somebody holds or refunds, what they said.

    Refuses: TargetInvalid, CaseHasNoSeller.
    """
    return _WEIGH[wish.kind](case, wish)


def _weigh_release(case: Case, wish: Wish) -> tuple[int, str]:
    hold = Hold.objects.filter(public_id=wish.target, seller=case.seller, state=HoldState.ACTIVE).first()
    if hold is not None:
        return (hold.remaining_minor, hold.currency) if hold.currency else _freed_by_pause(case)
    review = open_review(case, wish.target)
    payout = Payout.objects.filter(public_id=wish.target, seller=case.seller, status=PayoutStatus.HELD).first()
    if payout is not None:
        return payout.amount_minor, payout.currency
    if review is None:
        raise TargetInvalid(
            detail=f"Nothing named {wish.target or 'so'} is held in this case. Choose from what it shows as held."
        )
    return freed_by(review, case.seller)


def open_review(case: Case, target: str) -> DecisionReview | None:
    """Return the open review of a subject that fired in this case."""
    return reviews_of(case).filter(subject=target).select_related("decision").first()


def reviews_of(case: Case) -> Any:
    """Return the reviews that still wait in this case: of its seller, and of what fired in it."""
    open_ones = DecisionReview.objects.filter(state=ReviewState.OPEN)
    fired = Alert.objects.filter(case=case, decision__isnull=False).values("decision__subject")
    if case.seller is None:
        return open_ones.filter(subject__in=fired)
    return (open_ones.filter(seller=case.seller.public_id) | open_ones.filter(subject__in=fired)).distinct()


def freed_by(review: DecisionReview, seller: Seller | None) -> tuple[int, str]:
    """Return what could leave once a review is allowed: for an account or a seller, all that is available behind it."""
    if seller is None or review.point not in (Point.PAYEE_CHANGE, Point.ONBOARDING):
        return review.decision.amount_minor, review.decision.currency
    account = PayeeAccount.objects.filter(public_id=review.subject).values_list("currency", flat=True).first()
    currency = account or seller.currency
    bucket = seller_buckets([seller.pk]).get((seller.pk, currency), {})
    return max(0, bucket.get("available", 0)), currency


def stands_still(review: DecisionReview) -> bool:
    """Tell whether something of ours waits for a review: a payout, an account, a seller; at other points only the asker was answered."""
    return review.outcome != Outcome.REVIEW and review.point in (Point.PAYOUT, Point.PAYEE_CHANGE, Point.ONBOARDING)


def _freed_by_pause(case: Case) -> tuple[int, str]:
    """Return the largest available amount of a paused seller: that is what leaves first when the pause ends."""
    found = [(one["available"], currency) for (_, currency), one in seller_buckets([seller_of(case).pk]).items()]
    amount, currency = max(found, default=(0, seller_of(case).currency))
    return max(0, amount), currency


def _weigh_given(case: Case, wish: Wish) -> tuple[int, str]:
    seller_of(case)
    try:
        Money(wish.amount_minor, wish.currency)
    except MoneyError as problem:
        raise TargetInvalid(detail=problem.sentence) from None
    if wish.amount_minor <= 0:
        raise TargetInvalid(detail="Give an amount of more than zero.")
    return wish.amount_minor, wish.currency


def _weigh_refund(case: Case, wish: Wish) -> tuple[int, str]:
    payment = Payment.objects.filter(public_id=wish.target).first()
    fired = {case.subject, *Alert.objects.filter(case=case).values_list("about", flat=True)}
    names = {payment.public_id, payment.customer.public_id, payment.purpose} - {""} if payment else set()
    if payment is None or not (names & fired or (case.seller and payment.seller_id == case.seller.pk)):
        raise TargetInvalid(detail="Name a payment (pmt_…) to this seller, or one that fired in this case.")
    amount = wish.amount_minor or payment.captured_minor
    if not 0 < amount <= payment.captured_minor:
        raise TargetInvalid(detail="Refund more than zero, and no more than was captured.")
    return amount, payment.currency


def _weigh_seller(case: Case, wish: Wish) -> tuple[int, str]:
    seller = seller_of(case)
    return 0, seller.currency


def _weigh_reserve(case: Case, wish: Wish) -> tuple[int, str]:
    """Return what the share would keep of the money that is pending now: the size of the step, since nobody knows what will be sold."""
    seller = seller_of(case)
    share, days = wish.terms.get("basis_points", 0), wish.terms.get("days", 0)
    if not 0 < share <= 10_000 or not 0 < days <= 180:
        raise TargetInvalid(detail="A reserve keeps more than 0 and at most 100 % for 1 to 180 days.")
    if not wish.terms.get("review_on"):
        raise TargetInvalid(
            detail="Say on which day the reserve is looked at: it ends then, unless something still speaks for it."
        )
    currency = wish.currency or seller.currency
    pending = seller_buckets([seller.pk]).get((seller.pk, currency), {}).get("pending", 0)
    return Money(max(0, pending), currency).share(share).amount_minor, currency


_WEIGH: dict[str, Callable[[Case, Wish], tuple[int, str]]] = {
    Kind.RELEASE: _weigh_release, Kind.HOLD: _weigh_given, Kind.PAUSE: _weigh_seller, Kind.RESERVE: _weigh_reserve, Kind.BLOCK: _weigh_seller,
    Kind.CLOSE_SELLER: _weigh_seller, Kind.REFUND: _weigh_refund,
}  # fmt: skip


# --- carrying out ---------------------------------------------------------------------------------------------------------


def carry_out(case: Case, decision: CaseDecision, actor: Actor, at: datetime) -> str:
    """Call the verb of the room it concerns; return what it made or moved. Refuses as that verb does, and nothing is half done."""
    return _CARRY_OUT[decision.kind](case, decision, actor, at)


def _release(case: Case, decision: CaseDecision, actor: Actor, at: datetime) -> str:
    hold = Hold.objects.filter(public_id=decision.target, seller=case.seller).first()
    if hold is not None:
        return release_hold(hold_id=hold.pk, actor=actor, at=at, reason=decision.reason).public_id
    review = open_review(case, decision.target)
    if review is not None:
        allow_reviewed(review_id=review.pk, reason=decision.reason, actor=actor, at=at)
    payout = Payout.objects.filter(public_id=decision.target, seller=case.seller, status=PayoutStatus.HELD).first()
    if payout is not None:  # held for another reason than the review's, or by hand
        release_payout(payout_id=payout.pk, actor=actor, at=at, reason=decision.reason)
    return decision.target


def _facts(decision: CaseDecision, actor: Actor, at: datetime) -> dict[str, Any]:
    return {
        "reason": decision.reason, "seller_text": decision.seller_text, "actor": actor, "at": at, "key": decision.public_id,
    }  # fmt: skip


def _hold(case: Case, decision: CaseDecision, actor: Actor, at: datetime) -> str:
    made = place_hold(
        seller_id=seller_of(case).pk, currency=decision.currency, amount_minor=decision.amount_minor, code=CODE, owner=decision.made_by,
        review_on=_day(decision), **_facts(decision, actor, at),
    )  # fmt: skip
    return made.public_id


def _pause(case: Case, decision: CaseDecision, actor: Actor, at: datetime) -> str:
    made = place_pause(
        seller_id=seller_of(case).pk, code=CODE, owner=decision.made_by, review_on=_day(decision), **_facts(decision, actor, at)
    )
    return made.public_id


def _day(decision: CaseDecision) -> date | None:
    text = decision.terms.get("review_on")
    return date.fromisoformat(text) if text else None


def _reserve(case: Case, decision: CaseDecision, actor: Actor, at: datetime) -> str:
    terms = Terms(
        decision.currency, decision.terms["basis_points"], decision.terms["days"], date.fromisoformat(decision.terms["review_on"]),
        decision.made_by, decision.reason, decision.seller_text,
    )  # fmt: skip
    made = place_reserve(seller_id=seller_of(case).pk, terms=terms, asked_by=decision.public_id, actor=actor, at=at)
    return made.public_id


def _block(case: Case, decision: CaseDecision, actor: Actor, at: datetime) -> str:
    """Block the seller: what waits for a review is upheld, and held payouts go back to a balance that is no longer paid out."""
    seller = seller_of(case)
    for review in reviews_of(case).filter(seller=seller.public_id).order_by("pk"):
        uphold_reviewed(review_id=review.pk, reason=decision.reason, actor=actor, at=at)
    for payout in Payout.objects.filter(seller=seller, status=PayoutStatus.HELD).order_by("pk"):
        cancel_payout(payout_id=payout.pk, actor=actor, at=at, reason=decision.reason, code="seller_blocked")
    set_seller_status(
        seller_id=seller.pk, to=SellerStatus.BLOCKED, actor=actor, at=at, reason=decision.seller_text or decision.reason
    )
    return seller.public_id


def _close(case: Case, decision: CaseDecision, actor: Actor, at: datetime) -> str:
    seller = seller_of(case)
    set_seller_status(
        seller_id=seller.pk, to=SellerStatus.CLOSED, actor=actor, at=at, reason=decision.seller_text or decision.reason
    )
    return seller.public_id


def _refund(case: Case, decision: CaseDecision, actor: Actor, at: datetime) -> str:
    payment = Payment.objects.filter(public_id=decision.target).first()
    if payment is None:
        raise NotFound(what="payment", ref=decision.target)
    made = request_refund(
        payment_id=payment.pk,
        amount_minor=decision.amount_minor,
        reason=decision.reason,
        actor=actor,
        at=at,
        key=decision.public_id,
        cause="fraudulent",
    )
    return made.public_id


_CARRY_OUT: dict[str, Callable[[Case, CaseDecision, Actor, datetime], str]] = {
    Kind.RELEASE: _release, Kind.HOLD: _hold, Kind.PAUSE: _pause, Kind.RESERVE: _reserve, Kind.BLOCK: _block, Kind.CLOSE_SELLER: _close,
    Kind.REFUND: _refund,
}  # fmt: skip
