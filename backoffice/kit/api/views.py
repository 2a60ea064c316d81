"""Views: each method is one question or one verb, declared with its scope, its input and its answer.

    class Sellers(ApiView):
        @listing(operation="list_sellers", scope="sellers:read", answers=SellerOut, filters=FILTERS, example=EXAMPLE)
        def get(self, request, page): ...

        @verb(operation="create_seller", scope="sellers:write", takes=SellerIn, answers=SellerOut, ...)
        def post(self, request, given, call): ...

A method without a declaration has no scope, and a request without a scope is refused.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.views import APIView

from backoffice.kit import clock
from backoffice.kit.actors import Actor
from backoffice.kit.api.answers import STRICT_HEADERS, json_response, to_json
from backoffice.kit.api.lists import Filter, read_page, read_query
from backoffice.kit.api.problems import IdempotencyKeyInvalid, IdempotencyKeyRequired
from backoffice.kit.api.schema import describe
from backoffice.kit.idempotency import recall

Handler = Callable[..., Any]
SCOPE_MAX = 120


class ApiView(APIView):
    """The base of every view of the API. OPTIONS is not offered: the description is /api/v1/openapi.json."""

    http_method_names = ["get", "head", "post", "patch", "put", "delete"]
    metadata_class = None

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in (STRICT_HEADERS | getattr(request, "limit_headers", {})).items():
            response.headers.setdefault(name, value)
        return response


class NotHere(ApiView):
    """Every address of the API that is no route, in the API's own words and behind its key."""

    schema = None

    def check_permissions(self, request: Any) -> None:
        from rest_framework.exceptions import NotFound

        if not request.user:
            self.permission_denied(request)
        raise NotFound


@dataclass(frozen=True)
class Call:
    """What a view hands to a verb: who, when, and the key that makes the verb's effect single."""

    actor: Actor
    at: datetime
    key: str


def question(
    *,
    operation: str,
    scope: str,
    answers: Any,
    example: Any,
    filters: Sequence[Filter] = (),
    refusals: Sequence[str] = (),
    **more: Any,
) -> Callable[[Handler], Handler]:
    """Declare a method that answers one thing; `filters` are its query parameters, given as `asked` where there are any."""

    def declare(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def method(view: ApiView, request: Any, **ids: Any) -> HttpResponse:
            asked = read_query(request.query_params, filters)
            found = handler(view, request, **ids, **({"asked": asked} if filters else {}))
            return found if isinstance(found, HttpResponse) else json_response(found)

        method.scope = scope  # type: ignore[attr-defined]
        return describe(method, operation, answers=answers, example=example, filters=filters, refusals=refusals, **more)

    return declare


def listing(
    *, operation: str, scope: str, answers: Any, example: Any, filters: Sequence[Filter] = (), **more: Any
) -> Callable[[Handler], Handler]:
    """Declare a method that answers one page; it is given `page`."""

    def declare(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def method(view: ApiView, request: Any, **ids: Any) -> HttpResponse:
            return json_response(handler(view, request, page=read_page(request.query_params, filters), **ids))

        method.scope = scope  # type: ignore[attr-defined]
        return describe(method, operation, answers=answers, example=example, filters=filters, paged=True, **more)

    return declare


def verb(
    *,
    operation: str,
    scope: str,
    takes: Any,
    answers: Any,
    example_in: Any,
    example: Any,
    status: int = 201,
    needs_key: bool = True,
    refusals: Sequence[str] = (),
    **more: Any,
) -> Callable[[Handler], Handler]:
    """Declare a method that does one thing, in one transaction with the memory of its Idempotency-Key.

    The handler is given the validated input and a Call, and answers the object, or (status, object). `takes` may be a function of
    the raw body instead of a serializer, where a serializer for each item would be too slow. A refusal leaves no memory: it changed nothing, and
    the same key may be sent again once its reason is gone.
    """

    def declare(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def method(view: ApiView, request: Any, **ids: Any) -> HttpResponse:
            read_query(request.query_params, ())
            key = _key_of(request, needs_key)
            given = _read(takes, request.data)
            return _once(request, key, lambda call: handler(view, request, given=given, call=call, **ids), status)

        method.scope = scope  # type: ignore[attr-defined]
        shown = more.pop("takes_schema", takes)
        return describe(
            method, operation, answers=answers, example=example, takes=shown, example_in=example_in, status=status,
            needs_key=needs_key, refusals=refusals, **more,
        )  # fmt: skip

    return declare


def _read(takes: Any, body: Any) -> Any:
    if not (isinstance(takes, type) and issubclass(takes, serializers.BaseSerializer)):
        return takes(body)
    if not isinstance(body, dict):
        raise ValidationError({"": [serializers.ErrorDetail("The body is one JSON object.", "not_an_object")]})
    serializer = takes(data=body)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _key_of(request: Any, needed: bool) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        if needed:
            raise IdempotencyKeyRequired
        return None
    if not 1 <= len(key) <= 200 or not key.isascii() or not key.isprintable():
        raise IdempotencyKeyInvalid
    return str(key)


def _once(request: Any, key: str | None, act: Callable[[Call], Any], status: int) -> HttpResponse:
    """Act and remember the answer, or give the remembered one; scope of a key: partner, method and path."""
    at = clock.now()
    if key is None:
        with transaction.atomic():
            code, body = _answer(act(Call(request.user.actor, at, "")), status)
        return json_response(body, code)
    scope = _scope_of(f"{request.user.public_id} {request.method} {request.path}")
    with transaction.atomic():
        memory = recall(scope=scope, key=key, content=request.data)
        if memory.outcome is not None:
            return json_response(memory.outcome["body"], memory.outcome["status"], headers={"Idempotent-Replayed": "true"})
        inner = "api:" + hashlib.sha256(f"{scope} {key}".encode()).hexdigest()
        code, body = _answer(act(Call(request.user.actor, at, inner)), status)
        memory.keep({"status": code, "body": body})
    return json_response(body, code)


def _scope_of(named: str) -> str:
    """Return the scope as it is stored: an address with two ids in it is longer than its column, and goes by its hash."""
    if len(named) <= SCOPE_MAX:
        return named
    return f"{named[:50]}~{hashlib.sha256(named.encode()).hexdigest()}"


def _answer(found: Any, status: int) -> tuple[int, str]:
    code, value = found if isinstance(found, tuple) else (status, found)
    return code, to_json(value)
