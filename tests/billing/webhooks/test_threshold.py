"""The door under ASGI: the same answers as under WSGI, and everything else goes on to Django."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from billing.webhooks import bodies, door, threshold
from tests.factories.notices import SECRET


@pytest.fixture(autouse=True)
def endpoint(settings: Any) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]


def asked(path: str = door.PATH, method: str = "POST", parts: tuple[bytes, ...] = (b"",), **headers: str) -> tuple[Any, Any, str]:
    """Return (status, headers, text) of the door, or what Django would have been asked."""
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def django(scope: dict[str, Any], receive: Any, send: Any) -> None:
        sent.append({"status": "django", "headers": [], "body": b""})

    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": named}
    asyncio.run(threshold.before(django)(scope, receive, send))
    return sent[0].get("status"), dict(sent[0]["headers"]), sent[-1].get("body", b"").decode()


def test_only_its_own_address_is_answered_and_the_rest_goes_on() -> None:
    assert asked("/admin/")[0] == "django"
    status, headers, text = asked(method="GET")
    assert (status, headers[b"allow"], headers[b"cache-control"], text) == (
        405,
        b"POST",
        b"no-store",
        "only POST is offered here",
    )


def test_without_a_secret_or_above_the_size_nothing_is_asked_of_the_database(settings: Any) -> None:
    assert asked(content_length=str(bodies.BODY_MAX + 1))[0] == 413
    assert asked(content_length="one", parts=(b"x" * bodies.BODY_MAX, b"y"))[0] == 413
    settings.STRIPE_WEBHOOK_SECRETS = []
    assert asked()[0] == 404


def test_a_body_in_parts_is_put_together_and_answered_on_a_thread_that_stays(monkeypatch: Any) -> None:
    seen: list[tuple[bytes, str, str]] = []

    def heard(body: bytes, signature: str) -> door.Answer:
        seen.append((body, signature, threading.current_thread().name))
        return 200, ""

    monkeypatch.setattr(threshold, "answer", heard)
    assert asked(parts=(b"one ", b"two"), stripe_signature="t=1,v1=é")[0] == 200
    assert seen[0][:2] == (b"one two", "t=1,v1=é") and seen[0][2].startswith("door")
