"""Who a seller is to a tax authority, gathered from what it answered; and what of it is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from payouts.compliance.models import Person, PersonKind, Requirement
from payouts.compliance.tax import TaxItem
from payouts.compliance.tax_answers import us_address_of
from payouts.reporting.rules import Country, Rules
from payouts.sellers.models import EntityType, PayeeAccount, PayeeKind, Seller
from payouts.sellers.states import PayeeStatus

_ANSWERS = {
    "tax_identification", "tax_birth_place", "tax_birth_on", "tax_address", "tax_registration", "registration_number", "tax_number",
    "vat_number", "legal_entity",
}  # fmt: skip
_GIVEN = ["satisfied", "pending_verification"]
# What a file of the regime cannot be written without; the rest is said to be unknown in it.
BLOCKING = {"address", "birth_on", "us_address"}


@dataclass(frozen=True, slots=True)
class Identity:
    """What is reported of a seller beside figures; '' is not known. Kept sealed with each line."""

    name: str
    is_entity: bool
    country: str
    tin: str = ""
    vat: str = ""
    registration: str = ""
    address: str = ""
    birth_on: str = ""
    birth_place: str = ""
    account: str = ""
    account_kind: str = ""
    account_holder: str = ""

    def has(self, name: str) -> bool:
        if name == "us_address":
            return us_address_of(self.address) is not None
        return bool(getattr(self, name))

    def sealed_text(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def opened(cls, text: str) -> Identity:
        return cls(**json.loads(text))


def missing_of(identity: Identity, rules: Rules, entity_type: str) -> list[str]:
    """Return the names of what the regime wants and nobody gave; what another answer makes needless is not missing."""
    wanted = [item for item in rules.items if entity_type in item.entities]
    stands_in = {item.unless for item in wanted if item.unless and identity.has(item.name)}
    return [
        item.name
        for item in wanted
        if not identity.has(item.name) and item.name not in stands_in and not (item.unless and identity.has(item.unless))
    ]


def items_of(names: Sequence[str], rules: Rules, seller: Seller) -> list[TaxItem]:
    """Return what to ask a seller for; a tax number is checked as its country's."""
    kind = rules.countries[seller.country].tin_kind(seller.entity_type == EntityType.COMPANY)
    wanted = [item.asked for item in rules.items if item.name in names and seller.entity_type in item.entities]
    return [replace(one, evidence=f"number:{kind}") if one.evidence == "tin" else one for one in wanted]


def identities_of(sellers: Sequence[Seller], rules: Rules) -> dict[int, Identity]:
    """Return {seller id: identity}, in three queries however many sellers."""
    ids = [seller.pk for seller in sellers]
    answers: dict[tuple[int, str], str] = {}
    for row in Requirement.objects.filter(seller_id__in=ids, code__in=_ANSWERS, state__in=_GIVEN, person__isnull=True):
        if row.value:
            answers[row.seller_id, row.code] = row.value
    accounts: dict[int, PayeeAccount] = {}
    for account in PayeeAccount.objects.filter(seller_id__in=ids, status=PayeeStatus.ACTIVE).order_by("-pk"):
        accounts.setdefault(account.seller_id, account)
    born = _birth_dates(ids)
    return {
        seller.pk: _identity(seller, answers, accounts.get(seller.pk), born.get(seller.pk, ""), rules.countries[seller.country])
        for seller in sellers
    }


def _birth_dates(seller_ids: Sequence[int]) -> dict[int, str]:
    """Return the birth dates of those behind whom stands one person only: a sole trader's owner is the trader."""
    found: dict[int, list[str]] = {}
    people = Person.objects.filter(seller_id__in=seller_ids, kind=PersonKind.PERSON, removed_at__isnull=True)
    for person in people.exclude(seller__entity_type=EntityType.COMPANY):
        found.setdefault(person.seller_id, []).append(person.birth_on)
    return {seller_id: dates[0] for seller_id, dates in found.items() if len(dates) == 1}


def _identity(
    seller: Seller, answers: dict[tuple[int, str], str], account: PayeeAccount | None, born: str, country: Country
) -> Identity:
    def said(*codes: str) -> str:
        return next((answers[seller.pk, code] for code in codes if (seller.pk, code) in answers), "")

    is_entity = seller.entity_type == EntityType.COMPANY
    known = country.entity_tin_from if is_entity else country.person_tin_from
    return Identity(
        name=seller.legal_name,
        is_entity=is_entity,
        country=seller.country,
        tin=said("tax_identification", *known),
        vat=said("vat_number"),
        registration=said("tax_registration", "registration_number") if is_entity else "",
        address=said("tax_address", "legal_entity"),
        birth_on="" if is_entity else said("tax_birth_on") or born,
        birth_place="" if is_entity else said("tax_birth_place"),
        account=account.number if account else "",
        account_kind=("IBAN" if account.kind == PayeeKind.IBAN else "Other") if account else "",
        account_holder=account.account_holder if account else "",
    )
