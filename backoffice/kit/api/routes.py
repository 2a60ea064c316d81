"""How the API's addresses are written: ids by kind, so that anything else is simply not there."""

from __future__ import annotations

from django.urls import register_converter


class PublicIdConverter:
    """A well-formed TypeID of any prefix; the look-up decides whether it names something."""

    regex = "[a-z]{2,5}_[0-7][0-9a-hjkmnp-tv-z]{25}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(PublicIdConverter, "public_id")
