"""VIES, the Commission's look-up of VAT numbers, over its REST interface.

Source: https://ec.europa.eu/taxation_customs/vies/#/technical-information. National registers are often away; that is "not checked".
"""

from __future__ import annotations

import logging
from typing import Any

import requests
from django.conf import settings

logger = logging.getLogger(__name__)
ANSWER_MAX_BYTES = 64 * 1024
# what the service says when it could not ask the national register
_AWAY = {"MS_UNAVAILABLE", "SERVICE_UNAVAILABLE", "TIMEOUT", "MS_MAX_CONCURRENT_REQ", "GLOBAL_MAX_CONCURRENT_REQ"}


def look_up(*, number: str, requester: str) -> tuple[str, str, dict[str, Any]]:
    """Return (valid | invalid | not_checked, why, facts) for a number with its country in front. Never raises for what the service may do."""
    body = {"countryCode": number[:2], "vatNumber": number[2:]}
    if requester:
        body |= {"requesterMemberStateCode": requester[:2], "requesterNumber": requester[2:]}
    address = f"{settings.VIES_URL.rstrip('/')}/check-vat-number"
    try:
        with requests.post(
            address, json=body, timeout=settings.VIES_TIMEOUT_SECONDS, allow_redirects=False, stream=True
        ) as response:
            if response.status_code != 200:
                return "not_checked", f"VIES answered {response.status_code}.", {}
            content = response.raw.read(ANSWER_MAX_BYTES + 1, decode_content=True)
        return _read(content)
    except requests.RequestException as problem:
        logger.warning("VIES: %s", type(problem).__name__)
        return "not_checked", "VIES could not be reached.", {}


def _read(content: bytes) -> tuple[str, str, dict[str, Any]]:
    import json

    try:
        answer = json.loads(content[:ANSWER_MAX_BYTES])
        if answer.get("actionSucceed") is False or answer.get("userError") in _AWAY:
            return "not_checked", "The national register was not available.", {}
        facts = {"consultation": str(answer.get("requestIdentifier") or ""), "asked": str(answer.get("requestDate") or "")}
        if not isinstance(answer.get("valid"), bool):
            return "not_checked", "VIES answered something else than yes or no.", {}
        return ("valid" if answer["valid"] else "invalid"), "", facts
    except (ValueError, AttributeError):
        return "not_checked", "VIES answered something unreadable.", {}
