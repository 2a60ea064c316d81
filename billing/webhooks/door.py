"""The door for Stripe's events: verify the bytes, keep them, answer 200. It asks nobody and knows no session.

`Door` stands first among the middleware and answers this one address by itself, so that an event pays for no session, no sign-in and no
page around it. The address stands in the URLs as well, for whoever runs without it. Under ASGI the door stands before Django (threshold.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseFailed
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.decorators import sync_and_async_middleware
from django.views.decorators.csrf import csrf_exempt

from billing.gateways.port import Notice
from billing.webhooks import bodies
from billing.webhooks.receiving import count_refused, take_in

logger = logging.getLogger(__name__)
PATH = "/webhooks/stripe/"
PROVIDER = "stripe"
Answer = tuple[int, str]
TOO_LARGE: Answer = (413, "the body is too large")


@csrf_exempt
def stripe(request: HttpRequest) -> HttpResponse:
    """Take one event in: 200 also when it is here already; 400 for what was not signed by a live secret at about this time.

    413 above the size, 404 while no secret is set, 503 when the database is not there: the provider then sends it again.
    """
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        status, text = before_reading(request.method or "", length) or answer(
            request.body, request.META.get("HTTP_STRIPE_SIGNATURE", "")
        )
    except (RequestDataTooBig, ValueError):
        status, text = TOO_LARGE
    except UnreadablePostError:
        status, text = 400, "the body ended early"
    return HttpResponse(text, status=status, content_type="text/plain", headers=headers(status))


def before_reading(method: str, length: int) -> Answer | None:
    """Return the answer to what need not be read, None where the body decides."""
    if method != "POST":
        return 405, "only POST is offered here"
    if not settings.STRIPE_WEBHOOK_SECRETS:
        return 404, "no endpoint is set up here"
    return TOO_LARGE if length > bodies.BODY_MAX else None


def answer(body: bytes, signature: str) -> Answer:
    """Keep the event if it is one for us; return status and text."""
    instant = time.time()
    at = datetime.fromtimestamp(instant, UTC)
    if len(body) > bodies.BODY_MAX:
        return TOO_LARGE
    try:
        bodies.verify(body, signature, settings.STRIPE_WEBHOOK_SECRETS, instant)
        notice = bodies.read(body, livemode=settings.STRIPE_LIVEMODE, account=settings.STRIPE_ACCOUNT)
        _keep(notice, at)
    except bodies.BodyRefused as refused:
        return _refuse(refused.code, at)
    except DatabaseFailed as error:
        logger.error("an event could not be kept: %s", type(error).__name__)
        return 503, "not now"
    return 200, ""


def headers(status: int) -> dict[str, str]:
    return {"Cache-Control": "no-store"} | ({"Allow": "POST"} if status == 405 else {})


def _keep(notice: Notice, at: datetime) -> None:
    """Take the event in, once more where the connection was kept from before and is gone: kept twice it is kept once."""
    try:
        take_in(provider=PROVIDER, notice=notice, at=at)
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        take_in(provider=PROVIDER, notice=notice, at=at)


def _refuse(code: str, at: datetime) -> Answer:
    """Count a refusal; the answer does not say which check failed."""
    try:
        count_refused(provider=PROVIDER, code=code, at=at)
    except DatabaseFailed:
        logger.warning("a refused event could not be counted")
    return 400, "this is not an event for us"


@sync_and_async_middleware
def Door(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Answer the door's address before any other middleware runs."""
    if iscoroutinefunction(get_response):
        in_thread = sync_to_async(stripe, thread_sensitive=True)

        async def opened(request: HttpRequest) -> Any:
            return await in_thread(request) if request.path_info == PATH else await get_response(request)

        return opened

    def answered(request: HttpRequest) -> Any:
        return stripe(request) if request.path_info == PATH else get_response(request)

    return answered
