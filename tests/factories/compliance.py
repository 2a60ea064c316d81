"""Sellers on their way to being paid, papers, and a screening that stands in for the other wing at its socket."""

from __future__ import annotations

import io
import itertools
import zlib
from datetime import UTC, date, datetime
from typing import Any

from PIL import Image

from backoffice.kit.actors import Actor, staff, system
from payouts.compliance.models import Document, Person, Requirement
from payouts.compliance.operations import (
    accept_requirement,
    add_person,
    answer_requirement,
    declare_ownership,
    upload_document,
    validate_document,
)
from payouts.sellers.models import Seller
from tests.factories.sellers import make_payee, make_seller

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SELLER, REVIEWER, SECOND = system("the-seller"), staff(900_001), staff(900_002)
SIREN, FR_VAT = "732829320", "FR44732829320"
_numbers = itertools.count(1)


class ListedNames:
    """A screening at the socket: remembers whom it has seen, and finds those whose name stands on its list."""

    def __init__(self) -> None:
        self.listed: set[str] = set()
        self.seen: dict[str, str] = {}

    def screen(self, *, subject: str, names: list[str], **facts: Any) -> str:
        self.seen[subject] = "hits" if self.listed & set(names) else "clean"
        return self.seen[subject]

    def standing(self, subject: str) -> str:
        return self.seen.get(subject, "never_screened")


def make_newcomer(**over: Any) -> Seller:
    """Return a seller just created: a French company unless said otherwise, with everything still to show."""
    return make_seller(**({"status": "created"} | over))


def row(seller: Seller, code: str, person: Person | None = None) -> Requirement:
    return Requirement.objects.get(seller=seller, code=code, person=person)


def states(seller: Seller) -> dict[str, str]:
    """Return {code: state}, of persons' rows under code:n in the order of the persons."""
    found: dict[str, str] = {}
    for one in Requirement.objects.filter(seller=seller).order_by("pk"):
        name = one.code if one.code not in found else f"{one.code}:{sum(key.startswith(one.code) for key in found)}"
        found[name] = one.state
    return found


def answer(seller: Seller, code: str, value: str, at: datetime = AT) -> Requirement:
    return answer_requirement(requirement_id=row(seller, code).pk, value=value, actor=SELLER, at=at)


def name_person(
    seller: Seller, name: str = "Ada Martin", *roles: str, kind: str = "person", at: datetime = AT, **over: Any
) -> Person:
    facts: dict[str, Any] = {"country": "FR", "birth_on": date(1980, 5, 17) if kind == "person" else None} | over
    return add_person(
        seller_id=seller.pk, kind=kind, name=name, roles=roles or ("owner",), actor=SELLER, key=f"person:{next(_numbers)}", at=at, **facts
    )  # fmt: skip


def upload(requirement: Requirement, data: bytes | None = None, at: datetime = AT, actor: Actor = SELLER) -> Document:
    return upload_document(
        requirement_id=requirement.pk, data=data or make_pdf(), actor=actor, key=f"upload:{next(_numbers)}", at=at
    )


def prove(requirement: Requirement, at: datetime = AT, expires_on: date | None = None) -> Document:
    """Upload a paper and have a reviewer accept it."""
    document = upload(requirement, at=at)
    return validate_document(document_id=document.pk, actor=REVIEWER, at=at, expires_on=expires_on)


def onboard(seller: Seller, at: datetime = AT) -> Seller:
    """Give everything a French company owes but the screening, and have it accepted."""
    answer(seller, "terms_accepted", "2026-01", at)
    answer(seller, "legal_entity", "1 rue de la Paix, 75002 Paris", at)
    answer(seller, "registration_number", SIREN, at)
    answer(seller, "vat_number", FR_VAT, at)
    accept_requirement(requirement_id=row(seller, "legal_entity").pk, actor=REVIEWER, at=at, reason="as in the register")
    prove(row(seller, "registration_document"), at)
    ada = name_person(seller, "Ada Martin", "owner", "representative", at=at)
    ben = name_person(seller, "Ben Durand", "owner", at=at)
    declare_ownership(
        seller_id=seller.pk, stakes=[(ada.public_id, None, 6_000), (ben.public_id, None, 4_000)], actor=SELLER, at=at
    )
    accept_requirement(requirement_id=row(seller, "beneficial_owners").pk, actor=REVIEWER, at=at, reason="adds up")
    for person, code in ((ada, "owner_identity"), (ben, "owner_identity"), (ada, "representative_identity")):
        prove(row(seller, code, person), at)
    make_payee(seller, at=at)
    seller.refresh_from_db()
    return seller


# --- papers ----------------------------------------------------------------------------------------------------------------


def make_pdf(pages: int = 1, *, objects: bytes = b"", stream: bytes = b"", stream_dict: bytes = b"", tail: bytes = b"") -> bytes:
    """Return a small valid PDF, unlike any other by its number; `objects` and a stream may be smuggled in."""
    body = [b"%PDF-1.7\n", b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n", b"%% number %d\n" % next(_numbers)]
    kids = b" ".join(b"%d 0 R" % (number + 3) for number in range(pages))
    body.append(b"2 0 obj\n<< /Type /Pages /Kids [%s] /Count %d >>\nendobj\n" % (kids, pages))
    body += [
        b"%d 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>\nendobj\n" % (number + 3) for number in range(pages)
    ]
    if stream:
        body.append(b"900 0 obj\n<< /Length %d %s >>\nstream\n%s\nendstream\nendobj\n" % (len(stream), stream_dict, stream))
    body += [objects, b"trailer\n<< /Root 1 0 R >>\n%%EOF\n", tail]
    return b"".join(body)


def make_image(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (next(_numbers) % 256, 90, 120)).save(out, kind)
    return out.getvalue()


def deflated(data: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        data = zlib.compress(data, 9)
    return data
