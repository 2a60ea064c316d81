"""Verbs of inbound events, by name; each stands in its own module."""

from billing.webhooks.claims import sweep
from billing.webhooks.healing import forget_bodies, heal, open_body, replay_event
from billing.webhooks.processing import work
from billing.webhooks.receiving import take_in

__all__ = ["forget_bodies", "heal", "open_body", "replay_event", "sweep", "take_in", "work"]
