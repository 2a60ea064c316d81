"""Turn every exception into problem+json (RFC 9457): one handler, no trace, no echo of what somebody may not see."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.db import DatabaseError, DataError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions

from backoffice.kit.api.answers import json_response
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.money import MoneyError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "/api/docs/errors/#"
TITLES = {
    400: "The request cannot be read",
    401: "A valid key is needed",
    403: "The key may not do this",
    404: "Not found",
    405: "This method is not offered here",
    406: "This format is not offered here",
    409: "Refused",
    413: "The request is too large",
    415: "This format is not read here",
    422: "The request is not usable",
    429: "Too many requests",
    500: "Something broke on our side",
    503: "Not available now",
}
NOTHING_HERE = "There is nothing here under this address that the key may see."
# Lock not available, deadlock, serialisation: somebody else was faster; the same request may be sent again.
_BUSY = {"55P03", "40P01", "40001"}


class IdempotencyKeyRequired(Refusal):
    code = "idempotency_key_required"
    sentence = "This request needs the header Idempotency-Key, so that it can be repeated without being done twice."
    http_status = 400


class IdempotencyKeyInvalid(Refusal):
    code = "idempotency_key_invalid"
    sentence = "Idempotency-Key is 1 to 200 printable ASCII characters."
    http_status = 400


class InvalidCursor(Refusal):
    code = "invalid_cursor"
    sentence = "The cursor is not one that this list gave out."
    http_status = 400


def problem(
    request: Any,
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    """Return one problem+json answer."""
    content = {
        "type": TYPE_PREFIX + code,
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": errors or [],
        "request_id": getattr(request, "request_id", ""),
    }
    return json_response(content, status, content_type=CONTENT_TYPE, headers=headers)


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Answer an exception of a view; what nobody foresaw is logged and answered as a bare 500."""
    request = context["request"]
    if isinstance(error, Http404 | NotFound | exceptions.NotFound):
        # Always the same words: whether a row exists that belongs to somebody else must not show.
        return problem(request, 404, "not_found", NOTHING_HERE)
    if isinstance(error, Refusal):
        return problem(request, error.http_status, error.code, str(error), errors=_errors_of(error))
    if isinstance(error, MoneyError):
        return problem(request, 422, error.code, error.sentence)
    if isinstance(error, PermissionDenied):
        return problem(request, 403, "permission_denied", "The key may not do this.")
    if isinstance(error, exceptions.APIException):
        return _of_rest_framework(request, error)
    if isinstance(error, DatabaseError | InterfaceError):
        return _of_database(request, error)
    return _unforeseen(request, error)


def _errors_of(refusal: Refusal) -> list[dict[str, str]]:
    name = refusal.facts.get("field")
    return [{"field": str(name), "code": refusal.code, "detail": str(refusal)}] if name else []


def _of_rest_framework(request: Any, error: exceptions.APIException) -> HttpResponse:
    headers: dict[str, str] = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if isinstance(error, exceptions.ValidationError):
        errors = list(_flat(error.detail, ""))
        return problem(request, 422, "invalid_fields", "Some fields are not usable; `errors` names each.", errors=errors)
    code = str(getattr(error.detail, "code", error.default_code))
    if isinstance(error, exceptions.ParseError) and code == "parse_error":
        code = "malformed_json"
    return problem(request, error.status_code, code, str(error.detail), headers=headers)


def _flat(detail: Any, path: str) -> Iterator[dict[str, str]]:
    """Yield one row per wrong field, with its dotted path."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else str(name)
            yield from _flat(inner, f"{path}.{own}" if path and own else path or own)
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            yield from _flat(inner, f"{path}[{number}]" if isinstance(inner, dict) else path)
    else:
        yield {"field": path, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def _of_database(request: Any, error: Exception) -> HttpResponse:
    state = getattr(error.__cause__, "sqlstate", None)
    if state in _BUSY:
        return problem(
            request, 503, "busy", "Somebody else is changing the same rows. Send it again.", headers={"Retry-After": "1"}
        )
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database is not there: %s", type(error).__name__)
        detail = "The database does not answer. Nothing was done; send it again with the same Idempotency-Key."
        return problem(request, 503, "database_unavailable", detail, headers={"Retry-After": "5"})
    if isinstance(error, DataError):
        logger.exception("input reached the database unchecked")
        return problem(request, 422, "value_out_of_range", "A value is outside of what can be stored. Nothing was done.")
    return _unforeseen(request, error)


def _unforeseen(request: Any, error: Exception) -> HttpResponse:
    logger.error("unforeseen error, request %s", getattr(request, "request_id", ""), exc_info=error)
    got_request_exception.send(sender=None, request=getattr(request, "_request", request))
    detail = "It is logged under the request id. Nothing was done; send it again with the same Idempotency-Key."
    return problem(request, 500, "internal_error", detail)
