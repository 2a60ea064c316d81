"""Who makes our rows say what an object at the provider says: one applier a kind.

`fetch` asks the provider, outside of every transaction; `apply` joins the worker's transaction, and says what it did. What it raises decides
what becomes of the event: NotReady is tried again within seconds, MoveNotAllowed and other refusals a few times, then a person looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from billing.disputes import mirroring
from billing.disputes.reading import read_dispute, read_warning
from billing.gateways.port import Answer, Gateway
from billing.payments import operations as payments
from billing.payments import queries as payment_queries
from billing.refunds import operations as refunds
from billing.refunds import queries as refund_queries


class Effect(StrEnum):
    """What applying a look did; STALE: we know more than the look shows. NOT_OURS: it was made at the provider by somebody else, as a shop does."""

    APPLIED = "applied"
    SAME = "same"
    STALE = "stale"
    NOT_OURS = "not_ours"


class RefundedElsewhere(Refusal):
    code = "refunded_elsewhere"
    sentence = (
        "The refund {refund} of {payment} was made at the provider, not here. Nobody decided on it here: reconcile it as a break."
    )


class NotReady(Exception):
    """Something this depends on is not here yet; it most likely comes within seconds. The text names it, without personal data."""


@dataclass(frozen=True, slots=True)
class Applier:
    """How one kind of object is followed. Without `fetch` the object never changes, and the event's own body says all of it."""

    apply: Callable[[str, Answer, Actor, datetime], Effect]
    fetch: Callable[[Gateway, str], Answer] | None = None


_appliers: dict[str, Applier] = {}


def plug(kind: str, applier: Applier) -> None:
    """Name who follows a kind of object (kinds: bodies.kind_of); the last one named counts."""
    _appliers[kind] = applier


def applier_of(kind: str) -> Applier | None:
    return _appliers.get(kind)


def _dispute(provider: str, answer: Answer, actor: Actor, at: datetime) -> Effect:
    try:
        return Effect(mirroring.see_dispute(provider=provider, facts=read_dispute(answer.facts), actor=actor, at=at))
    except mirroring.PaymentNotKnownYet as refusal:
        raise NotReady(str(refusal)) from refusal


def _warning(provider: str, answer: Answer, actor: Actor, at: datetime) -> Effect:
    try:
        return Effect(mirroring.see_warning(provider=provider, facts=read_warning(answer.facts), actor=actor, at=at))
    except mirroring.PaymentNotKnownYet as refusal:
        raise NotReady(str(refusal)) from refusal


def _payment(provider: str, answer: Answer, actor: Actor, at: datetime) -> Effect:
    reference = str(answer.facts.get("reference", ""))
    found = payment_queries.find_payment(gateway=provider, provider_ref=answer.provider_ref, reference=reference)
    if found is None:
        return _nobodys(reference, "pmt_")
    return Effect(payments.apply_provider_state(payment_id=found.pk, answer=answer, actor=actor, at=at))


def _card_setup(provider: str, answer: Answer, actor: Actor, at: datetime) -> Effect:
    reference = str(answer.facts.get("reference", ""))
    found = payment_queries.find_setup(gateway=provider, provider_ref=answer.provider_ref, reference=reference)
    if found is None:
        return _nobodys(reference, "cst_")
    return Effect(payments.apply_setup_state(setup_id=found.pk, answer=answer, actor=actor, at=at))


def _refund(provider: str, answer: Answer, actor: Actor, at: datetime) -> Effect:
    """Follow a refund. One of our payments that was refunded at the provider by hand is refused: money left that nobody here decided on."""
    reference = str(answer.facts.get("reference", ""))
    found = refund_queries.find_refund(provider_ref=answer.provider_ref, reference=reference)
    if found is not None:
        return Effect(refunds.apply_provider_state(refund_id=found.pk, answer=answer, actor=actor, at=at))
    payment = payment_queries.find_payment(gateway=provider, provider_ref=str(answer.facts.get("payment_ref", "")))
    if payment is not None and not reference:
        raise RefundedElsewhere(refund=answer.provider_ref, payment=payment.public_id)
    return _nobodys(reference, "ref_")


def _nobodys(reference: str, prefix: str) -> Effect:
    """Say what an object without a row here is: ours and not committed yet, or somebody else's."""
    if reference.startswith(prefix):
        raise NotReady(f"{reference} is not known here yet")
    return Effect.NOT_OURS


plug("dispute", Applier(_dispute, lambda gateway, ref: gateway.get_dispute(provider_ref=ref)))
plug("early_fraud_warning", Applier(_warning))
plug("payment", Applier(_payment, lambda gateway, ref: gateway.get_payment(provider_ref=ref)))
plug("card_setup", Applier(_card_setup, lambda gateway, ref: gateway.get_setup(provider_ref=ref)))
plug("refund", Applier(_refund, lambda gateway, ref: gateway.get_refund(provider_ref=ref)))
