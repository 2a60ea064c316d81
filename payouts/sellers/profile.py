"""What a seller's own data may look like; one check for the verbs, the API and the import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from backoffice.kit.errors import InputError
from backoffice.kit.money import AMOUNT_MINOR_MAX
from payouts.sellers import validation
from payouts.sellers.models import EntityType, Schedule, Seller, Tier

CHANGEABLE = ["legal_name", "entity_type", "email", "country", "town", "tier", "schedule", "schedule_day", "debt_limit_minor"]
# Changes of these go to the audit trail with their values; names and addresses do not.
AUDITED = {"entity_type", "country", "tier", "schedule", "schedule_day", "debt_limit_minor"}


class UnknownEntityType(InputError):
    code = "unknown_entity_type"
    sentence = "The entity type is one of company, sole_trader, individual, consumer."


class UnknownTier(InputError):
    code = "unknown_tier"
    sentence = "There is no such tier."


class UnknownSchedule(InputError):
    code = "unknown_schedule"
    sentence = "The schedule is one of daily, weekly, monthly, manual."


class InvalidScheduleDay(InputError):
    code = "invalid_schedule_day"
    sentence = "The day is 1 to 7 for a weekly, 1 to 31 for a monthly schedule."


class InvalidEmail(InputError):
    code = "invalid_email"
    sentence = "The e-mail address is not valid."


class InvalidDebtLimit(InputError):
    code = "invalid_debt_limit"
    sentence = "The debt limit is a whole number of minor units, 0 or more."


class NotChangeable(InputError):
    code = "not_changeable"
    sentence = "{fields} cannot be changed."


def tiers_by_code() -> dict[str, Tier]:
    return {tier.code: tier for tier in Tier.objects.all()}


def check_profile(given: Mapping[str, Any], tiers: Mapping[str, Tier] | None = None) -> dict[str, Any]:
    """Return the columns of a new seller. `tiers` saves the look-up when many are checked.

    Refuses with one of the codes invalid_text, unknown_entity_type, unknown_country, unknown_currency, currency_not_supported, unknown_tier,
    unknown_schedule, invalid_email.
    """
    return {
        "external_id": validation.clean_text("external id", given["external_id"], 120),
        "legal_name": _legal_name(given["legal_name"]),
        "entity_type": _entity_type(given["entity_type"]),
        "country": validation.check_country(given["country"]),
        "currency": validation.check_currency(given["currency"]),
        "tier": _tier(given["tier"], tiers),
        "schedule": _schedule(given["schedule"]),
        "email": _email(given.get("email", "")),
        "town": _town(given.get("town", "")),
    }


def check_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns to change. Refuses: NotChangeable and what `check_profile` refuses."""
    unknown = sorted(set(changes) - set(CHANGEABLE))
    if unknown:
        raise NotChangeable(fields=", ".join(name[:40] for name in unknown))
    checked = {name: _CHECKS[name](value) for name, value in changes.items()}
    if "schedule_day" in checked and checked.get("schedule") == Schedule.WEEKLY and checked["schedule_day"] > 7:
        raise InvalidScheduleDay()
    return checked


def fact(seller: Seller, name: str) -> Any:
    """Return a column as the audit trail keeps it."""
    return seller.tier.code if name == "tier" else getattr(seller, name)


def _legal_name(text: str) -> str:
    return validation.clean_text("legal name", text, 200)


def _entity_type(value: str) -> str:
    if value not in EntityType.values:
        raise UnknownEntityType()
    return value


def _tier(code: str | Tier, tiers: Mapping[str, Tier] | None = None) -> Tier:
    if isinstance(code, Tier):
        return code
    tier = (tiers if tiers is not None else tiers_by_code()).get(code)
    if tier is None:
        raise UnknownTier()
    return tier


def _schedule(value: str) -> str:
    if value not in Schedule.values:
        raise UnknownSchedule()
    return value


def _schedule_day(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 31:
        raise InvalidScheduleDay()
    return value


def _email(text: str) -> str:
    if not text:
        return ""
    try:
        validate_email(text)
    except ValidationError:
        raise InvalidEmail() from None
    return text


def _town(text: str) -> str:
    return validation.clean_text("town", text, 80) if text else ""


def _debt_limit(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= AMOUNT_MINOR_MAX:
        raise InvalidDebtLimit()
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "legal_name": _legal_name,
    "entity_type": _entity_type,
    "email": _email,
    "country": validation.check_country,
    "town": _town,
    "tier": _tier,
    "schedule": _schedule,
    "schedule_day": _schedule_day,
    "debt_limit_minor": _debt_limit,
}
