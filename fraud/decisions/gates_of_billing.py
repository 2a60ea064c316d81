"""The wing's answers before a card is charged and before a refund. Here what goes wrong is no refusal: a person looks afterwards.

A refund nobody could judge waits for a second person; a charge goes through, and the question is put again by the outbox until it is answered.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import DatabaseError, transaction

from backoffice.kit.actors import Actor, system
from backoffice.kit.clock import parse_at
from backoffice.kit.errors import Refusal
from backoffice.kit.gates import Objection
from backoffice.kit.outbox import Event, subscribe, tell
from billing.payments.models import Payment
from billing.refunds.models import Refund
from fraud.decisions.gates import BLOCK, HOLD, needed, reason_of
from fraud.decisions.judging import NOT_ANSWERABLE
from fraud.decisions.models import Outcome
from fraud.decisions.operations import Question, decide
from fraud.features.models import Point
from fraud.features.recording import Happening
from payouts.sellers.models import Seller

logger = logging.getLogger(__name__)
ROBOT = system("decisions")
UNANSWERED = "decision.unanswered"
# What may go wrong when a question is asked: the database, a refusal, or a value nobody foresaw.
_WRONG = (Refusal, DatabaseError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError)


def charge_made(*, payment: Payment, actor: Actor, at: datetime, **_: Any) -> list[Objection]:
    """Answer `before_charge`: hold and block keep the card from being charged; whoever allows it lets the same purpose through."""
    question = _question(
        Point.CHARGE,
        payment.public_id,
        payment.purpose or payment.public_id,
        payment,
        payment.customer.public_id,
        payment.seller,
        at,
    )
    return _asked(question, actor, at, otherwise=[])


def refund_asked(*, refund: Refund, actor: Actor, at: datetime, **_: Any) -> list[Objection]:
    """Answer `before_refund`: hold asks for a second person, block keeps it cancelled."""
    subject = refund.payment.public_id if refund.payment else refund.purpose
    question = _question(Point.REFUND, refund.public_id, subject, refund, refund.customer.public_id, refund.seller, at)
    unsure = Objection(HOLD, NOT_ANSWERABLE, "The rules could not be asked about this refund; a second person decides.")
    return _asked(question, actor, at, otherwise=[unsure])


def _question(point: str, key: str, subject: str, row: Any, customer: str, seller: Seller | None, at: datetime) -> Question:
    happening = Happening(
        ref=f"{point}:{key}", kind=point, at=at, amount_minor=row.amount_minor, currency=row.currency, buyer=customer,
        seller=seller.public_id if seller else "", partner_id=seller.partner_id if seller else None,
    )  # fmt: skip
    return Question(happening, subject, key, seller=seller)


def _asked(question: Question, actor: Actor, at: datetime, *, otherwise: list[Objection]) -> list[Objection]:
    try:
        with transaction.atomic():
            if not needed(question.happening.kind):
                return []
            decision = decide(question=question, actor=actor, at=at)
    except _WRONG:
        logger.exception("no decision could be made on %s", question.key)
        facts = asdict(question.happening) | {"at": question.happening.at.isoformat()}
        tell(
            UNANSWERED,
            subject=question.key[:40],
            payload={"subject": question.subject, "key": question.key, "asked": facts},
            at=at,
        )
        return otherwise
    effect = {Outcome.HOLD: HOLD, Outcome.BLOCK: BLOCK}.get(Outcome(decision.outcome))
    return [Objection(effect, decision.code, reason_of(decision))] if effect else []


def answer_later(event: Event) -> None:
    """Decide on what could not be decided when it happened; until that works the outbox tries again, and at last shows it among the dead."""
    asked = event.payload["asked"]
    happening = Happening(**(asked | {"at": parse_at(asked["at"])}))
    seller = Seller.objects.filter(public_id=happening.seller).first() if happening.seller else None
    question = Question(happening, event.payload["subject"], event.payload["key"], seller=seller)
    decide(question=question, actor=ROBOT, at=event.occurred_at)


def plug_in() -> None:
    subscribe("fraud.decisions.unanswered", UNANSWERED, answer_later)
