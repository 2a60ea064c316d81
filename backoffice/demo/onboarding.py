"""Who is still on the way in: newcomers at three places of the reviewers' desk, with papers to look at, a hit to judge and a question asked."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from backoffice.kit.actors import Actor, system
from payouts.compliance.models import Person, Requirement
from payouts.compliance.operations import (
    add_person,
    answer_requirement,
    ask_seller,
    declare_ownership,
    refuse_document,
    upload_document,
)
from payouts.sellers.models import Seller
from payouts.sellers.operations import change_payee_account, create_seller

NEWCOMERS = 3
# They send their own papers, as the API would let them.
_THEMSELVES = system("newcomer")


def arrive(*, people: dict[str, Actor], at: datetime) -> int:
    """Bring in the newcomers of the demo; return how many. Screening finds the listed owner once the events were heard."""
    _almost_there(at - timedelta(days=2))
    _asked_again(people, at - timedelta(days=1))
    _just_here(at - timedelta(hours=3))
    return NEWCOMERS


def _almost_there(at: datetime) -> None:
    """A French company that gave everything; one of its owners is called like somebody on the list, and its papers wait for a reviewer."""
    seller = _open("new-lumiere", "Atelier Lumière SAS", "company", "FR", "EUR", at)
    for code, value in (
        ("terms_accepted", "2026-01"), ("trader_commitment", "We offer only what the law of the European Union allows."),
        ("registration_number", "732829320"), ("vat_number", "FR44732829320"), ("legal_entity", "12 rue Mercière, 69002 Lyon"),
    ):  # fmt: skip
        _answer(seller, code, value, at)
    zoltan = _name(seller, "Zoltan Krabbenhoft", ["owner", "representative"], "HU", date(1961, 4, 17), at)
    claire = _name(seller, "Claire Vasseur", ["owner"], "FR", date(1984, 9, 2), at)
    holding = _name(seller, "Lumière Holding SARL", ["owner"], "FR", None, at)
    stakes: list[tuple[str, str | None, int]] = [(holding.public_id, None, 6_000), (claire.public_id, None, 4_000)]
    stakes += [(zoltan.public_id, holding.public_id, 7_000), (claire.public_id, holding.public_id, 3_000)]
    declare_ownership(seller_id=seller.pk, stakes=stakes, actor=_THEMSELVES, at=at)
    _upload(seller, "registration_document", "Extrait Kbis", "Atelier Lumière SAS, SIREN 732 829 320", at)
    for person in (zoltan, claire):
        _upload(seller, "owner_identity", "Passport", person.name, at, person=person)
    _upload(seller, "representative_identity", "Passport", zoltan.name, at, person=zoltan)
    change_payee_account(
        seller_id=seller.pk, currency="EUR", kind="iban", account_holder=seller.legal_name, number="FR1420041010050500013M02606",
        actor=_THEMSELVES, key="demo:newcomer:payee", at=at,
    )  # fmt: skip


def _asked_again(people: dict[str, Actor], at: datetime) -> None:
    """A sole trader whose passport could not be read, and who was asked for one thing more."""
    seller = _open("new-maple", "Dana Maple", "sole_trader", "US", "USD", at)
    _answer(seller, "terms_accepted", "2026-01", at)
    _answer(seller, "legal_entity", "12 Main Street, Springfield, IL 62701", at)
    paper = _upload(seller, "identity", "Passport", "Dana Maple", at)
    later = at + timedelta(hours=5)
    refuse_document(document_id=paper, refusal="document_unreadable", text="The photo is blurred: take it again in daylight.",
                    actor=people["compliance"], at=later)  # fmt: skip
    ask_seller(
        seller_id=seller.pk,
        text="Please tell us under which name your shop appears to buyers.",
        actor=people["compliance"],
        at=later,
    )


def _just_here(at: datetime) -> None:
    seller = _open("new-kiez", "Kiezgeräte UG", "company", "DE", "EUR", at)
    _answer(seller, "terms_accepted", "2026-01", at)


def _open(external_id: str, name: str, entity: str, country: str, currency: str, at: datetime) -> Seller:
    return create_seller(
        external_id=external_id, legal_name=name, entity_type=entity, country=country, currency=currency, tier="new", schedule="weekly",
        actor=_THEMSELVES, key=f"demo:{external_id}", at=at,
    )  # fmt: skip


def _row(seller: Seller, code: str, person: Person | None = None) -> Requirement:
    return Requirement.objects.get(seller=seller, code=code, person=person)


def _answer(seller: Seller, code: str, value: str, at: datetime) -> None:
    answer_requirement(requirement_id=_row(seller, code).pk, value=value, actor=_THEMSELVES, at=at)


def _name(seller: Seller, name: str, roles: list[str], country: str, born: date | None, at: datetime) -> Person:
    facts: dict[str, Any] = {"birth_on": born} if born else {}
    return add_person(
        seller_id=seller.pk, kind="person" if born else "company", name=name, roles=roles, country=country, actor=_THEMSELVES,
        key=f"demo:{name}", at=at, **facts,
    )  # fmt: skip


def _upload(seller: Seller, code: str, title: str, about: str, at: datetime, person: Person | None = None) -> int:
    """Hand in a specimen of a paper; return the document's number."""
    row = _row(seller, code, person)
    paper = _specimen(title, about, row.public_id)
    return upload_document(requirement_id=row.pk, data=paper, actor=_THEMSELVES, key=f"demo:{row.public_id}", at=at).pk


def _specimen(title: str, about: str, number: str) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setFont("Helvetica-Bold", 20)
    canvas.drawString(72, 740, f"{title} (specimen)")
    canvas.setFont("Helvetica", 12)
    for line, text in enumerate((about, "Made for the demo marketplace. It proves nothing.", number)):
        canvas.drawString(72, 700 - 20 * line, text)
    canvas.save()
    return out.getvalue()
