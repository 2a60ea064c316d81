"""Sellers, payee accounts and staff for tests, made through the same verbs as everything else."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from schwifty import IBAN

from backoffice.kit.actors import system
from backoffice.staff.roles import write_roles
from payouts.sellers.models import PayeeAccount, Seller, Tier
from payouts.sellers.operations import change_payee_account, create_seller, update_seller

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ACTOR = system("test")
PASSWORD = "correct horse battery staple"
_TIERS = {"new": (21, 500), "standard": (14, 5_000), "trusted": (7, 50_000)}
_numbers = itertools.count(1)


def make_tier(code: str = "standard", **over: Any) -> Tier:
    """Return the tier of that code; made here when a test that flushed took the migrations' own away."""
    delay, debt = _TIERS.get(code, (14, 5_000))
    made, _ = Tier.objects.get_or_create(
        code=code, defaults={"name": code.title(), "delay_days": delay, "debt_limit": debt, "cool_off_hours": 72}
    )
    for name, value in over.items():
        setattr(made, name, value)
    if over:
        made.save()
    return made


def make_seller(**over: Any) -> Seller:
    """Return an active seller (EUR, FR, tier standard, daily) through create_seller; `tier` is a code, other columns by keyword."""
    number = next(_numbers)
    wanted: dict[str, Any] = {
        "external_id": f"seller-{number}", "legal_name": f"Seller {number} SAS", "entity_type": "company", "country": "FR",
        "currency": "EUR", "tier": "standard", "schedule": "daily", "status": "active", "actor": ACTOR, "at": AT,
        "key": f"make_seller:{number}",
    }  # fmt: skip
    verbs = {"external_id", "legal_name", "entity_type", "country", "currency", "tier", "schedule", "status", "actor", "at", "key",
             "email", "town", "partner_id"}  # fmt: skip
    wanted |= {name: value for name, value in over.items() if name in verbs}
    make_tier(wanted["tier"])
    seller = create_seller(**wanted)
    if "debt_limit_minor" in over:
        seller = limit(seller, over.pop("debt_limit_minor"))
    columns = {name: value for name, value in over.items() if name not in verbs}
    for name, value in columns.items():
        setattr(seller, name, value)
    if columns:
        seller.save(update_fields=list(columns))
    return seller


def limit(seller: Seller, minor: int) -> Seller:
    """Give the seller a debt limit of their own, in minor units."""
    return update_seller(seller_id=seller.pk, changes={"debt_limit_minor": minor}, actor=ACTOR, at=AT)


def make_iban(country: str = "FR") -> str:
    """Return a fresh valid IBAN."""
    bank = {"FR": ("30006", 11), "DE": ("37040044", 10), "ES": ("21000418", 10)}[country]
    return str(IBAN.generate(country, bank_code=bank[0], account_code=str(next(_numbers)).zfill(bank[1])))


def make_payee(seller: Seller, **over: Any) -> PayeeAccount:
    """Return a usable payee account of the seller (an IBAN, or a US account in USD); `cool_off_until` and other columns by keyword."""
    currency = over.pop("currency", seller.currency)
    wanted: dict[str, Any] = {
        "account_holder": seller.legal_name, "actor": ACTOR, "at": AT, "trusted": True, "key": f"make_payee:{next(_numbers)}",
    }  # fmt: skip
    if currency == "USD":
        wanted |= {"kind": "us_account", "number": f"{next(_numbers):010d}", "routing_number": "021000021"}
    else:
        wanted |= {"kind": "iban", "number": make_iban()}
    verbs = {*wanted, "kind", "number", "bic", "routing_number"}
    wanted |= {name: value for name, value in over.items() if name in verbs}
    payee = change_payee_account(seller_id=seller.pk, currency=currency, **wanted)
    columns = {name: value for name, value in over.items() if name not in verbs}
    if columns:
        PayeeAccount.objects.filter(pk=payee.pk).update(**columns)
        payee.refresh_from_db()
    return payee


def make_cooling_payee(seller: Seller, until: datetime | None = None, **over: Any) -> PayeeAccount:
    """Return a payee account still in its cool-off."""
    return make_payee(seller, cool_off_until=until or AT + timedelta(hours=72), **over)


def make_staff(role: str = "finance", email: str = "", **over: Any) -> Any:
    """Return an active staff member with a role; the password is PASSWORD."""
    if not Group.objects.filter(name=role).exists():
        write_roles()
    email = email or f"{role}-{next(_numbers)}@example.com"
    user = get_user_model().objects.create_user(username=email, email=email, password=PASSWORD, is_staff=True, **over)
    user.groups.add(Group.objects.get(name=role))
    return user
