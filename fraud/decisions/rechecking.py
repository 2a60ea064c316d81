"""Holds that end: what a decision stopped is asked about again, with the rules, lists and facts of now, once a day and after each change.

What nothing speaks against any more is freed. What still stands stays, without a second alert; a person has a date to look at it.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import durable
from fraud.decisions.allowing import AllowingRefused
from fraud.decisions.models import Decision, DecisionReview, Outcome
from fraud.decisions.operations import Question, decide, lift_reviewed
from fraud.decisions.reviewing import ReviewIsClosed
from fraud.decisions.states import ReviewState
from fraud.features.models import Point
from fraud.features.recording import Happening
from fraud.lists.queries import lists_version
from fraud.rules.sets import current_set_id
from payouts.runs.models import Payout
from payouts.sellers.models import PayeeAccount, Seller

logger = logging.getLogger(__name__)
AT_ONCE = 500
ASKED_AGAIN = (Point.PAYOUT, Point.PAYEE_CHANGE, Point.ONBOARDING, Point.SALE)


@durable
def recheck_reviews(*, actor: Actor, at: datetime) -> dict[str, int]:
    """Ask again about everything held, and free what nothing speaks against. Answers how many were asked about and freed."""
    counts = {"asked": 0, "freed": 0}
    # what changed what could be answered; the day, because facts grow older, too
    suffix = f":again:{current_set_id()}:{lists_version()}:{at:%Y%m%d}"
    waiting = DecisionReview.objects.filter(state=ReviewState.OPEN, outcome=Outcome.HOLD, point__in=ASKED_AGAIN)
    for review in waiting.select_related("decision__event").order_by("pk")[:AT_ONCE]:
        key = review.decision.key[: 250 - len(suffix)] + suffix
        if Decision.objects.filter(point=review.point, key=key).exists():
            continue
        counts["asked"] += 1
        try:
            counts["freed"] += _ask_again(review, key, actor, at)
        except Refusal:
            logger.exception("the review %s could not be asked about again", review.public_id)
    return counts


def _ask_again(review: DecisionReview, key: str, actor: Actor, at: datetime) -> int:
    decision = _decide_again(review.decision, key, actor, at)
    if decision.outcome != Outcome.ALLOW:
        return 0
    try:
        reason = f"Asked again, nothing speaks against it any more ({decision.public_id})."
        lift_reviewed(review_id=review.pk, reason=reason, actor=actor, at=at)
    except (ReviewIsClosed, AllowingRefused):
        return 0  # a person was faster, or a case has it
    return 1


def ask_again(decision: Decision, *, suffix: str, actor: Actor, at: datetime) -> Decision:
    """Ask the question of a decision again, with the rules, lists and facts of now; the same suffix answers the same."""
    return _decide_again(decision, decision.key[: 250 - len(suffix)] + suffix, actor, at)


def _decide_again(earlier: Decision, key: str, actor: Actor, at: datetime) -> Decision:
    happening = Happening(**{one.name: getattr(earlier.event, one.name) for one in fields(Happening)})
    seller = Seller.objects.filter(public_id=earlier.event.seller).first()
    payee = _account(earlier.point, earlier.subject)
    return decide(question=Question(happening, earlier.subject, key, seller=seller, payee=payee, again=True), actor=actor, at=at)


def _account(point: str, subject: str) -> PayeeAccount | None:
    if point == Point.PAYEE_CHANGE:
        return PayeeAccount.objects.filter(public_id=subject).first()
    payout = Payout.objects.select_related("payee_account").filter(public_id=subject).first()
    return payout.payee_account if payout else None
