"""Verbs of the data invoices are made from: our legal entities, and tax rates with the day they begin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import IntegrityError, transaction

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.customers.vat import normal_vat_number
from billing.invoices.models import LegalEntity, TaxRate

_TEXTS = {
    "name": 200, "line1": 200, "postcode": 20, "town": 80, "registration_number": 40, "payment_terms": 300, "time_zone": 40,
}  # fmt: skip
_MAY_BE_EMPTY = {"registration_number", "payment_terms"}


class EntityInvalid(InputError):
    code = "entity_invalid"
    sentence = "{detail}"


class TaxRateInvalid(InputError):
    code = "tax_rate_invalid"
    sentence = "{detail}"


class TaxRateExists(Refusal):
    code = "tax_rate_exists"
    sentence = "{country} {tax_code} has a rate from {valid_from} on already. A rate that was in force stays; set another from a later day."


@composable
def create_entity(*, code: str, country: str, actor: Actor, at: datetime, **facts: Any) -> LegalEntity:
    """Open one of our companies; the first is the default. Refuses: EntityInvalid, VatNumberInvalid."""
    code = code.strip().upper()
    if not code.isalnum() or not code.isascii() or len(code) > 12 or LegalEntity.objects.filter(code__iexact=code).exists():
        raise EntityInvalid(detail="code is 1 to 12 letters and digits, another one than every other entity's.")
    if len(country) != 2 or not country.isalpha():
        raise EntityInvalid(detail="country is an ISO 3166 code of two letters, such as FR.")
    checked = _checked(facts)
    first = not LegalEntity.objects.filter(is_default=True).exists()
    entity = LegalEntity.objects.create(code=code, country=country.upper(), is_default=first, created_at=at, **checked)
    audit.record(actor, "legal_entity.create", entity.public_id, at, facts={"code": code})
    return entity


@composable
def change_entity(*, entity_id: int, changes: Mapping[str, Any], actor: Actor, at: datetime, reason: str) -> LegalEntity:
    """Change an entity for what is issued from now on; code and country stay, since numbers and taxes hang on them. Refuses: NotFound, EntityInvalid."""
    entity = LegalEntity.objects.select_for_update().filter(pk=entity_id).first()
    if entity is None:
        raise NotFound(what="legal entity", ref=entity_id)
    checked = _checked(
        {name: getattr(entity, name) for name in [*_TEXTS, "vat_numbers", "oss", "bills_countries"]} | dict(changes)
    )
    changed = [name for name, value in checked.items() if getattr(entity, name) != value]
    for name in changed:
        setattr(entity, name, checked[name])
    if changed:
        entity.save(update_fields=changed)
        audit.record(actor, "legal_entity.change", entity.public_id, at, reason=reason, facts={"changed": changed})
    return entity


@composable
def set_tax_rate(
    *, country: str, tax_code: str, basis_points: int, valid_from: date, source: str, actor: Actor, at: datetime
) -> TaxRate:
    """Set what a tax code costs in a country from a day on; earlier rates stay. Refuses: TaxRateInvalid, TaxRateExists."""
    country, tax_code = country.strip().upper(), tax_code.strip()
    if len(country) != 2 or not tax_code or len(tax_code) > 40 or not source.strip():
        raise TaxRateInvalid(detail="A rate names its country (two letters), its tax code, and the law or page it comes from.")
    if not 0 <= basis_points <= 10_000:
        raise TaxRateInvalid(detail="A rate is 0 to 10,000 basis points: 2000 is 20 %.")
    try:
        with transaction.atomic():
            rate = TaxRate.objects.create(
                country=country, tax_code=tax_code, basis_points=basis_points, valid_from=valid_from, source=source.strip()[:200],
                made_by=str(actor), made_at=at,
            )  # fmt: skip
    except IntegrityError:
        raise TaxRateExists(country=country, tax_code=tax_code, valid_from=valid_from) from None
    facts = {"rate": f"{country} {tax_code}", "basis_points": basis_points, "valid_from": valid_from.isoformat()}
    audit.record(actor, "tax_rate.set", f"tax_rate:{rate.pk}", at, facts=facts)
    return rate


def _checked(facts: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(facts) - {*_TEXTS, "vat_numbers", "oss", "bills_countries"}
    if unknown:
        raise EntityInvalid(detail=f"{', '.join(sorted(unknown))[:80]} is nothing an entity has.")
    found = dict(facts)
    for name, longest in _TEXTS.items():
        text = str(found.get(name, "Europe/Paris" if name == "time_zone" else "")).strip()
        if len(text) > longest or (not text and name not in _MAY_BE_EMPTY):
            raise EntityInvalid(detail=f"{name.replace('_', ' ')} is 1 to {longest} characters.")
        found[name] = text
    try:
        ZoneInfo(found["time_zone"])
    except (ZoneInfoNotFoundError, ValueError):
        raise EntityInvalid(detail=f"{found['time_zone']} is not a time zone such as Europe/Paris.") from None
    numbers = found.get("vat_numbers") or {}
    found["vat_numbers"] = {country: normal_vat_number(number, country) for country, number in numbers.items()}
    found["bills_countries"] = sorted({str(one).upper() for one in found.get("bills_countries") or []})
    found["oss"] = bool(found.get("oss"))
    return found
