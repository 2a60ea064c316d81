"""Where others hear that a decision stopped something or sent it to a person: by the outbox, so at least once, and never inside the decision.

Whoever works alerts (cases) plugs in from its own `plug_in()`; it sees each alert once in effect, in a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from backoffice.kit.outbox import Event, subscribe, tell
from fraud.decisions.models import Decision, Outcome

Alert = Callable[[str, Decision, datetime], None]


def alert_raised(subject: str, decision: Decision, at: datetime) -> None:
    """Tell that a decision said review, hold or block about a subject. Tells `decision.<outcome>`; partners read it, so it carries no score."""
    told = {"point": decision.point, "subject": subject, "outcome": decision.outcome, "code": decision.code}
    tell(f"decision.{decision.outcome}", subject=decision.public_id, payload=told, at=at, partner_id=decision.partner_id)


def on_alert(consumer: str, take: Alert) -> None:
    """Hear every alert as (subject, decision, at); `consumer` is the name under which the outbox remembers what was delivered."""

    def deliver(event: Event) -> None:
        decision = Decision.objects.select_related("event").get(public_id=event.subject)
        take(decision.subject, decision, event.occurred_at)

    for outcome in (Outcome.REVIEW, Outcome.HOLD, Outcome.BLOCK):
        subscribe(f"{consumer}.{outcome}", f"decision.{outcome}", deliver)
