"""Where others are asked before a person allows what a decision stopped: a review is no way around what takes two people."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.gates import Gate
from fraud.decisions.models import DecisionReview

before_allowing = Gate("before_allowing")


class AllowingRefused(Refusal):
    code = "review_allowing_refused"
    sentence = "{why}"


def refuse_objections(*, review: DecisionReview, actor: Actor, at: datetime) -> None:
    """Refuse what anybody at the gate objects to; a check that crashes is a refusal, too. Refuses: AllowingRefused, GateFailedClosed."""
    for objection in before_allowing.ask(review=review, actor=actor, at=at):
        raise AllowingRefused(why=objection.reason)
