"""What a seller has to show, and how it is given, as the seller's partner sees it: the rows, the answers and the capabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from backoffice.kit.api.answers import instant
from backoffice.kit.api.fields import ObjectOut, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from payouts.compliance import operations
from payouts.compliance.models import Requirement
from payouts.compliance.queries import capabilities_of
from payouts.compliance.states import Capability, RequirementState
from payouts.sellers.api import seller_row_id
from payouts.sellers.models import Seller

READ, WRITE = "onboarding:read", "onboarding:write"
REQUIREMENT_COLUMNS = (
    "id", "public_id", "created_at", "code", "title", "seller_text", "why", "source", "evidence", "alternatives", "capabilities", "gating",
    "state", "by_person", "deadline_at", "expires_at", "error_code", "error_text", "person__public_id", "catalogue",
)  # fmt: skip
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


SELLER_ID, REQUIREMENT_ID, PERSON_ID, DOCUMENT_ID = (
    f"{prefix}_01jd3k5m6n7p8q9r0s1t2v3w4x" for prefix in ("sel", "req", "per", "doc")
)
COMMON = {"created_at": "2026-11-21T09:30:00Z", "livemode": False}
REQUIREMENT_EXAMPLE: dict[str, Any] = {
    "id": REQUIREMENT_ID, "object": "requirement", **COMMON, "seller": SELLER_ID, "person": PERSON_ID, "code": "owner_identity", "title": "Identity of an owner",
    "text": "Upload a passport, identity card or residence permit of this owner.",
    "why": "The identity of each beneficial owner is verified.", "source": "Code monétaire et financier, articles L561-5 and R561-5-1",
    "evidence": "document:identity", "alternatives": ["passport", "identity_card", "residence_permit"], "capabilities": ["pay_out"],
    "blocks_until_met": True, "state": "currently_due", "awaiting": "seller", "deadline_at": None, "expires_at": None,
    "error": {"code": "document_unreadable", "detail": "The photo is blurred. Take it again in daylight."}, "catalogue": "FR 2026-11-21.2",
}  # fmt: skip
CAPABILITIES_EXAMPLE = {
    "object": "capabilities", "seller": SELLER_ID, "livemode": False,
    "data": [{"capability": "sell", "enabled": True, "code": ""}, {"capability": "pay_out", "enabled": False, "code": "requirements_due"}],
}  # fmt: skip
REQUIREMENT_FILTERS = [
    Filter("state", "state", serializers.ChoiceField(RequirementState.choices)),
    Filter("code", "code", Text(max_length=40)),
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


def row_id_of(model: type[Any], seller_row: int, public_id: str, what: str) -> int:
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
        row_id = row_id_of(Requirement, seller_row_id(request.user, seller_id), requirement_id, "requirement")
        operations.answer_requirement(requirement_id=row_id, value=given["value"], actor=call.actor, at=call.at)
        return _one_requirement(row_id, seller_id, request.user.livemode)
