"""Keep a seller's rows what they have to be: those the rules ask for now, and moved where a check of ours can tell by itself.

Called after everything that could matter: persons, shares, bank account, country, volume, screening. Ends in the derivation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.transactions import composable
from payouts.compliance import rows
from payouts.compliance.catalogue import Catalogue, Rule, catalogue_of
from payouts.compliance.deriving import derive
from payouts.compliance.models import Person, PersonKind, Requirement, Role, SellerCapabilities, Stake
from payouts.compliance.opening import VOUCHED, first_state
from payouts.compliance.rows import MET, OPEN, Q
from payouts.compliance.sockets import CLEAN, screening
from payouts.compliance.states import TAX_CATALOGUE
from payouts.compliance.structure import Edge, Structure, understand
from payouts.sellers.models import PayeeAccount, Seller
from payouts.sellers.queries import lock_seller
from payouts.sellers.states import PayeeStatus, SellerStatus


@composable
def settle_file(*, seller_id: int, actor: Actor, at: datetime, volume: tuple[int, int] | None = None) -> None:
    """Bring a seller's rows and capabilities in line with what is known now; again and again changes nothing.

    `volume` is (sales, gross in minor units) of the last twelve months, where it was just counted. Tells `requirement.*` and
    `seller.capabilities_changed`.
    """
    seller = lock_seller(seller_id)
    found = rows.rows_of_seller(seller)
    if any(row.code == VOUCHED and row.state == Q.WAIVED for row in found):
        derive([seller.pk], actor=actor, at=at)
        return
    catalogue = catalogue_of(seller.country)
    persons = live_persons(seller)
    structure = structure_of(seller, persons)
    found = _sync(seller, found, catalogue, _subjects(catalogue, persons, structure), actor, at)
    for row in found:
        if row.state not in (Q.WITHDRAWN, Q.WAIVED):
            _judge(row, persons, structure, actor, at)
            if volume is not None and row.state == Q.EVENTUALLY_DUE:
                _announce(row, catalogue, volume, actor, at)
    derive([seller.pk], actor=actor, at=at)
    SellerCapabilities.objects.filter(seller=seller).exclude(catalogue=catalogue.name).update(catalogue=catalogue.name)


def live_persons(seller: Seller) -> list[Person]:
    return list(Person.objects.filter(seller=seller, removed_at__isnull=True).order_by("pk"))


def structure_of(seller: Seller, persons: list[Person]) -> Structure:
    """Return the ownership of a seller as its stakes say."""
    stakes = Stake.objects.filter(seller=seller).values_list("holder_id", "company_id", "basis_points")
    return understand([Edge(*one) for one in stakes], {one.pk: one.kind == PersonKind.COMPANY for one in persons})


def _subjects(catalogue: Catalogue, persons: list[Person], structure: Structure) -> dict[str, list[Person | None]]:
    """Return whom each kind of rule is about: the seller, or the persons of a role; owners are those above the threshold."""
    people = {one.pk: one for one in persons if one.kind == PersonKind.PERSON}
    owners = structure.owners(people, catalogue.threshold_basis_points, inclusive=catalogue.threshold_inclusive)
    found: dict[str, list[Person | None]] = {
        str(role): [one for one in people.values() if role in one.roles] for role in Role if role != Role.OWNER
    }
    return found | {"seller": [None], str(Role.OWNER): [people[pk] for pk in sorted(owners)]}


def _sync(
    seller: Seller,
    found: list[Requirement],
    catalogue: Catalogue,
    subjects: Mapping[str, list[Person | None]],
    actor: Actor,
    at: datetime,
) -> list[Requirement]:
    """Add the rows that rules ask for and nobody has yet, bring back those asked for again, withdraw those nobody asks for any more."""
    known = rows.index(found)
    wanted: dict[tuple[str, int | None], tuple[Rule, Person | None]] = {
        (rule.code, person.pk if person else None): (rule, person)
        for rule in catalogue.rules_for(seller.entity_type)
        for person in subjects[rule.per]
    }
    fresh = [
        rows.build(seller, catalogue, rule, at, person=person, state=first_state(rule.evidence, has_account=False))
        for key, (rule, person) in wanted.items()
        if key not in known
    ]
    rows.save_new(fresh, actor=actor, at=at)
    for key, row in known.items():
        if row.catalogue in ("marketplace", TAX_CATALOGUE):
            continue
        if key not in wanted and row.state in [*OPEN, Q.SATISFIED]:
            rows.move(row, Q.WITHDRAWN, actor=actor, at=at, code="no_longer_asked", deadline_at=None)
        elif key in wanted and row.state == Q.WITHDRAWN:
            rows.open_again(row, actor=actor, at=at, reason="", code="", text="", gating=wanted[key][0].gating and _stops(row))
    return [*found, *fresh]


def _judge(row: Requirement, persons: list[Person], structure: Structure, actor: Actor, at: datetime) -> None:
    """Move a row that a check of ours decides."""
    family, _, member = row.evidence.partition(":")
    if family == "payee_account":
        in_use = PayeeAccount.objects.filter(seller=row.seller, currency=row.seller.currency, status=PayeeStatus.ACTIVE)
        _met_or_due(row, in_use.exists(), actor, at, "payee_account_missing", "Give an account that works.")
    elif family == "role":
        named = any(member in one.roles for one in persons)
        _met_or_due(row, named, actor, at, f"{member}_missing", f"Name a {member}.")
    elif family == "ownership":
        _judge_ownership(row, structure, actor, at)
    elif family == "screening":
        _judge_screening(row, persons, actor, at)


def _met_or_due(row: Requirement, met: bool, actor: Actor, at: datetime, code: str, text: str) -> None:
    if met and row.state not in MET:
        rows.move(row, Q.SATISFIED, actor=actor, at=at, decided_by=str(actor), decided_at=at)
    elif not met and row.state == Q.SATISFIED:
        rows.open_again(row, actor=actor, at=at, reason="", code=code, text=text, gating=_stops(row))


def _stops(row: Requirement) -> bool:
    """Tell whether something that came up now stops at once: not a seller who is being paid, who has days of grace."""
    return row.seller.status != SellerStatus.ACTIVE


def _judge_ownership(row: Requirement, structure: Structure, actor: Actor, at: datetime) -> None:
    """A structure that adds up goes to a reviewer; one that changed after it was seen goes there again; one that does not is the seller's."""
    if structure.problems:
        first = structure.problems[0]
        if row.state in (Q.SATISFIED, Q.PENDING_VERIFICATION):
            rows.open_again(row, actor=actor, at=at, reason="", code=first.code, text=first.text, gating=_stops(row))
        row.error_code, row.error_text, row.value_index = first.code, first.text, ""
        row.save(update_fields=["error_code", "error_text", "value_index"])
        return
    seen = hashlib.sha256(repr(sorted(structure.shares.items())).encode()).hexdigest()
    if row.value_index == seen:
        return  # what a reviewer saw, or has refused, already
    if row.state in (Q.CURRENTLY_DUE, Q.PAST_DUE, Q.SATISFIED):
        columns: dict[str, Any] = {"value_index": seen, "error_code": "", "error_text": ""}
        columns |= {"provided_by": str(actor), "provided_at": at}
        rows.move(row, Q.PENDING_VERIFICATION, actor=actor, at=at, **columns)
    else:
        row.value_index = seen
        row.save(update_fields=["value_index"])


def _judge_screening(row: Requirement, persons: list[Person], actor: Actor, at: datetime) -> None:
    """Only when the seller and every person behind it is clean; never screened, failed and not screenable are not."""
    standings = [screening.standing(row.seller.public_id), *(screening.standing(one.public_id) for one in persons)]
    clean = all(one == CLEAN for one in standings)
    if clean and row.state not in MET:
        rows.move(row, Q.SATISFIED, actor=actor, at=at, code="clean", decided_by=str(actor), decided_at=at)
    elif not clean and row.state == Q.SATISFIED:
        worst = next(one for one in standings if one != CLEAN)
        rows.move(row, Q.PENDING_VERIFICATION, actor=actor, at=at, code=worst[:60], gating=True)


def _announce(row: Requirement, catalogue: Catalogue, volume: tuple[int, int], actor: Actor, at: datetime) -> None:
    """Make due what waits for a volume, once it is reached."""
    rule = next((one for one in catalogue.rules if one.code == row.code), None)
    if rule is not None and rule.threshold is not None and rule.threshold.reached(*volume):
        deadline = at + timedelta(days=rule.grace_days)
        rows.move(row, Q.CURRENTLY_DUE, actor=actor, at=at, code="volume_reached", deadline_at=deadline)
