"""Papers that prove something about a seller: how a partner sends them and learns what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from backoffice.kit.api.answers import instant
from backoffice.kit.api.fields import ObjectOut, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page
from backoffice.kit.api.parsing import StrictJSONParser
from backoffice.kit.api.views import ApiView, Call, listing, verb
from payouts.compliance import content, operations
from payouts.compliance.api import COMMON, DOCUMENT_ID, READ, REQUIREMENT_ID, SELLER_ID, WRITE, row_id_of
from payouts.compliance.documents import unpack
from payouts.compliance.models import Document, Requirement
from payouts.compliance.states import DocumentState, RefusalReason
from payouts.sellers.api import seller_row_id

DOCUMENT_COLUMNS = (
    "id", "public_id", "uploaded_at", "requirement__public_id", "kind", "media_type", "size_bytes", "pages", "sha256", "state", "refusal",
    "refusal_text", "expires_on",
)  # fmt: skip


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


DOCUMENT_EXAMPLE = {
    "id": DOCUMENT_ID, "object": "document", **COMMON, "seller": SELLER_ID, "requirement": REQUIREMENT_ID, "kind": "identity", "media_type": "application/pdf",
    "size_bytes": 184_220, "pages": 2, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "state": "refused", "refusal": "document_unreadable", "refusal_text": "The photo is blurred. Take it again in daylight.",
    "expires_on": None,
}  # fmt: skip
DOCUMENT_FILTERS = [
    Filter("state", "state", serializers.ChoiceField(DocumentState.choices)),
    Filter("requirement", "requirement__public_id", PublicId("req")),
]


def represent_document(row: tuple[Any, ...], seller: str, livemode: bool) -> dict[str, Any]:
    found = dict(zip(DOCUMENT_COLUMNS, row, strict=True))
    kept = {name: found[name] for name in DOCUMENT_COLUMNS[4:10]}
    return {
        "id": found["public_id"], "object": "document", "created_at": instant(found["uploaded_at"]), "livemode": livemode, "seller": seller,
        "requirement": found["requirement__public_id"], **kept, "refusal": found["refusal"] or None, "refusal_text": found["refusal_text"],
        "expires_on": found["expires_on"],
    }  # fmt: skip


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
        example_in={"requirement": REQUIREMENT_ID, "content": "JVBERi0xLjcKJeLjz9MK"},
        example=DOCUMENT_EXAMPLE | {"state": "validation_asked", "refusal": None, "refusal_text": ""},
        refusals=[
            "file_type_not_accepted:422:Send a PDF, a JPEG or a PNG; this file is none of them, whatever its name says.",
            "file_is_active:422:The PDF holds scripts, actions, forms with code or attached files. Print it to a new PDF and send that.",
            "document_known:409:This very file was sent for this requirement before and was refused. Send a better one.",
        ],
    )
    def post(self, request: Any, seller_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Send a document for a requirement. Its type is read from its bytes; what could act instead of show is refused."""
        row_id = row_id_of(Requirement, seller_row_id(request.user, seller_id), given["requirement"], "requirement")
        data = unpack(given["content"])
        document = operations.upload_document(requirement_id=row_id, data=data, actor=call.actor, key=call.key, at=call.at)
        row = Document.objects.filter(pk=document.pk).values_list(*DOCUMENT_COLUMNS)[0]
        return represent_document(row, seller_id, request.user.livemode)
