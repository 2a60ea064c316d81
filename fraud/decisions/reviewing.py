"""Verbs of reviews: a person allows or upholds what a decision stopped, or it is lifted because nothing speaks against it any more."""

from __future__ import annotations

from datetime import datetime, timedelta

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from fraud.decisions.allowing import refuse_objections
from fraud.decisions.models import DecisionReview
from fraud.decisions.states import REVIEW, ReviewState
from fraud.features.models import Point
from payouts.runs.models import Payout
from payouts.runs.operations import release_payout
from payouts.runs.states import PayoutStatus
from payouts.sellers.models import PayeeAccount, PayeeStatus, Seller
from payouts.sellers.operations import mark_payee_account

ALLOWED_DAYS = 7


class ReviewIsClosed(Refusal):
    code = "review_is_closed"
    sentence = "This was judged before: {state}."


class ReasonMissing(Refusal):
    code = "review_reason_missing"
    sentence = "Say why: whoever asks later reads it."


@composable
def allow_reviewed(*, review_id: int, reason: str, actor: Actor, at: datetime) -> DecisionReview:
    """Allow what a decision stopped: the same subject passes for ALLOWED_DAYS, but for an absolute block; a held payout or account is freed.

    Tells `decision.reviewed`. Refuses: NotFound, ReviewIsClosed, ReasonMissing, AllowingRefused.
    """
    return _allow(review_id, at + timedelta(days=ALLOWED_DAYS), "", actor, at, reason)


@composable
def lift_reviewed(*, review_id: int, reason: str, actor: Actor, at: datetime) -> DecisionReview:
    """Free what a decision stopped because, asked again, nothing speaks against it; nothing passes for a time because of that.

    Tells `decision.reviewed`. Refuses: NotFound, ReviewIsClosed, ReasonMissing, AllowingRefused.
    """
    return _allow(review_id, at, "asked_again", actor, at, reason)


def _allow(review_id: int, until: datetime, code: str, actor: Actor, at: datetime, reason: str) -> DecisionReview:
    subject = DecisionReview.objects.filter(pk=review_id).values_list("subject", flat=True).first() or ""
    payout = Payout.objects.filter(public_id=subject).values("pk", "seller_id").first()
    if payout is not None:
        # the order of locks: the seller first, then what is his
        Seller.objects.select_for_update(no_key=True).get(pk=payout["seller_id"])
    review = _open(review_id, reason)
    refuse_objections(review=review, actor=actor, at=at)
    review.judged_by, review.judged_at, review.allowed_until = str(actor), at, until
    review.save(update_fields=["judged_by", "judged_at", "allowed_until"])
    transition(REVIEW, review, ReviewState.ALLOWED, actor=actor, at=at, reason=reason, code=code)
    _free(review, actor, at, reason)
    _reviewed(review, actor, at, reason)
    return review


@composable
def uphold_reviewed(*, review_id: int, reason: str, actor: Actor, at: datetime) -> DecisionReview:
    """Say that a decision was right; what it stopped stays stopped. Tells `decision.reviewed`. Refuses: NotFound, ReviewIsClosed, ReasonMissing."""
    review = _open(review_id, reason)
    review.judged_by, review.judged_at = str(actor), at
    review.save(update_fields=["judged_by", "judged_at"])
    transition(REVIEW, review, ReviewState.UPHELD, actor=actor, at=at, reason=reason)
    _reviewed(review, actor, at, reason)
    return review


def _open(review_id: int, reason: str) -> DecisionReview:
    review = DecisionReview.objects.select_for_update(of=("self",)).select_related("decision").filter(pk=review_id).first()
    if review is None:
        raise NotFound(what="review", ref=review_id)
    if review.state != ReviewState.OPEN:
        raise ReviewIsClosed(state=review.get_state_display())
    if not reason.strip():
        raise ReasonMissing
    return review


def _free(review: DecisionReview, actor: Actor, at: datetime, reason: str) -> None:
    """Let go what stands still because of the decision, and only because of it."""
    if review.point == Point.PAYOUT:
        held = Payout.objects.filter(public_id=review.subject, status=PayoutStatus.HELD, status_code=review.decision.code).first()
        if held is not None:
            release_payout(payout_id=held.pk, actor=actor, at=at, reason=reason)
    if review.point == Point.PAYEE_CHANGE:
        account = PayeeAccount.objects.filter(
            public_id=review.subject, status=PayeeStatus.BLOCKED, status_code=review.decision.code[:20]
        ).first()
        if account is not None:
            mark_payee_account(payee_account_id=account.pk, status=PayeeStatus.ACTIVE, code="", reason=reason, actor=actor, at=at)


def _reviewed(review: DecisionReview, actor: Actor, at: datetime, reason: str) -> None:
    audit.record(
        actor, f"decision.{review.state}", review.decision.public_id, at, reason=reason, facts={"subject": review.subject}
    )
    told = {"decision": review.decision.public_id, "subject": review.subject, "state": str(review.state)}
    tell("decision.reviewed", subject=review.public_id, payload=told, at=at, partner_id=review.decision.partner_id)
