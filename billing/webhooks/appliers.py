"""Who makes our rows say what an object at the provider says: one applier a kind. `billing.plugs` plugs the rooms in.

`fetch` asks the provider, outside of every transaction; `apply` joins the worker's transaction, and says what it did. What it raises decides
what becomes of the event: NotReady is tried again within seconds, MoveNotAllowed and other refusals a few times, then a person looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from backoffice.kit.actors import Actor
from billing.disputes import mirroring
from billing.disputes.reading import read_dispute, read_warning
from billing.gateways.port import Answer, Gateway


class Effect(StrEnum):
    """What applying a look did; STALE: we know more than the look shows."""

    APPLIED = "applied"
    SAME = "same"
    STALE = "stale"


class NotReady(Exception):
    """Something this depends on is not here yet; it most likely comes within seconds. The text names it, without personal data."""


@dataclass(frozen=True, slots=True)
class Applier:
    """How one kind of object is followed. Without `fetch` the object never changes, and the event's own body says all of it."""

    apply: Callable[[str, Mapping[str, Any], Actor, datetime], Effect]
    fetch: Callable[[Gateway, str], Answer] | None = None


_appliers: dict[str, Applier] = {}


def plug(kind: str, applier: Applier) -> None:
    """Name who follows a kind of object (kinds: bodies.kind_of); the last one named counts."""
    _appliers[kind] = applier


def applier_of(kind: str) -> Applier | None:
    return _appliers.get(kind)


def _dispute(provider: str, facts: Mapping[str, Any], actor: Actor, at: datetime) -> Effect:
    try:
        return Effect(mirroring.see_dispute(provider=provider, facts=read_dispute(facts), actor=actor, at=at))
    except mirroring.PaymentNotKnownYet as refusal:
        raise NotReady(str(refusal)) from refusal


def _warning(provider: str, facts: Mapping[str, Any], actor: Actor, at: datetime) -> Effect:
    try:
        return Effect(mirroring.see_warning(provider=provider, facts=read_warning(facts), actor=actor, at=at))
    except mirroring.PaymentNotKnownYet as refusal:
        raise NotReady(str(refusal)) from refusal


plug("dispute", Applier(_dispute, lambda gateway, ref: gateway.get_dispute(provider_ref=ref)))
plug("early_fraud_warning", Applier(_warning))
