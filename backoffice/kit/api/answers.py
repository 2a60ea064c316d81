"""Write answers: compact JSON, instants with Z, money as minor units with currency, and the headers every answer of the API has."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

from django.http import HttpResponse

# Nothing of an answer is ever rendered as a page of ours, framed, or kept by a cache.
STRICT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
}


def to_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return instant(value) or ""
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form in this API.")


def json_response(
    value: Any, status: int = 200, *, content_type: str = "application/json", headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return an answer; text that is JSON already is taken as it is, so that a replay is equal to the byte."""
    body = value if isinstance(value, str) else to_json(value)
    return HttpResponse(body, status=status, content_type=content_type, headers=STRICT_HEADERS | (headers or {}))


def instant(at: datetime | None) -> str | None:
    """Return ISO 8601 with Z; the connection's zone is UTC, so stored instants come as UTC."""
    if at is None:
        return None
    text = at.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def day(on: date | None) -> str | None:
    return on.isoformat() if on else None


def money(amount_minor: int, currency: str) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": currency}
