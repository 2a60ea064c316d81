"""System checks that guard the settings."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def secrets_are_set(**kwargs: Any) -> list[CheckMessage]:
    """Refuse to run without the secrets nothing may default."""
    found: list[CheckMessage] = []
    for name in ("SECRET_KEY", "FIELD_KEYS", "BLIND_INDEX_KEY"):
        if not getattr(settings, name):
            found.append(Error(f"{name} is not set.", hint="Set it in the environment; see .env.example.", id="backoffice.E001"))
    return found


@register(Tags.database)
def two_database_roles(**kwargs: Any) -> list[CheckMessage]:
    """Say when one role both migrates and works."""
    import os

    if os.environ.get("DATABASE_URL") and not os.environ.get("DATABASE_OWNER_URL"):
        return [
            Warning(
                "One database role both migrates and works; the ledger then relies on its triggers alone.",
                hint="Set DATABASE_OWNER_URL to the role that owns the tables.",
                id="backoffice.W001",
            )
        ]
    return []
