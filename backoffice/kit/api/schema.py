"""Describe each method in OpenAPI from its declaration: parameters, examples of the call, of its answer and of each error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from backoffice.kit.api.fields import ProblemOut
from backoffice.kit.api.lists import LIMIT_MAX, Filter
from backoffice.kit.api.problems import CONTENT_TYPE, NOTHING_HERE, TITLES, TYPE_PREFIX

_TYPES: dict[type, Any] = {
    serializers.DateTimeField: OpenApiTypes.DATETIME,
    serializers.DateField: OpenApiTypes.DATE,
    serializers.IntegerField: OpenApiTypes.INT,
    serializers.BooleanField: OpenApiTypes.BOOL,
}


# Code → status and sentence of every refusal that some call declares; the list of error codes is made of it.
DECLARED: dict[str, tuple[int, str]] = {}


class Described(AutoSchema):
    """Components named for what they are: SellerOut is Seller, SellerIn is SellerRequest."""

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        name = serializer.__class__.__name__
        return name.removesuffix("Out") if direction == "response" else name.removesuffix("In")


IDEMPOTENCY_KEY = "The same key with the same body answers the same again and does nothing twice; 1 to 200 printable characters."


def describe(
    method: Callable[..., Any],
    operation: str,
    *,
    answers: Any,
    example: Any,
    filters: Sequence[Filter] = (),
    paged: bool = False,
    takes: Any = None,
    example_in: Any = None,
    status: int = 200,
    needs_key: bool | None = None,
    refusals: Sequence[str] = (),
    more_answers: dict[Any, Any] | None = None,
    tag: str | None = None,
    addressed: bool | None = None,
) -> Callable[..., Any]:
    """Attach the description; `refusals` are the domain's codes a caller may meet here, as 'code:status:sentence'."""
    parameters = _parameters(filters, paged)
    if needs_key is not None:
        parameters.append(OpenApiParameter("Idempotency-Key", str, "header", required=needs_key, description=IDEMPOTENCY_KEY))
    shown = {"data": [example], "next_cursor": None, "has_more": False} if paged else example
    answer = page_of(answers) if paged else answers
    success: dict[Any, Any] = {
        status: OpenApiResponse(
            answer,
            description="Done." if takes else "Found.",
            examples=[OpenApiExample("Answer", value=shown, response_only=True)],
        )
    }
    if takes is not None and example_in is None:
        raise TypeError(f"{operation}: every call has an example.")
    examples_in = (
        example_in if isinstance(example_in, dict) and "__examples__" in example_in else {"__examples__": {"Call": example_in}}
    )
    return extend_schema(  # type: ignore[no-any-return]
        operation_id=operation,
        tags=[tag] if tag else None,
        parameters=parameters,
        request=takes if takes is not None else None,
        responses=(
            {(status, "application/json"): success[status]}
            if any(isinstance(at, tuple) for at in more_answers or {})
            else success
        )
        | (more_answers or {})
        | _errors(takes is not None, bool(parameters), refusals),
        examples=[OpenApiExample(name, value=value, request_only=True) for name, value in examples_in["__examples__"].items()]
        if takes is not None
        else None,
    )(method)


def page_of(serializer: Any) -> Any:
    """Return the list object of a serializer, named once per component."""
    name = serializer.__name__.removesuffix("Out") + "List"
    fields = {
        "data": serializer(many=True),
        "next_cursor": serializers.CharField(allow_null=True),
        "has_more": serializers.BooleanField(),
    }
    return inline_serializer(name, fields)


def _parameters(filters: Sequence[Filter], paged: bool) -> list[OpenApiParameter]:
    found = []
    if paged:
        limit = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 25}
        found.append(OpenApiParameter("limit", limit, "query", description="Rows a page."))
        found.append(OpenApiParameter("cursor", str, "query", description="`next_cursor` of the page before, as it came."))
    for one in filters:
        choices = list(getattr(one.field, "choices", [])) or None
        kind = next((shown for field, shown in _TYPES.items() if isinstance(one.field, field)), OpenApiTypes.STR)
        found.append(
            OpenApiParameter(
                one.name, kind, "query", required=one.lookup == "required", enum=choices, description=one.description
            )
        )
    return found


def _errors(writes: bool, has_input: bool, refusals: Sequence[str]) -> dict[Any, Any]:
    """Return the errors of one call, each with its example."""
    found: dict[int, list[tuple[str, str]]] = {
        401: [("invalid_key", "The key is missing, unknown, expired or revoked.")],
        403: [("insufficient_scope", "This needs a key with the scope payouts:read.")],
        404: [("not_found", NOTHING_HERE)],
        429: [("too_many_requests", "The key's budget is used up. Try again in 2 seconds.")],
        500: [
            (
                "internal_error",
                "It is logged under the request id. Nothing was done; send it again with the same Idempotency-Key.",
            )
        ],
        503: [("busy", "Somebody else is changing the same rows. Send it again.")],
    }
    if has_input and not writes:
        found[400] = [("invalid_cursor", "The cursor is not one that this list gave out.")]
        found[422] = [("invalid_fields", "Some fields are not usable; `errors` names each.")]
    if writes:
        found[400] = [("malformed_json", "The body is not JSON: Expecting value, line 1 column 1.")]
        found[413] = [("body_too_large", "The body is larger than 2048 kB. Send it in parts.")]
        found[415] = [("unsupported_media_type", "Unsupported media type in request.")]
        found[422] = [("invalid_fields", "Some fields are not usable; `errors` names each.")]
        found[422].append(
            ("idempotency_key_reused", "The key was used before for something else. Use a new key for a new request.")
        )
    for refusal in refusals:
        code, status, sentence = refusal.split(":", 2)
        found.setdefault(int(status), []).append((code, sentence))
        DECLARED.setdefault(code, (int(status), sentence))
    return {
        (status, CONTENT_TYPE): OpenApiResponse(
            ProblemOut,
            description=TITLES[status] + ".",
            examples=[_problem_example(status, code, detail) for code, detail in rows],
        )
        for status, rows in sorted(found.items())
    }


def _problem_example(status: int, code: str, detail: str) -> OpenApiExample:
    errors = (
        [{"field": "currency", "code": "invalid_choice", "detail": '"XXX" is not a valid choice.'}]
        if code == "invalid_fields"
        else []
    )
    return OpenApiExample(
        code,
        value={
            "type": TYPE_PREFIX + code,
            "title": TITLES[status],
            "status": status,
            "detail": detail,
            "code": code,
            "errors": errors,
            "request_id": "req_01jd3k5m6n7p8q9r0s1t2v3w4x",
        },
        response_only=True,
        status_codes=[str(status)],
    )
