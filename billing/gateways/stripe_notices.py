"""Events of Stripe: the signature over the raw bytes, and the few fields that storing an event needs.

Source: Stripe, "Verify webhook signatures manually": v1 = HMAC-SHA256(secret, "<t>.<body>"). The tolerance is ours, and counts both ways.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from billing.gateways.port import Notice, NoticeRefused

TOLERANCE_SECONDS = 300


def verify(body: bytes, signature: str, secrets: tuple[str, ...], at: datetime) -> Notice:
    """Return the event of these bytes. Raises NoticeRefused: unsigned, wrongly signed, too old, too new, or unreadable."""
    stamp, given = _parts(signature)
    if abs(at.timestamp() - stamp) > TOLERANCE_SECONDS:
        raise NoticeRefused("The signature is too old or from the future.")
    signed = str(stamp).encode() + b"." + body
    for secret in secrets:
        wanted = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        if any(hmac.compare_digest(wanted, one) for one in given):
            return _read(body)
    raise NoticeRefused("No live secret made this signature.")


def notice_of(event: dict[str, Any]) -> Notice:
    """Return the notice of an event that came by a list; its bytes are the canonical JSON of it."""
    return _notice(event, json.dumps(event, separators=(",", ":"), sort_keys=True, default=str).encode())


def _parts(signature: str) -> tuple[int, list[str]]:
    stamp, given = 0, []
    for part in signature.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isascii() and value.isdigit() and len(value) < 13:
            stamp = int(value)
        elif name == "v1" and value.isascii():
            given.append(value)
    if not stamp or not given:
        raise NoticeRefused("The signature is missing or unreadable.")
    return stamp, given


def _read(body: bytes) -> Notice:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise NoticeRefused("The body is not JSON.") from None
    if not isinstance(event, dict):
        raise NoticeRefused("The body is not an event.")
    return _notice(event, body)


def _notice(event: dict[str, Any], raw: bytes) -> Notice:
    try:
        inner = event["data"]["object"]
        return Notice(
            event_ref=str(event["id"]),
            type=str(event["type"]),
            object_ref=str(inner.get("id") or ""),
            account=str(event.get("account") or ""),
            livemode=bool(event["livemode"]),
            api_version=str(event.get("api_version") or ""),
            created_at=datetime.fromtimestamp(int(event["created"]), UTC),
            raw=raw,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        raise NoticeRefused("The event lacks what every event has.") from None
