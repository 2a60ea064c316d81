"""The door for Stripe's events: verify the bytes, keep them, answer 200. It asks nobody and knows no session.

`Door` stands first among the middleware and answers this one address by itself, so that an event pays for no session, no sign-in and no
page around it. The address stands in the URLs as well, for whoever runs without it.

Under ASGI Django gives every request a thread of its own, and with it a new connection to the database, which costs more than the event. So the
door has a few threads that stay, each with its connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from asgiref.sync import iscoroutinefunction
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
# Each keeps a connection to the database per process; an event holds one for about a millisecond.
THREADS = 4


@csrf_exempt
def stripe(request: HttpRequest) -> HttpResponse:
    """Take one event in: 200 also when it is here already; 400 for what was not signed by a live secret at about this time.

    413 above the size, 404 while no secret is set, 503 when the database is not there: the provider then sends it again.
    """
    if request.method != "POST":
        return _answer(405, "only POST is offered here", Allow="POST")
    if not settings.STRIPE_WEBHOOK_SECRETS:
        return _answer(404, "no endpoint is set up here")
    instant = time.time()
    at = datetime.fromtimestamp(instant, UTC)
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > bodies.BODY_MAX or len(body := request.body) > bodies.BODY_MAX:
            return _answer(413, "the body is too large")
        bodies.verify(body, request.META.get("HTTP_STRIPE_SIGNATURE", ""), settings.STRIPE_WEBHOOK_SECRETS, instant)
        notice = bodies.read(body, livemode=settings.STRIPE_LIVEMODE, account=settings.STRIPE_ACCOUNT)
        _keep(notice, at)
    except bodies.BodyRefused as refused:
        return _refuse(refused.code, at)
    except (RequestDataTooBig, ValueError):
        return _answer(413, "the body is too large")
    except UnreadablePostError:
        return _answer(400, "the body ended early")
    except DatabaseFailed as error:
        logger.error("an event could not be kept: %s", type(error).__name__)
        return _answer(503, "not now")
    return _answer(200, "")


def _keep(notice: Notice, at: datetime) -> None:
    """Take the event in, once more where the connection was kept from before and is gone: kept twice it is kept once."""
    try:
        take_in(provider=PROVIDER, notice=notice, at=at)
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        take_in(provider=PROVIDER, notice=notice, at=at)


def _refuse(code: str, at: datetime) -> HttpResponse:
    """Count a refusal; the answer does not say which check failed."""
    try:
        count_refused(provider=PROVIDER, code=code, at=at)
    except DatabaseFailed:
        logger.warning("a refused event could not be counted")
    return _answer(400, "this is not an event for us")


def _answer(status: int, text: str, **headers: str) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain", headers={"Cache-Control": "no-store", **headers})


@sync_and_async_middleware
def Door(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Answer the door's address before any other middleware runs."""
    if iscoroutinefunction(get_response):
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="door")

        async def opened(request: HttpRequest) -> Any:
            if request.path_info != PATH:
                return await get_response(request)
            return await asyncio.get_running_loop().run_in_executor(threads, _in_own_thread, request)

        return opened

    def answered(request: HttpRequest) -> Any:
        return stripe(request) if request.path_info == PATH else get_response(request)

    return answered


def _in_own_thread(request: HttpRequest) -> HttpResponse:
    """Answer on a connection that stays; a pool gets its own back."""
    answer = stripe(request)
    if answer.status_code == 503 or settings.DATABASES["default"]["OPTIONS"].get("pool"):
        connection.close()
    return answer
