"""What a seller has to show, and how it is given, as the seller's partner sees it: rows, persons, ownership, documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from backoffice.kit.api.answers import instant
from backoffice.kit.api.fields import ObjectOut, PublicId, StrictSerializer, Text, WholeNumber
from backoffice.kit.api.lists import Filter, Page
from backoffice.kit.api.parsing import StrictJSONParser
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from payouts.compliance import content, operations
from payouts.compliance.documents import unpack
from payouts.compliance.models import Document, Person, PersonKind, Requirement, Role
from payouts.compliance.queries import capabilities_of, ownership_picture
from payouts.compliance.states import Capability, DocumentState, RefusalReason, RequirementState
from payouts.sellers.api import seller_row_id
from payouts.sellers.models import Seller

READ, WRITE = "onboarding:read", "onboarding:write"
REQUIREMENT_COLUMNS = (
    "id", "public_id", "created_at", "code", "title", "seller_text", "why", "source", "evidence", "alternatives", "capabilities", "gating",
    "state", "by_person", "deadline_at", "expires_at", "error_code", "error_text", "person__public_id", "catalogue",
)  # fmt: skip
DOCUMENT_COLUMNS = (
    "id", "public_id", "uploaded_at", "requirement__public_id", "kind", "media_type", "size_bytes", "pages", "sha256", "state", "refusal",
    "refusal_text", "expires_on",
)  # fmt: skip
PERSON_COLUMNS = ("id", "public_id", "created_at", "kind", "roles", "country", "removed_at")
_OURS = {RequirementState.PENDING_VERIFICATION}
_DONE = {RequirementState.SATISFIED, RequirementState.WAIVED, RequirementState.WITHDRAWN}


class CapabilityOut(serializers.Serializer[Any]):
    """Whether a seller may do one thing, and the code that says why not."""

    capability = serializers.ChoiceField(Capability.choices)
    enabled = serializers.BooleanField()
    code = serializers.CharField(allow_blank=True)


class RequirementErrorOut(serializers.Serializer[Any]):
    """What was wrong with what was given, in a code and a sentence."""

    code = serializers.CharField()
    detail = serializers.CharField()


class RequirementOut(ObjectOut):
    """One thing a seller has to show: what, why, until when, and what it keeps the seller from."""

    seller = serializers.CharField()
    person = serializers.CharField(allow_null=True, help_text="Whom it is about, where it is about a person.")
    code = serializers.CharField()
    title = serializers.CharField()
    text = serializers.CharField(help_text="What to do, for the seller.")
    why = serializers.CharField()
    source = serializers.CharField(help_text="The rule behind it.")  # type: ignore[assignment]
    evidence = serializers.CharField(
        help_text="What meets it: text, terms, number:…, document:…, role:…, ownership, payee_account; the rest is ours."
    )
    alternatives = serializers.ListField(child=serializers.CharField())
    capabilities = serializers.ListField(child=serializers.CharField())
    blocks_until_met = serializers.BooleanField(help_text="Otherwise its capabilities stay on until the deadline.")
    state = serializers.ChoiceField(RequirementState.choices)
    awaiting = serializers.ChoiceField(["seller", "marketplace", "nobody"])
    deadline_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    error = RequirementErrorOut(allow_null=True)
    catalogue = serializers.CharField(help_text="Country and version of the rules.")


class CapabilitiesOut(serializers.Serializer[Any]):
    """What a seller may do now: derived from its requirements and from orders of the marketplace."""

    object = serializers.CharField()
    seller = serializers.CharField()
    livemode = serializers.BooleanField()
    data = CapabilityOut(many=True)  # type: ignore[assignment]


class AnswerIn(StrictSerializer):
    """A number, a text, or the version of the terms that is accepted."""

    value = Text(max_length=500)


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


class DocumentOut(ObjectOut):
    """A paper that was sent, and what became of it. Its bytes are not given back."""

    seller = serializers.CharField()
    requirement = serializers.CharField()
    kind = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    pages = serializers.IntegerField()
    sha256 = serializers.CharField()
    state = serializers.ChoiceField(DocumentState.choices)
    refusal = serializers.ChoiceField(RefusalReason.choices, allow_null=True)
    refusal_text = serializers.CharField(allow_blank=True)
    expires_on = serializers.DateField(allow_null=True)


class DocumentIn(StrictSerializer):
    """A PDF, JPEG or PNG of up to 10 MB for one requirement; what it is is read from its bytes."""

    requirement = PublicId("req")
    content = Text(max_length=content.BYTES_MAX * 4 // 3 + 8, trim_whitespace=False, help_text="Base64.")


class DocumentParser(StrictJSONParser):
    """The strict parser, for bodies that hold a document."""

    bytes_max = content.BYTES_MAX * 4 // 3 + 4_096


_S, _R, _P, _D = (f"{prefix}_01jd3k5m6n7p8q9r0s1t2v3w4x" for prefix in ("sel", "req", "per", "doc"))
_COMMON = {"created_at": "2026-11-21T09:30:00Z", "livemode": False}
REQUIREMENT_EXAMPLE: dict[str, Any] = {
    "id": _R, "object": "requirement", **_COMMON, "seller": _S, "person": _P, "code": "owner_identity", "title": "Identity of an owner",
    "text": "Upload a passport, identity card or residence permit of this owner.",
    "why": "The identity of each beneficial owner is verified.", "source": "Code monétaire et financier, articles L561-5 and R561-5-1",
    "evidence": "document:identity", "alternatives": ["passport", "identity_card", "residence_permit"], "capabilities": ["pay_out"],
    "blocks_until_met": True, "state": "currently_due", "awaiting": "seller", "deadline_at": None, "expires_at": None,
    "error": {"code": "document_unreadable", "detail": "The photo is blurred. Take it again in daylight."}, "catalogue": "FR 2026-11-21",
}  # fmt: skip
CAPABILITIES_EXAMPLE = {
    "object": "capabilities", "seller": _S, "livemode": False,
    "data": [{"capability": "sell", "enabled": True, "code": ""}, {"capability": "pay_out", "enabled": False, "code": "requirements_due"}],
}  # fmt: skip
PERSON_EXAMPLE = {
    "id": _P, "object": "person", **_COMMON, "seller": _S, "kind": "person", "roles": ["owner", "representative"], "country": "FR",
    "removed_at": None,
}  # fmt: skip
PERSON_IN_EXAMPLE = {
    "kind": "person", "name": "Ada Martin", "roles": ["owner", "representative"], "country": "FR", "birth_on": "1980-05-17",
}  # fmt: skip
OWNERSHIP_EXAMPLE = {
    "object": "ownership", "seller": _S, "livemode": False, "problems": ["40 % of the shares are not accounted for."],
    "owners": [{"person": _P, "depth": 0, "direct_basis_points": 6000, "effective_basis_points": 6000, "beneficial_owner": True}],
}  # fmt: skip
DOCUMENT_EXAMPLE = {
    "id": _D, "object": "document", **_COMMON, "seller": _S, "requirement": _R, "kind": "identity", "media_type": "application/pdf",
    "size_bytes": 184_220, "pages": 2, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "state": "refused", "refusal": "document_unreadable", "refusal_text": "The photo is blurred. Take it again in daylight.",
    "expires_on": None,
}  # fmt: skip
REQUIREMENT_FILTERS = [
    Filter("state", "state", serializers.ChoiceField(RequirementState.choices)),
    Filter("code", "code", Text(max_length=40)),
]
DOCUMENT_FILTERS = [
    Filter("state", "state", serializers.ChoiceField(DocumentState.choices)),
    Filter("requirement", "requirement__public_id", PublicId("req")),
]


def represent_requirement(row: tuple[Any, ...], seller: str, livemode: bool) -> dict[str, Any]:
    found = dict(zip(REQUIREMENT_COLUMNS, row, strict=True))
    state = found["state"]
    return {
        "id": found["public_id"], "object": "requirement", "created_at": instant(found["created_at"]), "livemode": livemode,
        "seller": seller, "person": found["person__public_id"], "code": found["code"], "title": found["title"],
        "text": found["seller_text"], "why": found["why"], "source": found["source"], "evidence": found["evidence"],
        "alternatives": found["alternatives"], "capabilities": found["capabilities"], "blocks_until_met": found["gating"], "state": state,
        "awaiting": "nobody" if state in _DONE else "marketplace" if state in _OURS else "seller",
        "deadline_at": instant(found["deadline_at"]), "expires_at": instant(found["expires_at"]),
        "error": {"code": found["error_code"], "detail": found["error_text"]} if found["error_code"] else None,
        "catalogue": found["catalogue"],
    }  # fmt: skip


def represent_document(row: tuple[Any, ...], seller: str, livemode: bool) -> dict[str, Any]:
    found = dict(zip(DOCUMENT_COLUMNS, row, strict=True))
    kept = {name: found[name] for name in DOCUMENT_COLUMNS[4:10]}
    return {
        "id": found["public_id"], "object": "document", "created_at": instant(found["uploaded_at"]), "livemode": livemode, "seller": seller,
        "requirement": found["requirement__public_id"], **kept, "refusal": found["refusal"] or None, "refusal_text": found["refusal_text"],
        "expires_on": found["expires_on"],
    }  # fmt: skip


def represent_person(row: tuple[Any, ...], seller: str, livemode: bool) -> dict[str, Any]:
    _, public_id, created_at, kind, roles, country, removed_at = row
    return {
        "id": public_id, "object": "person", "created_at": instant(created_at), "livemode": livemode, "seller": seller, "kind": kind,
        "roles": roles, "country": country, "removed_at": instant(removed_at),
    }  # fmt: skip


def _row_id(model: type[Any], seller_row: int, public_id: str, what: str) -> int:
    """Return the row id of something of this very seller: the wall between sellers of one partner stands here. Refuses: NotFound."""
    found = model.objects.filter(seller_id=seller_row, public_id=public_id).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(what=what, ref=public_id)
    return int(found)


def _one_requirement(row_id: int, seller: str, livemode: bool) -> dict[str, Any]:
    return represent_requirement(Requirement.objects.filter(pk=row_id).values_list(*REQUIREMENT_COLUMNS)[0], seller, livemode)


class SellerRequirements(ApiView):
    """What a seller has to show."""

    @listing(
        operation="list_requirements",
        scope=READ,
        answers=RequirementOut,
        example=REQUIREMENT_EXAMPLE,
        filters=REQUIREMENT_FILTERS,
    )
    def get(self, request: Any, seller_id: str, page: Page) -> dict[str, Any]:
        """List a seller's requirements, newest first: what, why, until when, and what was wrong with what was given."""
        rows = Requirement.objects.filter(seller_id=seller_row_id(request.user, seller_id))
        return page.of(rows, REQUIREMENT_COLUMNS, lambda row: represent_requirement(row, seller_id, request.user.livemode))


