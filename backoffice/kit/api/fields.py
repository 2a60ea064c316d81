"""Fields and serializers that take exactly what they declare."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from backoffice.kit.money import AMOUNT_MINOR_MAX


class StrictSerializer(serializers.Serializer[Any]):
    """An input that refuses fields it does not know, by name."""

    default_error_messages = {"unknown_field": "There is no such field."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            message = str(self.error_messages["unknown_field"])
            raise serializers.ValidationError(
                {str(name)[:80]: [serializers.ErrorDetail(message, "unknown_field")] for name in sorted(unknown)}
            )
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A string; a number is not turned into one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    """A whole number written as one: no string, no truth value."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Currency(serializers.ChoiceField):
    """One of the currencies this installation keeps books in."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=settings.CURRENCIES, **kwargs)


@extend_schema_field({"type": "string", "pattern": "^[a-z]{2,5}_[0-7][0-9a-hjkmnp-tv-z]{25}$"})
class PublicId(Text):
    """A TypeID of one kind, such as `sel_01jd…`."""

    default_error_messages = {"not_an_id": "This is not an id of the kind {prefix}_…"}

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        self.prefix = prefix
        self._shape = re.compile(prefix + "_[0-7][0-9a-hjkmnp-tv-z]{25}")
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not self._shape.fullmatch(text):
            self.fail("not_an_id", prefix=self.prefix)
        return text


class MoneyOut(serializers.Serializer[Any]):
    """An amount in minor units (9504 is 95.04 EUR) with its ISO 4217 currency."""

    amount_minor = serializers.IntegerField(min_value=-AMOUNT_MINOR_MAX, max_value=AMOUNT_MINOR_MAX)
    currency = serializers.CharField(min_length=3, max_length=3)


class MoneyIn(StrictSerializer):
    """An amount in minor units (9504 is 95.04 EUR) with its ISO 4217 currency."""

    amount_minor = WholeNumber(min_value=-AMOUNT_MINOR_MAX, max_value=AMOUNT_MINOR_MAX)
    currency = Currency()


class ObjectOut(serializers.Serializer[Any]):
    """What every object carries."""

    id = serializers.CharField(read_only=True)
    object = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    livemode = serializers.BooleanField(read_only=True)


class FieldErrorOut(serializers.Serializer[Any]):
    """One wrong field."""

    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemOut(serializers.Serializer[Any]):
    """An error after RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = FieldErrorOut(many=True)  # type: ignore[assignment]
    request_id = serializers.CharField()
