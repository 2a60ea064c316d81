"""Verbs of the event store: write what happened, once, and what it turned out to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound
from backoffice.kit.outbox import tell
from backoffice.kit.statements import insert
from backoffice.kit.transactions import composable
from fraud.features.catalogue import SUBJECTS
from fraud.features.models import FraudEvent, FraudLabel, LabelSource

REF_MAX, SUBJECT_MAX = 250, 170


class EventInvalid(InputError):
    code = "fraud_event_invalid"
    sentence = "{detail}"


class EventIsAnother(InputError):
    code = "fraud_event_is_another"
    sentence = (
        "An event with this reference is known, with other content: {what} differs. Give each event a reference of its own."
    )


@dataclass(frozen=True, slots=True)
class Happening:
    """What an event says. Buyer and device are opaque references; `seller` is a public id or the partner's own name for it."""

    ref: str
    kind: str
    at: datetime
    amount_minor: int = 0
    currency: str = ""
    buyer: str = ""
    seller: str = ""
    payee: str = ""
    device: str = ""
    country: str = ""
    order_ref: str = ""
    partner_id: int | None = None


@composable
def record_event(*, happening: Happening, at: datetime) -> FraudEvent:
    """Write an event into the store, or return the one with its reference; `at` is when we learnt of it. Refuses: EventInvalid, EventIsAnother."""
    return write_event(happening, at)


def write_event(happening: Happening, at: datetime) -> FraudEvent:
    """Do what `record_event` does, for a caller whose transaction is open: one statement for what is new."""
    _check(happening)
    facts = {name: getattr(happening, name) for name in Happening.__slots__}
    made = insert(FraudEvent(**facts, known_at=at), once="ref")
    if made is not None:
        return made
    event = FraudEvent.objects.get(ref=happening.ref)
    told = ("kind", "amount_minor", "currency")
    differing = [name for name in told if getattr(event, name) != getattr(happening, name)]
    if differing:
        raise EventIsAnother(what=" and ".join(differing))
    return event


def _check(happening: Happening) -> None:
    texts = [getattr(happening, name) for name in SUBJECTS]
    problems = {
        f"A reference has 1 to {REF_MAX} characters.": not 0 < len(happening.ref) <= REF_MAX,
        f"Subjects have at most {SUBJECT_MAX} characters.": max(map(len, texts)) > SUBJECT_MAX,
        "References are text without control characters.": any(not text.isprintable() for text in [happening.ref, *texts]),
        "An amount has a currency.": bool(happening.amount_minor) and not happening.currency,
        "An amount is not below zero.": happening.amount_minor < 0,
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise EventInvalid(detail=sentence)


@composable
def label_event(*, event_id: int, is_fraud: bool, source: str, actor: Actor, at: datetime) -> FraudLabel:
    """Say what an event turned out to be; the same again changes nothing. Tells `fraud_event.labelled`. Refuses: NotFound."""
    event = FraudEvent.objects.filter(pk=event_id).first()
    if event is None:
        raise NotFound(what="event", ref=event_id)
    subjects = {name: getattr(event, name) for name in SUBJECTS}
    label, made = FraudLabel.objects.get_or_create(
        event=event, source=source, is_fraud=is_fraud, defaults=subjects | {"known_at": at, "actor": str(actor)}
    )
    if made:
        payload = {"event": event.public_id, "is_fraud": is_fraud, "source": source}
        tell("fraud_event.labelled", subject=event.public_id, payload=payload, at=at)
    return label


def sale_of(seller: str, order_ref: str) -> FraudEvent | None:
    """Return the sale of an order, the earliest where there are several."""
    return (
        FraudEvent.objects.filter(~Q(order_ref=""), kind="sale", seller=seller, order_ref=order_ref).order_by("at", "pk").first()
    )


ANALYST = LabelSource.ANALYST
