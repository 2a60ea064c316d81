"""What becomes alerts: decisions that stopped something or sent it to a person, and exposure that crossed a threshold. Told by the outbox."""

from __future__ import annotations

from backoffice.kit.actors import system
from backoffice.kit.outbox import Event, subscribe
from fraud.cases.models import AlertSource, Priority
from fraud.cases.taking import SUBJECT_MAX, Fired, raise_alert
from fraud.decisions.models import Decision, Outcome
from payouts.sellers.models import Seller

ROBOT = system("cases")
# A review let it pass; hold and block stopped it.
_PRIORITY = {Outcome.REVIEW: Priority.NORMAL, Outcome.HOLD: Priority.HIGH, Outcome.BLOCK: Priority.HIGH}
_OF_LEVEL = {"warn": Priority.NORMAL, "critical": Priority.CRITICAL}


def take_decision(event: Event) -> None:
    """Put a decision that did not simply allow into the case of its seller, or of its subject where no seller is known."""
    decision = Decision.objects.filter(public_id=event.subject).first()
    if decision is None:
        return
    known = decision.seller and Seller.objects.filter(public_id=decision.seller).exists()
    fired = Fired(
        subject=decision.seller if known else decision.subject, source=AlertSource.DECISION, reference=decision.public_id, code=decision.code,
        text=decision.operator_text, about=decision.subject, score=decision.score, amount_minor=decision.amount_minor, currency=decision.currency,
        priority=_PRIORITY.get(Outcome(decision.outcome), Priority.NORMAL), decision=decision,
    )  # fmt: skip
    raise_alert(fired=fired, actor=ROBOT, at=event.occurred_at)


def take_exposure(event: Event) -> None:
    """Put a crossed threshold of exposure into the case of its seller."""
    told = event.payload
    fired = Fired(
        subject=str(told["seller"])[:SUBJECT_MAX], source=AlertSource.EXPOSURE, reference=event.subject, code=f"exposure_{told['level']}",
        text=str(told["why"]), amount_minor=max(0, int(told["amount_minor"])), currency=str(told["currency"]), priority=_OF_LEVEL[told["level"]],
    )  # fmt: skip
    raise_alert(fired=fired, actor=ROBOT, at=event.occurred_at)


def plug_in() -> None:
    for outcome in (Outcome.REVIEW, Outcome.HOLD, Outcome.BLOCK):
        subscribe(f"fraud.cases.{outcome}", f"decision.{outcome}", take_decision)
    subscribe("fraud.cases.exposure", "exposure.crossed", take_exposure)
