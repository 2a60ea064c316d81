"""Bodies of events: whose signature held, what they are about, and how they are kept. Pure; microseconds, because it runs at the door.

The signature is Stripe's v1: HMAC-SHA256 over `timestamp.body`, any of several. The SDK's own check looks only for the past; a header from the
future would be good forever, so both bounds are ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from billing.gateways.port import Notice, NoticeRefused

TOLERANCE_SECONDS = 300
BODY_MAX = 512 * 1024
SIGNATURES_MAX = 8


class BodyRefused(NoticeRefused):
    """Why a body is not taken in; `code` is counted."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def verify(body: bytes, header: str, secrets: Sequence[str], now: float, tolerance: int = TOLERANCE_SECONDS) -> None:
    """Return if one of the secrets signed this body at about this time; raises BodyRefused (bad_signature, too_old, too_new)."""
    stamp, signatures = "", []
    for part in header.split(",", SIGNATURES_MAX + 1):
        name, _, value = part.strip().partition("=")
        if name == "t":
            stamp = value
        elif name == "v1":
            signatures.append(value)
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12 or not 0 < len(signatures) <= SIGNATURES_MAX:
        raise BodyRefused("bad_signature")
    signed = stamp.encode() + b"." + body
    for secret in secrets:
        good = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        if any(one.isascii() and hmac.compare_digest(good, one) for one in signatures):
            break
    else:
        raise BodyRefused("bad_signature")
    age = now - int(stamp)
    if age > tolerance:
        raise BodyRefused("too_old")
    if age < -tolerance:
        raise BodyRefused("too_new")


def read(body: bytes, *, livemode: bool, account: str = "") -> Notice:
    """Return what storing needs of an event; raises BodyRefused (unreadable, other_mode, other_account)."""
    try:
        given = json.loads(body.decode())
        about = given["data"]["object"]
        found = Notice(
            event_ref=_text(given["id"]), type=_text(given["type"], 80), object_ref=_text(about.get("id") or given["id"]),
            account=_text(given.get("account") or "-", 60).removeprefix("-"), livemode=given["livemode"],
            api_version=_text(given.get("api_version") or "-", 40).removeprefix("-"),
            created_at=datetime.fromtimestamp(_instant(given["created"]), UTC), raw=body,
        )  # fmt: skip
    except (UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BodyRefused("unreadable") from None
    if found.livemode is not livemode:
        raise BodyRefused("other_mode")
    if account and found.account not in ("", account):
        raise BodyRefused("other_account")
    return found


def _text(value: Any, most: int = 120) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        raise ValueError
    return value


def _instant(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 7_258_118_400:
        raise ValueError
    return value


_KINDS = (
    ("charge.dispute.", "dispute"),
    ("radar.early_fraud_warning.", "early_fraud_warning"),
    ("charge.refund.", "refund"),
    ("refund.", "refund"),
    ("payment_intent.", "payment"),
    ("checkout.session.", "card_setup"),
    ("setup_intent.", "setup"),
    ("payout.", "payout"),
)


def kind_of(event_type: str) -> str:
    """Return which object's state an event is about; '' for what concerns nobody here (charge.* repeats what payment_intent.* and refund.* say)."""
    return next((kind for prefix, kind in _KINDS if event_type.startswith(prefix)), "")


def pack(body: bytes) -> str:
    """Return a body as text half its size, lossless: sealing makes it longer again, and rows below two kilobytes stay in one piece."""
    return base64.b64encode(zlib.compress(body, 1)).decode()


def unpack(text: str) -> bytes:
    """Return the body again, byte for byte."""
    return zlib.decompress(base64.b64decode(text)) if text else b""


def sign(body: bytes, secret: str, at: int) -> str:
    """Return the header a provider with this secret would send."""
    return f"t={at},v1={hmac.new(secret.encode(), f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"
