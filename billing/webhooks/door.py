"""The door for Stripe's events: verify the bytes, keep them, answer 200. It asks nobody and knows no session.

`Door` stands first among the middleware and answers this one address by itself, so that an event pays for no session, no sign-in and no
page around it. The address stands in the URLs as well, for whoever runs without it.
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
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.decorators import sync_and_async_middleware
from django.views.decorators.csrf import csrf_exempt

from billing.webhooks import bodies
from billing.webhooks.receiving import count_refused, take_in

logger = logging.getLogger(__name__)
PATH = "/webhooks/stripe/"
PROVIDER = "stripe"


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
        take_in(provider=PROVIDER, notice=notice, at=at)
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
        in_thread = sync_to_async(stripe, thread_sensitive=True)

        async def opened(request: HttpRequest) -> Any:
            return await in_thread(request) if request.path_info == PATH else await get_response(request)

        return opened

    def answered(request: HttpRequest) -> Any:
        return stripe(request) if request.path_info == PATH else get_response(request)

    return answered
