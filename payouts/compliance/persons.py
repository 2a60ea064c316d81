"""Owners, directors, representatives, signatories, and the shares that connect them to the seller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.crypto import blind_index
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.outbox import tell
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.compliance.models import Person, PersonKind, Role, Stake
from payouts.compliance.settling import settle_file
from payouts.sellers.models import Seller
from payouts.sellers.operations import SellerIsClosed
from payouts.sellers.queries import lock_seller
from payouts.sellers.states import SellerStatus
from payouts.sellers.validation import check_country, clean_text

PERSONS_MAX = 100
OLDEST = 130


class PersonInvalid(InputError):
    code = "person_invalid"
    sentence = "{detail}"


class TooManyPersons(Refusal):
    code = "too_many_persons"
    sentence = "A seller has at most {most} persons; remove those who left first."


class PersonHoldsShares(Refusal):
    code = "person_holds_shares"
    sentence = "This person still holds shares; send the ownership without them first."


class StakesInvalid(InputError):
    code = "stakes_invalid"
    sentence = "{detail}"


@composable
def add_person(
    *,
    seller_id: int,
    kind: str,
    name: str,
    roles: Sequence[str],
    country: str,
    actor: Actor,
    key: str,
    at: datetime,
    birth_on: date | None = None,
    address: str = "",
    phone: str = "",
) -> Person:
    """Name somebody behind a seller; what identifies them is sealed. Requirements that follow from the role are opened at once.

    Tells `person.added` (screening listens). Refuses: NotFound, SellerIsClosed, PersonInvalid, TooManyPersons, KeyReused, UnknownCountry.
    """
    seller = _lock_open_seller(seller_id)
    given = [kind, blind_index(name), sorted(roles), country, str(birth_on), blind_index(address), blind_index(phone)]
    earlier = recall(scope=f"add_person:{seller.public_id}", key=key, content=given)
    if earlier.outcome is not None:
        return Person.objects.get(pk=earlier.outcome)
    if Person.objects.filter(seller=seller, removed_at__isnull=True).count() >= PERSONS_MAX:
        raise TooManyPersons(most=PERSONS_MAX)

    checked = _check(kind, name, roles, country, birth_on, address, phone, at)
    person = Person(seller=seller, created_by=str(actor), created_at=at, **checked)
    person.save(force_insert=True)
    earlier.keep(person.pk)
    audit.record(actor, "person.add", person.public_id, at, facts={"seller": seller.public_id, "roles": person.roles})
    _tell("person.added", seller, person, at)
    settle_file(seller_id=seller.pk, actor=actor, at=at)
    return person


@composable
def remove_person(*, person_id: int, actor: Actor, at: datetime, reason: str = "") -> Person:
    """Take somebody who left off the seller; the row stays as history. Tells `person.removed`. Refuses: NotFound, PersonHoldsShares."""
    found = Person.objects.filter(pk=person_id, removed_at__isnull=True).first()
    if found is None:
        raise NotFound(what="person", ref=person_id)
    seller = _lock_open_seller(found.seller_id)
    if Stake.objects.filter(seller=seller, holder=found).exists() or Stake.objects.filter(seller=seller, company=found).exists():
        raise PersonHoldsShares()
    found.removed_at = at
    found.save(update_fields=["removed_at"])
    audit.record(actor, "person.remove", found.public_id, at, reason=reason, facts={"seller": seller.public_id})
    _tell("person.removed", seller, found, at)
    settle_file(seller_id=seller.pk, actor=actor, at=at)
    return found


@composable
def declare_ownership(
    *, seller_id: int, stakes: Sequence[tuple[str, str | None, int]], actor: Actor, at: datetime
) -> list[Stake]:
    """Replace who owns what: (holder, company or None for the seller, basis points), by person id, the whole picture at once.

    Gaps, excess and circles are kept and flagged, since what somebody said is a fact; the requirement then stays with the seller. Tells
    `ownership.declared`. Refuses: NotFound, SellerIsClosed, StakesInvalid.
    """
    seller = _lock_open_seller(seller_id)
    persons = {one.public_id: one for one in Person.objects.filter(seller=seller, removed_at__isnull=True)}
    rows = [_stake(seller, persons, *one) for one in stakes]
    if len({(row.holder_id, row.company_id) for row in rows}) != len(rows):
        raise StakesInvalid(detail="The same share stands twice; add it up.")

    Stake.objects.filter(seller=seller).delete()
    Stake.objects.bulk_create(rows)
    facts = {"stakes": [[row.holder.public_id, row.company.public_id if row.company else None, row.basis_points] for row in rows]}
    audit.record(actor, "ownership.declare", seller.public_id, at, facts=facts)
    tell("ownership.declared", subject=seller.public_id, payload=facts, at=at, partner_id=seller.partner_id)
    settle_file(seller_id=seller.pk, actor=actor, at=at)
    return rows


def _stake(seller: Seller, persons: dict[str, Person], holder: str, company: str | None, basis_points: int) -> Stake:
    if holder not in persons or (company is not None and company not in persons):
        raise NotFound(what="person", ref="of this seller")
    if not 1 <= basis_points <= 10_000:
        raise StakesInvalid(detail="A share is 1 to 10000 basis points; 2500 is 25 %.")
    if company is not None and persons[company].kind != PersonKind.COMPANY:
        raise StakesInvalid(detail="Shares are held of the seller or of a company, not of a person.")
    if company == holder:
        raise StakesInvalid(detail="A company cannot be named as its own owner.")
    return Stake(seller=seller, holder=persons[holder], company=persons[company] if company else None, basis_points=basis_points)


def _lock_open_seller(seller_id: int) -> Seller:
    seller = lock_seller(seller_id)
    if seller.status == SellerStatus.CLOSED:
        raise SellerIsClosed()
    return seller


def _check(
    kind: str, name: str, roles: Sequence[str], country: str, birth_on: date | None, address: str, phone: str, at: datetime
) -> dict[str, Any]:
    if kind not in PersonKind.values:
        raise PersonInvalid(detail="kind is person or company.")
    if not roles or set(roles) - set(Role.values):
        raise PersonInvalid(detail=f"roles are some of {', '.join(Role.values)}.")
    if kind == PersonKind.COMPANY and set(roles) != {Role.OWNER}:
        raise PersonInvalid(detail="A company can be an owner only; name the person who acts for it.")
    if kind == PersonKind.PERSON and birth_on is None:
        raise PersonInvalid(detail="birth_on is missing: a person has a date of birth.")
    if birth_on is not None and not 0 <= at.year - birth_on.year <= OLDEST:
        raise PersonInvalid(detail="birth_on is not a date of birth.")
    clean = clean_text("name", name, 200)
    where = clean_text("address", address, 300) if address else ""
    call = clean_text("phone", phone, 40) if phone else ""
    born = birth_on.isoformat() if birth_on else ""
    return {
        "kind": kind,
        "name": clean,
        # one person: name and date of birth; a namesake is somebody else
        "name_index": blind_index(f"{clean}|{born}"),
        "roles": sorted(set(roles)),
        "country": check_country(country),
        "birth_on": born,
        "address": where,
        "address_index": blind_index(where) if where else "",
        "phone": call,
        "phone_index": blind_index("".join(char for char in call if char.isdigit())) if call else "",
    }


def _tell(event: str, seller: Seller, person: Person, at: datetime) -> None:
    told = {"seller": seller.public_id, "kind": str(person.kind), "roles": person.roles}
    tell(event, subject=person.public_id, payload=told, at=at, partner_id=seller.partner_id)
