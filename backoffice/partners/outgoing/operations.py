"""Verbs of webhooks to partners, by name; each stands in its own module."""

from backoffice.partners.outgoing.delivering import sweep, work
from backoffice.partners.outgoing.endpoints import (
    change_endpoint,
    create_endpoint,
    disable_endpoint,
    enable_endpoint,
    ping_endpoint,
    read_secret,
    rotate_secret,
)
from backoffice.partners.outgoing.replaying import forget_answers, replay_delivery, resend_missed

__all__ = [
    "change_endpoint", "create_endpoint", "disable_endpoint", "enable_endpoint", "forget_answers", "ping_endpoint", "read_secret",
    "replay_delivery", "resend_missed", "rotate_secret", "sweep", "work",
]  # fmt: skip
