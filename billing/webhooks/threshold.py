"""The door under ASGI: before Django, on threads that stay.

Django's ASGI handler gives every request threads of its own, and with them a new connection to the database: for an event of two kilobytes both
cost more than keeping it. So this one address is answered here, by the same checks, on a few threads that each keep their connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import connection

from billing.webhooks import bodies
from billing.webhooks.door import PATH, Answer, answer, before_reading, headers

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
# Each keeps a connection to the database per process; an event holds one for about a millisecond.
THREADS = 4


def before(inner: App) -> App:
    """Return an application that answers the door's address and leaves everything else to `inner`."""
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="door")

    async def opened(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await inner(scope, receive, send)
            return
        given = {name: value.decode("latin-1") for name, value in scope["headers"]}
        length = given.get(b"content-length", "0")
        found = before_reading(scope["method"], int(length) if length.isascii() and length.isdigit() else 0)
        if found is None:
            body = await _body(receive)
            if body is None:
                return
            found = await asyncio.get_running_loop().run_in_executor(
                threads, _in_thread, body, given.get(b"stripe-signature", "")
            )
        await _send(found, send)

    return opened


async def _body(receive: Any) -> bytes | None:
    """Return the body, cut off behind the size that is too large; None where the sender is gone."""
    parts, size, more = [], 0, True
    while more and size <= bodies.BODY_MAX:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
    return b"".join(parts)


def _in_thread(body: bytes, signature: str) -> Answer:
    """Answer on a connection that stays; a broken one is left, and a pool gets its own back."""
    found = answer(body, signature)
    if found[0] == 503 or settings.DATABASES["default"]["OPTIONS"].get("pool"):
        connection.close()
    return found


async def _send(found: Answer, send: Any) -> None:
    status, text = found
    body = text.encode()
    told = {"Content-Type": "text/plain", "Content-Length": str(len(body))} | headers(status)
    head = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
