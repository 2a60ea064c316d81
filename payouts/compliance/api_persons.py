"""Who stands behind a seller and who owns it, as the seller's partner sees and tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from backoffice.kit.api.answers import instant
from backoffice.kit.api.fields import ObjectOut, PublicId, StrictSerializer, Text, WholeNumber
from backoffice.kit.api.lists import Page
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from payouts.compliance import operations
from payouts.compliance.api import COMMON, PERSON_ID, READ, SELLER_ID, WRITE, row_id_of
from payouts.compliance.models import Person, PersonKind, Role
from payouts.compliance.queries import ownership_picture
from payouts.sellers.api import seller_row_id
from payouts.sellers.models import Seller

PERSON_COLUMNS = ("id", "public_id", "created_at", "kind", "roles", "country", "removed_at")


class PersonOut(ObjectOut):
    """Somebody, or a company, behind a seller. What identifies them is not given back."""

    seller = serializers.CharField()
    kind = serializers.ChoiceField(PersonKind.choices)
    roles = serializers.ListField(child=serializers.ChoiceField(Role.choices))
    country = serializers.CharField()
    removed_at = serializers.DateTimeField(allow_null=True)


class PersonIn(StrictSerializer):
    """An owner, director, representative or signatory; a company can be an owner only."""

    kind = serializers.ChoiceField(PersonKind.choices)
    name = Text(max_length=200)
    roles = serializers.ListField(child=serializers.ChoiceField(Role.choices), min_length=1, max_length=4)
    country = Text(min_length=2, max_length=2)
    birth_on = serializers.DateField(required=False)
    address = Text(max_length=300, required=False, allow_blank=True)
    phone = Text(max_length=40, required=False, allow_blank=True)


class PersonRemoveIn(StrictSerializer):
    """Why somebody is no longer named; kept in the audit trail."""

    reason = Text(max_length=500)


class StakeIn(StrictSerializer):
    """A share: of the seller, or of a company above it."""

    holder = PublicId("per")
    company = PublicId("per", required=False, allow_null=True, help_text="Empty: the seller itself.")
    basis_points = WholeNumber(min_value=1, max_value=10_000, help_text="2500 is 25 %.")


class OwnershipIn(StrictSerializer):
    """The whole picture at once; it replaces the one before."""

    stakes = serializers.ListField(child=StakeIn(), max_length=500)


class OwnerOut(serializers.Serializer[Any]):
    """One line of the picture; shares in basis points, rounded down."""

    person = serializers.CharField()
    depth = serializers.IntegerField()
    direct_basis_points = serializers.IntegerField()
    effective_basis_points = serializers.IntegerField()
    beneficial_owner = serializers.BooleanField()


class OwnershipOut(serializers.Serializer[Any]):
    """Who owns a seller, and what does not add up."""

    object = serializers.CharField()
    seller = serializers.CharField()
    livemode = serializers.BooleanField()
    owners = OwnerOut(many=True)
    problems = serializers.ListField(child=serializers.CharField())


PERSON_EXAMPLE = {
    "id": PERSON_ID, "object": "person", **COMMON, "seller": SELLER_ID, "kind": "person", "roles": ["owner", "representative"], "country": "FR",
    "removed_at": None,
}  # fmt: skip
PERSON_IN_EXAMPLE = {
    "kind": "person", "name": "Ada Martin", "roles": ["owner", "representative"], "country": "FR", "birth_on": "1980-05-17",
}  # fmt: skip
OWNERSHIP_EXAMPLE = {
    "object": "ownership", "seller": SELLER_ID, "livemode": False, "problems": ["40 % of the shares are not accounted for."],
    "owners": [{"person": PERSON_ID, "depth": 0, "direct_basis_points": 6000, "effective_basis_points": 6000, "beneficial_owner": True}],
}  # fmt: skip


def represent_person(row: tuple[Any, ...], seller: str, livemode: bool) -> dict[str, Any]:
    _, public_id, created_at, kind, roles, country, removed_at = row
    return {
        "id": public_id, "object": "person", "created_at": instant(created_at), "livemode": livemode, "seller": seller, "kind": kind,
        "roles": roles, "country": country, "removed_at": instant(removed_at),
    }  # fmt: skip


class SellerPersons(ApiView):
    """Who stands behind a seller."""

    @listing(operation="list_persons", scope=READ, answers=PersonOut, example=PERSON_EXAMPLE)
    def get(self, request: Any, seller_id: str, page: Page) -> dict[str, Any]:
        """List the persons and companies behind a seller, newest first, with those who left."""
        rows = Person.objects.filter(seller_id=seller_row_id(request.user, seller_id))
        return page.of(rows, PERSON_COLUMNS, lambda row: represent_person(row, seller_id, request.user.livemode))

    @verb(
        operation="create_person",
        scope=WRITE,
        takes=PersonIn,
        answers=PersonOut,
        example_in=PERSON_IN_EXAMPLE,
        example=PERSON_EXAMPLE,
        refusals=["person_invalid:422:birth_on is missing: a person has a date of birth."],
    )
    def post(self, request: Any, seller_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Name somebody behind a seller. What the role asks of them becomes a requirement."""
        row_id = seller_row_id(request.user, seller_id)
        person = operations.add_person(seller_id=row_id, **given, actor=call.actor, key=call.key, at=call.at)
        return represent_person(
            Person.objects.filter(pk=person.pk).values_list(*PERSON_COLUMNS)[0], seller_id, request.user.livemode
        )


