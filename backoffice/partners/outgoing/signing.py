"""Sign messages after Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp and body, one signature for each live secret.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backoffice.kit.api.answers import instant

PREFIX = "whsec_"
SECRET_BYTES = 32
# The shape of the envelope; a change that breaks receivers gets a new one, and endpoints stay on theirs.
VERSION = 1


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, `v1,<base64>`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(live: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers; during a rotation the receiver may verify with either secret."""
    signatures = [sign(secret, message_id=message_id, timestamp=timestamp, body=body) for secret in live]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


def envelope(
    *, event_id: str, event_type: str, subject: str, sequence: int, occurred_at: datetime, livemode: bool, data: dict[str, Any]
) -> bytes:
    """Return the body: the event as /events answers it, with its number among the events of its subject. The same bytes at every attempt."""
    whole = {
        "id": event_id,
        "object": "event",
        "version": VERSION,
        "type": event_type,
        "timestamp": instant(occurred_at),
        "livemode": livemode,
        "subject": subject,
        "sequence": sequence,
        "data": data,
    }
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode()
