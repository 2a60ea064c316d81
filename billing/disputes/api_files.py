"""Papers of an evidence pack as partners put them in and take them out: one a place, measured against the provider's limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from backoffice.kit.api.fields import StrictSerializer, Text
from backoffice.kit.api.parsing import StrictJSONParser
from backoffice.kit.api.views import ApiView, Call, verb
from billing.disputes import evidence, operations
from billing.disputes.api import EVIDENCE_EXAMPLE, EvidenceOut, one_dispute, pack_shown
from payouts.compliance.documents import unpack

_BASE64_MAX = evidence.BYTES_MAX * 4 // 3 + 8


class EvidenceFileIn(StrictSerializer):
    """A PDF, JPEG or PNG for one place of the pack; what it is is read from its bytes. An earlier one there is replaced."""

    field = serializers.ChoiceField(list(evidence.FILE_FIELDS.items()))
    content = Text(max_length=_BASE64_MAX, trim_whitespace=False, help_text="Base64.")


class EvidenceFileRemoveIn(StrictSerializer):
    """Which place of the pack is emptied."""

    field = serializers.ChoiceField(list(evidence.FILE_FIELDS.items()))


class EvidenceParser(StrictJSONParser):
    """The strict parser, for bodies that hold a paper."""

    bytes_max = _BASE64_MAX + 4_096


class DisputeEvidenceFiles(ApiView):
    """Papers of the pack."""

    parser_classes = [EvidenceParser]

    @verb(
        operation="create_dispute_evidence_file",
        scope="disputes:write",
        takes=EvidenceFileIn,
        answers=EvidenceOut,
        example_in={"field": "shipping_documentation", "content": "JVBERi0xLjcKJeLjz9MK"},
        example=EVIDENCE_EXAMPLE,
        refusals=[
            "file_type_not_accepted:422:Send a PDF, a JPEG or a PNG; this file is none of them, whatever its name says.",
            "file_is_active:422:The PDF holds scripts, actions, forms with code or attached files. Print it to a new PDF and send that.",
        ],
    )
    def post(self, request: Any, dispute_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Put a paper into the pack, in the place of an earlier one. The answer says how much of the provider's limits is used."""
        row = one_dispute(request.user, dispute_id)
        data = unpack(given["content"])
        operations.add_evidence_file(dispute_id=row.pk, field=given["field"], data=data, actor=call.actor, at=call.at)
        return pack_shown(request.user, row)


class DisputeEvidenceFileRemove(ApiView):
    """Take a paper out."""

    @verb(
        operation="cancel_dispute_evidence_file",
        scope="disputes:write",
        takes=EvidenceFileRemoveIn,
        answers=EvidenceOut,
        example_in={"field": "shipping_documentation"},
        example=EVIDENCE_EXAMPLE | {"files": [], "size_bytes": 0, "pages": 0},
        status=200,
    )
    def post(self, request: Any, dispute_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Take a paper out of the pack; its bytes are forgotten."""
        row = one_dispute(request.user, dispute_id)
        operations.remove_evidence_file(dispute_id=row.pk, field=given["field"], actor=call.actor, at=call.at)
        return pack_shown(request.user, row)
