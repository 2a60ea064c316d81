"""Lists: cursors over an immutable order, filters declared by name, one query a page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit.api.problems import InvalidCursor

LIMIT_DEFAULT = 25
LIMIT_MAX = 100
_MARK = b"c1:"


@dataclass(frozen=True)
class Filter:
    """One query parameter: what it is called, which look-up it becomes, and what it accepts."""

    name: str
    lookup: str
    field: serializers.Field[Any, Any, Any, Any]
    description: str = ""


def instants(name: str, column: str) -> list[Filter]:
    """Return the four comparisons of an instant: name[gt], [gte], [lt], [lte]."""
    return [
        Filter(f"{name}[{op}]", f"{column}__{op}", serializers.DateTimeField(), "ISO 8601") for op in ("gt", "gte", "lt", "lte")
    ]


def encode_cursor(position: int) -> str:
    return base64.urlsafe_b64encode(_MARK + str(position).encode()).decode().rstrip("=")


def decode_cursor(text: str) -> int:
    """Return the position of a cursor; refuses InvalidCursor."""
    try:
        raw = base64.b64decode((text + "=" * (-len(text) % 4)).encode(), altchars=b"-_", validate=True)
        digits = raw.removeprefix(_MARK)
        if not raw.startswith(_MARK) or not digits.isdigit() or len(digits) > 18:
            raise InvalidCursor
        return int(digits)
    except (binascii.Error, UnicodeEncodeError):
        raise InvalidCursor from None


@dataclass(frozen=True)
class Page:
    """What part of which rows the caller asked for."""

    limit: int
    after: int | None
    narrowed: dict[str, Any]

    def of(
        self, rows: QuerySet[Any], columns: Sequence[str], represent: Callable[[tuple[Any, ...]], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return one page of rows, newest first: `represent` turns the values of `columns` (the first is the row id) into an object."""
        if self.after is not None:
            rows = rows.filter(pk__lt=self.after)
        found = list(rows.filter(**self.narrowed).order_by("-pk").values_list(*columns)[: self.limit + 1])
        return self.wrap(
            [represent(row) for row in found[: self.limit]], found[self.limit - 1][0] if len(found) > self.limit else None
        )

    def wrap(self, data: list[dict[str, Any]], next_position: int | None) -> dict[str, Any]:
        """Return the list object; `next_position` is where the next page starts behind, None at the end."""
        more = next_position is not None
        return {
            "data": data,
            "next_cursor": encode_cursor(next_position) if next_position is not None else None,
            "has_more": more,
        }


class _Limit(serializers.IntegerField):
    def __init__(self) -> None:
        super().__init__(min_value=1, max_value=LIMIT_MAX)


def read_page(query: Mapping[str, Any], filters: Sequence[Filter]) -> Page:
    """Read ?limit, ?cursor and the declared filters; unknown, repeated and malformed parameters are refused by name."""
    values = read_query(query, [Filter("limit", "", _Limit()), Filter("cursor", "", serializers.CharField()), *filters])
    limit, cursor = values.pop("limit", LIMIT_DEFAULT), values.pop("cursor", None)
    lookups = {one.name: one.lookup for one in filters}
    return Page(
        limit, None if cursor is None else decode_cursor(cursor), {lookups[name]: value for name, value in values.items()}
    )


def read_query(query: Mapping[str, Any], filters: Sequence[Filter]) -> dict[str, Any]:
    """Return the values of the declared parameters that are there; raises ValidationError with each wrong one."""
    known = {one.name: one for one in filters}
    values: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for name in query:
        given = query.getlist(name)  # type: ignore[attr-defined]
        if name not in known:
            errors[name[:80]] = [serializers.ErrorDetail("There is no such parameter.", "unknown_parameter")]
        elif len(given) > 1:
            errors[name] = [serializers.ErrorDetail("This parameter stands twice.", "repeated_parameter")]
        else:
            try:
                values[name] = known[name].field.run_validation(given[0])
            except serializers.ValidationError as error:
                errors[name] = error.detail
    for name, one in known.items():
        if one.field.required and one.lookup == "required" and name not in query:
            errors[name] = [serializers.ErrorDetail("This parameter is required.", "required")]
    if errors:
        raise serializers.ValidationError(errors)
    return values
