"""Publish the description: openapi.json, a page to read it on, and the list of error codes. Public, and without any data.

The page runs under a policy that allows scripts of our own origin only; Swagger UI comes with the sidecar package, its start script from here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from backoffice.kit.api import problems
from backoffice.kit.api.schema import DECLARED
from backoffice.kit.errors import Refusal

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_SIDECAR = "drf_spectacular_sidecar/swagger-ui-dist/"


@lru_cache(maxsize=1)
def description() -> bytes:
    """Return the OpenAPI document; it changes with the code only, so each process makes it once."""
    return json.dumps(SchemaGenerator().get_schema(request=None, public=True), ensure_ascii=False).encode()  # type: ignore[no-untyped-call]


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    headers = {"Cache-Control": "public, max-age=300", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
    return HttpResponse(description(), content_type="application/vnd.oai.openapi+json", headers=headers)


@require_safe
def swagger(request: HttpRequest) -> HttpResponse:
    names = {"css": "swagger-ui.css", "bundle": "swagger-ui-bundle.js", "favicon": "favicon-32x32.png"}
    return _page(request, "api/docs.html", {name: static(_SIDECAR + file) for name, file in names.items()})


@require_safe
def errors(request: HttpRequest, rooms: Sequence[str]) -> HttpResponse:
    """List the codes; `rooms` are the packages whose refusals a caller of the API can meet."""
    return _page(request, "api/errors.html", {"codes": error_codes(rooms), "favicon": static(_SIDECAR + "favicon-32x32.png")})


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    response = render(request, template, context)
    response["Content-Security-Policy"] = PAGE_POLICY
    return response


def error_codes(rooms: Sequence[str]) -> list[dict[str, Any]]:
    """Return every code a caller may meet, with its status and sentence, in alphabetical order."""
    found = {code: (status, sentence) for code, status, sentence in _GENERAL} | DECLARED
    waiting: list[type[Refusal]] = [Refusal]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith(tuple(rooms)) and "sentence" in vars(kind):
            found[kind.code] = (kind.http_status, kind.sentence)
    return [{"code": code, "status": found[code][0], "sentence": found[code][1]} for code in sorted(found)]


_GENERAL = [
    ("malformed_json", 400, "The body is not JSON."),
    ("duplicate_name", 400, "A name stands twice in one object."),
    ("fraction_refused", 400, "A number is not whole. Amounts are whole minor units."),
    ("too_deep", 400, "The body is nested too deeply."),
    ("unstorable_text", 400, "The body holds NUL or half of a surrogate pair."),
    ("invalid_key", 401, "The key is missing, unknown, expired or revoked."),
    ("not_authenticated", 401, "The key is missing."),
    ("insufficient_scope", 403, "The key lacks the scope named in `detail`."),
    ("not_found", 404, problems.NOTHING_HERE),
    ("method_not_allowed", 405, "This method is not offered here."),
    ("not_acceptable", 406, "The format asked for in Accept is not offered here."),
    ("body_too_large", 413, "The body is too large. Send it in parts."),
    ("unsupported_media_type", 415, "Send application/json."),
    ("invalid_fields", 422, "Some fields are not usable; `errors` names each."),
    ("too_many_requests", 429, "The key's budget is used up; Retry-After says when there is more."),
    ("internal_error", 500, "Something broke on our side; it is logged under the request id."),
    ("busy", 503, "Somebody else is changing the same rows. Send it again."),
    ("database_unavailable", 503, "The database does not answer. Nothing was done."),
    ("limiter_unavailable", 503, "The rate limiter does not answer, and nothing is written without it."),
]
