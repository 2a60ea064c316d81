"""Read a JSON body strictly: what two readers could understand differently is refused, not guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

BODY_MAX_BYTES = 2 * 1024 * 1024
DEPTH_MAX = 8


class BodyTooLarge(APIException):
    status_code = 413
    default_code = "body_too_large"

    def __init__(self, most: int = BODY_MAX_BYTES) -> None:
        super().__init__(f"The body is larger than {most // 1024} kB. Send it in parts.")


class StrictJSONParser(BaseParser):
    """Parse a JSON object or array; refuse duplicate names, NaN, Infinity, every fraction, deep nesting and unstorable text."""

    media_type = "application/json"
    bytes_max = BODY_MAX_BYTES

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        body = stream.read(self.bytes_max + 1)
        if len(body) > self.bytes_max:
            raise BodyTooLarge(self.bytes_max)
        return parse_json(body)


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text; raises ParseError with a code that names what is wrong."""
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object, parse_float=_no_fraction, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise ParseError("The body is not UTF-8.", "malformed_json") from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise ParseError(
            f"The body is not JSON: {error.msg}, line {error.lineno} column {error.colno}.", "malformed_json"
        ) from None
    except ValueError:
        # Python refuses to read whole numbers of more than some thousand digits.
        raise ParseError("The body holds a number that is too long.", "malformed_json") from None
    if body.count(b"{") + body.count(b"[") > DEPTH_MAX:
        _check_depth(value)
    if "\\u" in text:
        _check_text(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(f"The name {twice[:60]!r} stands twice in one object.", "duplicate_name")
    return found


def _no_fraction(text: str) -> NoReturn:
    raise ParseError(
        f"{text[:30]} is not a whole number. Amounts are whole minor units, such as 9504 for 95.04 EUR.", "fraction_refused"
    )


def _no_constant(text: str) -> NoReturn:
    raise ParseError(f"{text} is not JSON.", "malformed_json")


def _too_deep() -> ParseError:
    return ParseError(f"The body is nested more than {DEPTH_MAX} levels deep.", "too_deep")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _check_text(value: Any) -> None:
    """Refuse what JSON can escape and the database cannot store: NUL, and half of a surrogate pair."""
    written = json.dumps(value, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:
        raise ParseError("The body holds half of a surrogate pair.", "unstorable_text") from None
    if "\\u0000" in written.replace("\\\\", ""):
        raise ParseError("The body holds the character NUL.", "unstorable_text")