class PersonRemove(ApiView):
    """Taking somebody off a seller."""

    @verb(
        operation="cancel_person",
        scope=WRITE,
        takes=PersonRemoveIn,
        answers=PersonOut,
        example_in={"reason": "Sold her shares in March."},
        example=PERSON_EXAMPLE | {"removed_at": "2026-11-21T09:30:00Z"},
        status=200,
        refusals=["person_holds_shares:409:This person still holds shares; send the ownership without them first."],
    )
    def post(self, request: Any, seller_id: str, person_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Take somebody who left off a seller; the row stays as history."""
        row_id = row_id_of(Person, seller_row_id(request.user, seller_id), person_id, "person")
        operations.remove_person(person_id=row_id, actor=call.actor, at=call.at, reason=given["reason"])
        return represent_person(
            Person.objects.filter(pk=row_id).values_list(*PERSON_COLUMNS)[0], seller_id, request.user.livemode
        )


class SellerOwnership(ApiView):
    """Who owns a seller."""

    @question(operation="get_ownership", scope=READ, answers=OwnershipOut, example=OWNERSHIP_EXAMPLE)
    def get(self, request: Any, seller_id: str) -> dict[str, Any]:
        """Read the ownership: effective shares through all layers, and what does not add up."""
        return _ownership(request, seller_id)

    @verb(
        operation="update_ownership",
        scope=WRITE,
        takes=OwnershipIn,
        answers=OwnershipOut,
        example_in={"stakes": [{"holder": PERSON_ID, "company": None, "basis_points": 6000}]},
        example=OWNERSHIP_EXAMPLE,
        status=200,
        needs_key=False,
        refusals=["stakes_invalid:422:The same share stands twice; add it up."],
    )
    def put(self, request: Any, seller_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Say who owns what, the whole picture at once. Gaps and circles are accepted and flagged; the requirement then stays open."""
        stakes = [(one["holder"], one.get("company"), one["basis_points"]) for one in given["stakes"]]
        operations.declare_ownership(
            seller_id=seller_row_id(request.user, seller_id), stakes=stakes, actor=call.actor, at=call.at
        )
        return _ownership(request, seller_id)


def _ownership(request: Any, seller_id: str) -> dict[str, Any]:
    seller = Seller.objects.get(pk=seller_row_id(request.user, seller_id))
    lines, problems = ownership_picture(seller)
    owners = [
        {
            "person": one.person.public_id, "depth": one.depth, "direct_basis_points": int(one.direct * 10_000),
            "effective_basis_points": int(one.effective * 10_000), "beneficial_owner": one.is_beneficial,
        }
        for one in lines
    ]  # fmt: skip
    return {"object": "ownership", "seller": seller_id, "livemode": request.user.livemode, "owners": owners, "problems": problems}