class SellerCapabilitiesView(ApiView):
    """What a seller may do."""

    @question(operation="get_capabilities", scope=READ, answers=CapabilitiesOut, example=CAPABILITIES_EXAMPLE)
    def get(self, request: Any, seller_id: str) -> dict[str, Any]:
        """Read what a seller may do now, and why not."""
        seller = Seller.objects.get(pk=seller_row_id(request.user, seller_id))
        data = [{"capability": one.capability, "enabled": one.enabled, "code": one.code} for one in capabilities_of(seller)]
        return {"object": "capabilities", "seller": seller_id, "livemode": request.user.livemode, "data": data}


class RequirementAnswer(ApiView):
    """What a seller gives for a requirement."""

    @verb(
        operation="update_requirement",
        scope=WRITE,
        takes=AnswerIn,
        answers=RequirementOut,
        example_in={"value": "732829320"},
        example=REQUIREMENT_EXAMPLE,
        status=200,
        refusals=[
            "invalid_number:422:This is not a valid SIREN. Check it against the document it stands on.",
            "requirement_not_open:409:The requirement is satisfied; nothing is to be given for it now.",
        ],
    )
    def post(self, request: Any, seller_id: str, requirement_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Give a number or a text for a requirement. Numbers are checked at once."""
        row_id = _row_id(Requirement, seller_row_id(request.user, seller_id), requirement_id, "requirement")
        operations.answer_requirement(requirement_id=row_id, value=given["value"], actor=call.actor, at=call.at)
        return _one_requirement(row_id, seller_id, request.user.livemode)


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
        row_id = _row_id(Person, seller_row_id(request.user, seller_id), person_id, "person")
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
        example_in={"stakes": [{"holder": _P, "company": None, "basis_points": 6000}]},
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


class SellerDocuments(ApiView):
    """Papers that prove something about a seller."""

    parser_classes = [DocumentParser]

    @listing(operation="list_documents", scope=READ, answers=DocumentOut, example=DOCUMENT_EXAMPLE, filters=DOCUMENT_FILTERS)
    def get(self, request: Any, seller_id: str, page: Page) -> dict[str, Any]:
        """List the documents of a seller, newest first, with what became of them."""
        rows = Document.objects.filter(seller_id=seller_row_id(request.user, seller_id))
        return page.of(rows, DOCUMENT_COLUMNS, lambda row: represent_document(row, seller_id, request.user.livemode))

    @verb(
        operation="create_document",
        scope=WRITE,
        takes=DocumentIn,
        answers=DocumentOut,
        example_in={"requirement": _R, "content": "JVBERi0xLjcKJeLjz9MK"},
        example=DOCUMENT_EXAMPLE | {"state": "validation_asked", "refusal": None, "refusal_text": ""},
        refusals=[
            "file_type_not_accepted:422:Send a PDF, a JPEG or a PNG; this file is none of them, whatever its name says.",
            "file_is_active:422:The PDF holds scripts, actions, forms with code or attached files. Print it to a new PDF and send that.",
            "document_known:409:This very file was sent for this requirement before and was refused. Send a better one.",
        ],
    )
    def post(self, request: Any, seller_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Send a document for a requirement. Its type is read from its bytes; what could act instead of show is refused."""
        row_id = _row_id(Requirement, seller_row_id(request.user, seller_id), given["requirement"], "requirement")
        data = unpack(given["content"])
        document = operations.upload_document(requirement_id=row_id, data=data, actor=call.actor, key=call.key, at=call.at)
        row = Document.objects.filter(pk=document.pk).values_list(*DOCUMENT_COLUMNS)[0]
        return represent_document(row, seller_id, request.user.livemode)
