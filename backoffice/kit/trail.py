"""The socket of the audit trail: the kit has things to record, and knows nobody who keeps them. The staff room plugs in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from backoffice.kit.actors import Actor


class NobodyKeepsTheTrail(RuntimeError):
    """Nothing is plugged in, so what must be recorded could not be: it does not happen."""


_keepers: list[Callable[..., Any]] = []


def plug(keeper: Callable[..., Any]) -> None:
    """Register who keeps the trail, once; call from AppConfig.ready()."""
    if keeper not in _keepers:
        _keepers.append(keeper)


def record(actor: Actor, action: str, subject: str, at: datetime, facts: dict[str, Any]) -> None:
    """Record who did what. Fails closed: without a keeper it raises NobodyKeepsTheTrail."""
    if not _keepers:
        raise NobodyKeepsTheTrail(action)
    for keeper in _keepers:
        keeper(actor, action, subject, at, facts=facts)
