"""Sellers become parties with their first event; whoever knows more of them (owners, papers) tells it and keeps it right from then on."""

from __future__ import annotations

from backoffice.kit.actors import system
from backoffice.kit.outbox import Event, subscribe
from fraud.screening.erasing import erase_parties
from fraud.screening.models import Party, PartyKind
from fraud.screening.parties import Facts, checked_facts, facts_of, register_party
from payouts.compliance.queries import erased_persons
from payouts.sellers.models import EntityType, Seller

TOLD_BY = "seller"
ROBOT = system("screening")


def take_seller(event: Event) -> None:
    """Keep a new or changed seller as a party; the worker screens it. No network here: the outbox delivers inside a transaction."""
    seller = Seller.objects.filter(public_id=event.payload.get("seller", "")).first()
    if seller is None:
        return
    party = Party.objects.select_for_update().filter(subject=seller.public_id).first()
    facts = _facts(seller) if party is None or party.told_by == TOLD_BY else _with_name(facts_of(party), seller.legal_name)
    told_by = TOLD_BY if party is None else party.told_by
    register_party(subject=seller.public_id, facts=facts, told_by=told_by, actor=ROBOT, at=event.occurred_at)


def _facts(seller: Seller) -> Facts:
    kind = PartyKind.ENTITY if seller.entity_type == EntityType.COMPANY else PartyKind.PERSON
    return checked_facts(kind=kind, names=[seller.legal_name], birth_on=None, countries=[seller.country], identifiers={})


def _with_name(known: Facts, name: str) -> Facts:
    """Add the seller's name to what a room told, should it not be among it."""
    plain = " ".join(name.split())
    if plain in known.names:
        return known
    return Facts(known.kind, (*known.names, plain), known.birth_on, known.countries, known.identifiers)


def forget_persons(event: Event) -> None:
    """Forget the persons of a seller whose personal data was erased; the seller's own name stays with the books."""
    seller = Seller.objects.filter(public_id=event.subject).first()
    if seller is not None:
        erase_parties(subjects=erased_persons(seller), actor=ROBOT, at=event.occurred_at)


def plug_in() -> None:
    subscribe("screening.sellers.data_erased", "seller.data_erased", forget_persons)
    for kind in ("created", "updated"):
        subscribe(f"screening.sellers.{kind}", f"seller.{kind}", take_seller)
