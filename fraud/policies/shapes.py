"""What a policy's content must look like, as data: each kind declares its keys, and a wrong one is named with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from backoffice.kit.errors import InputError
from backoffice.kit.money import Money, MoneyError

Shape = Callable[[str, Any], None]
TEXT_MAX = 200


class FraudPolicyInvalid(InputError):
    code = "fraud_policy_invalid"
    sentence = "At {place}: {detail}"


def whole(low: int, high: int) -> Shape:
    """A whole number between two."""

    def check(place: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise FraudPolicyInvalid(place=place, detail=f"give a whole number from {low} to {high}.")

    return check


def by_currency(inner: Shape) -> Shape:
    """An object of currency codes."""

    def check(place: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise FraudPolicyInvalid(place=place, detail='give an object such as {"EUR": …}.')
        for currency, one in value.items():
            try:
                Money(0, currency)
            except MoneyError:
                raise FraudPolicyInvalid(place=f"{place}.{currency}", detail="this is no currency we know.") from None
            inner(f"{place}.{currency}", one)

    return check


def keys(**shapes: Shape) -> Shape:
    """An object with exactly these keys."""

    def check(place: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise FraudPolicyInvalid(place=place or "the top", detail=f"give an object with {', '.join(shapes)}.")
        for name in value:
            if name not in shapes:
                raise FraudPolicyInvalid(place=f"{place}.{name}".lstrip("."), detail=f"only {', '.join(shapes)} are known here.")
        for name, shape in shapes.items():
            if name not in value:
                raise FraudPolicyInvalid(place=f"{place}.{name}".lstrip("."), detail="this is missing.")
            shape(f"{place}.{name}".lstrip("."), value[name])

    return check


def some_of(known: Mapping[str, str]) -> Shape:
    """A list out of known words, without repeats."""

    def check(place: str, value: Any) -> None:
        if not isinstance(value, list) or len(set(map(str, value))) != len(value) or any(one not in known for one in value):
            raise FraudPolicyInvalid(place=place, detail=f"give a list out of {', '.join(known)}.")

    return check


def text(place: str, value: Any) -> None:
    """A printable text, which may be empty."""
    if not isinstance(value, str) or len(value) > TEXT_MAX or not value.isprintable():
        raise FraudPolicyInvalid(place=place, detail=f"give a text of at most {TEXT_MAX} printable characters.")


def texts(place: str, value: Any) -> None:
    """A list of printable texts."""
    if not isinstance(value, list) or len(value) > 50:
        raise FraudPolicyInvalid(place=place, detail="give a list of texts, 50 at most.")
    for number, one in enumerate(value):
        text(f"{place}[{number}]", one)


def thresholds(low: int, high: int) -> Shape:
    """{"warn": a, "critical": b} with a below b."""
    inner = keys(warn=whole(low, high), critical=whole(low, high))

    def check(place: str, value: Any) -> None:
        inner(place, value)
        if value["warn"] >= value["critical"]:
            raise FraudPolicyInvalid(place=place, detail="warn lies below critical.")

    return check
