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


@register()
def own_accounts_are_told_apart(**kwargs: Any) -> list[CheckMessage]:
    """Refuse bank accounts of ours that the books would name alike: their cash would be booked together."""
    from payouts.dispatch.money import bank_holder
    from payouts.dispatch.own_accounts import own_accounts

    names: dict[str, int] = {}
    for account in own_accounts():
        names[bank_holder(account)] = names.get(bank_holder(account), 0) + 1
    alike = sorted(name for name, count in names.items() if count > 1)
    if not alike:
        return []
    sentence = f"Two of PLATFORM_IBAN and PLATFORM_ACCOUNTS are named {', '.join(alike)} in the books."
    return [Error(sentence, hint="Name one of them otherwise, such as by its bank code and number.", id="backoffice.E002")]


@register(Tags.security)
def private_networks_are_networks(**kwargs: Any) -> list[CheckMessage]:
    """Refuse a network webhooks may reach that cannot be read: it would stop every delivery at its first look."""
    import ipaddress

    found: list[CheckMessage] = []
    for network in settings.WEBHOOKS_PRIVATE_NETWORKS:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            sentence = f"WEBHOOKS_PRIVATE_NETWORKS names {network!r}, which is no network."
            found.append(Error(sentence, hint="Write it as 10.1.0.0/16.", id="backoffice.E010"))
    return found
