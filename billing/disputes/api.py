"""Disputes by API: a partner sees those of its sellers, writes evidence, sends it, accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit.api.answers import instant, money
from backoffice.kit.api.fields import MoneyOut, ObjectOut, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from billing.disputes import evidence, operations
from billing.disputes.models import Dispute
from billing.disputes.states import DisputeStatus, WorkState

COLUMNS = (
    "id", "public_id", "opened_at", "status", "work_state", "amount_minor", "currency", "reason", "network_code", "seller__public_id",
    "payment", "order_ref", "due_by", "seller_due_by", "auto_accept_at", "submission_count", "settled_minor", "settled_currency",
)  # fmt: skip
REFUSALS = [
    "dispute_needs_no_answer:409:The provider asks for no answer to this dispute: it is lost.",
    "dispute_work_done:409:Our answer to this dispute is evidence sent already.",
]


class DisputeOut(ObjectOut):
    """A payment a buyer's bank disputes. `status` is the bank's side, `work_state` ours."""

    status = serializers.ChoiceField(choices=DisputeStatus.choices)
    work_state = serializers.ChoiceField(choices=WorkState.choices)
    amount = MoneyOut(allow_null=True, help_text="Null while it is a mere early warning.")
    reason = serializers.CharField()
    network_code = serializers.CharField()
    seller = serializers.CharField(allow_null=True)
    payment = serializers.CharField(allow_null=True)
    order_ref = serializers.CharField()
    due_by = serializers.DateTimeField(allow_null=True, help_text="The provider's deadline.")
    seller_due_by = serializers.DateTimeField(allow_null=True, help_text="Until then the seller's evidence is looked at.")
    auto_accept_at = serializers.DateTimeField(allow_null=True, help_text="When it is accepted by itself; evidence stops that.")
    submission_count = serializers.IntegerField()
    charged = MoneyOut(allow_null=True, help_text="What the loss cost, once lost.")


class EvidenceTextsIn(StrictSerializer):
    """Texts of the pack by field; an empty one takes the field off, others stay."""

    product_description = Text(required=False, allow_blank=True, max_length=evidence.TEXT_MAX)
    uncategorized_text = Text(required=False, allow_blank=True, max_length=evidence.TEXT_MAX)
    customer_name = Text(required=False, allow_blank=True, max_length=200)
    customer_email_address = Text(required=False, allow_blank=True, max_length=320)
    customer_purchase_ip = Text(required=False, allow_blank=True, max_length=45)
    billing_address = Text(required=False, allow_blank=True, max_length=1_000)
    shipping_address = Text(required=False, allow_blank=True, max_length=1_000)
    shipping_carrier = Text(required=False, allow_blank=True, max_length=200)
    shipping_date = Text(required=False, allow_blank=True, max_length=40)
    shipping_tracking_number = Text(required=False, allow_blank=True, max_length=200)
    service_date = Text(required=False, allow_blank=True, max_length=40)
    access_activity_log = Text(required=False, allow_blank=True, max_length=evidence.TEXT_MAX)
    refund_policy_disclosure = Text(required=False, allow_blank=True, max_length=evidence.TEXT_MAX)
    refund_refusal_explanation = Text(required=False, allow_blank=True, max_length=evidence.TEXT_MAX)
    cancellation_policy_disclosure = Text(required=False, allow_blank=True, max_length=evidence.TEXT_MAX)
    cancellation_rebuttal = Text(required=False, allow_blank=True, max_length=evidence.TEXT_MAX)
    duplicate_charge_explanation = Text(required=False, allow_blank=True, max_length=evidence.TEXT_MAX)
    duplicate_charge_id = Text(required=False, allow_blank=True, max_length=120)


class EvidenceFileOut(serializers.Serializer[Any]):
    """One file of the pack; its bytes are not answered."""

    field = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    pages = serializers.IntegerField()
    sha256 = serializers.CharField()


class EvidenceOut(serializers.Serializer[Any]):
    """The pack as it would be sent. `content_hash` names exactly this content: sending asks for it."""

    object = serializers.CharField()
    dispute = serializers.CharField()
    texts = serializers.DictField(child=serializers.CharField())
    files = EvidenceFileOut(many=True)
    size_bytes = serializers.IntegerField()
    size_bytes_max = serializers.IntegerField()
    pages = serializers.IntegerField()
    pages_max = serializers.IntegerField()
    content_hash = serializers.CharField()
    livemode = serializers.BooleanField()


class SubmitIn(StrictSerializer):
    """The hash of the pack as it was read last; another content is refused, because only one submission counts."""

    content_hash = Text(min_length=64, max_length=64)


class AcceptIn(StrictSerializer):
    """Why the dispute is not fought."""

    reason = Text(max_length=500)


_ID = "dsp_01jd3k5m6n7p8q9r0s1t2v3w4x"
_HASH = "0" * 64
EXAMPLE = {
    "id": _ID, "object": "dispute", "created_at": "2026-11-21T09:30:00Z", "livemode": False, "status": "needs_response",
    "work_state": "triage", "amount": {"amount_minor": 12000, "currency": "EUR"}, "reason": "product_not_received", "network_code": "13.1",
    "seller": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x", "payment": "pmt_01jd3k5m6n7p8q9r0s1t2v3w4x", "order_ref": "o-1",
    "due_by": "2026-12-05T23:59:59Z", "seller_due_by": "2026-12-02T23:59:59Z", "auto_accept_at": None, "submission_count": 0, "charged": None,
}  # fmt: skip
EVIDENCE_EXAMPLE = {
    "object": "dispute_evidence", "dispute": _ID, "texts": {"shipping_carrier": "Colissimo"},
    "files": [{"field": "receipt", "media_type": "application/pdf", "size_bytes": 48213, "pages": 1, "sha256": _HASH}],
    "size_bytes": 48213, "size_bytes_max": evidence.BYTES_MAX, "pages": 1, "pages_max": evidence.PAGES_MAX, "content_hash": _HASH,
    "livemode": False,
}  # fmt: skip
FILTERS = [
    Filter("status", "status", serializers.ChoiceField(choices=DisputeStatus.choices)),
    Filter("work_state", "work_state", serializers.ChoiceField(choices=WorkState.choices)),
    Filter("seller", "seller__public_id", Text(max_length=40)),
    Filter("payment", "payment", Text(max_length=40)),
    *instants("due_by", "due_by"),
]


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    (
        _, public_id, opened_at, status, work_state, amount_minor, currency, reason, network_code, seller, payment, order_ref, due_by,
        seller_due_by, auto_accept_at, submission_count, settled_minor, settled_currency,
    ) = row  # fmt: skip
    return {
        "id": public_id, "object": "dispute", "created_at": instant(opened_at), "livemode": livemode, "status": status,
        "work_state": work_state, "amount": None if amount_minor is None else money(amount_minor, currency), "reason": reason,
        "network_code": network_code, "seller": seller, "payment": payment or None, "order_ref": order_ref, "due_by": instant(due_by),
        "seller_due_by": instant(seller_due_by), "auto_accept_at": instant(auto_accept_at), "submission_count": submission_count,
        "charged": money(settled_minor, settled_currency) if settled_minor else None,
    }  # fmt: skip


def disputes_of(caller: Any) -> QuerySet[Dispute]:
    return Dispute.objects.filter(partner_id=caller.partner_id)


def one_dispute(caller: Any, public_id: str) -> Dispute:
    row = disputes_of(caller).filter(public_id=public_id).first()
    if row is None:
        raise NotFound(what="dispute", ref=public_id)
    return row


def shown(caller: Any, public_id: str) -> dict[str, Any]:
    return represent(disputes_of(caller).filter(public_id=public_id).values_list(*COLUMNS).get(), caller.livemode)


def pack_shown(caller: Any, row: Dispute) -> dict[str, Any]:
    pack = evidence.pack_of(row)
    size = evidence.measure(pack)
    files = [{name: getattr(one, name) for name in EVIDENCE_EXAMPLE["files"][0]} for one in evidence.files_of(pack)]  # type: ignore[index]
    return {
        "object": "dispute_evidence", "dispute": row.public_id, "texts": evidence.texts_of(pack), "files": files, "size_bytes": size.bytes,
        "size_bytes_max": evidence.BYTES_MAX, "pages": size.pages, "pages_max": evidence.PAGES_MAX, "content_hash": size.content_hash,
        "livemode": caller.livemode,
    }  # fmt: skip


class Disputes(ApiView):
    """The disputes of the partner's sellers."""

    @listing(operation="list_disputes", scope="disputes:read", answers=DisputeOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List disputes, newest first."""
        return page.of(disputes_of(request.user), COLUMNS, lambda row: represent(row, request.user.livemode))


class OneDispute(ApiView):
    """One dispute."""

    @question(operation="get_dispute", scope="disputes:read", answers=DisputeOut, example=EXAMPLE)
    def get(self, request: Any, dispute_id: str) -> dict[str, Any]:
        """Read one dispute."""
        return shown(request.user, one_dispute(request.user, dispute_id).public_id)


class DisputeEvidence(ApiView):
    """The evidence of a dispute."""

    @question(operation="get_dispute_evidence", scope="disputes:read", answers=EvidenceOut, example=EVIDENCE_EXAMPLE)
    def get(self, request: Any, dispute_id: str) -> dict[str, Any]:
        """Read the pack as it would be sent."""
        return pack_shown(request.user, one_dispute(request.user, dispute_id))

    @verb(
        operation="update_dispute_evidence",
        scope="disputes:write",
        takes=EvidenceTextsIn,
        answers=EvidenceOut,
        example_in={"shipping_carrier": "Colissimo"},
        example=EVIDENCE_EXAMPLE,
        status=200,
        refusals=REFUSALS,
    )
    def post(self, request: Any, dispute_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Write texts of the pack. Papers go to `evidence/files`."""
        row = one_dispute(request.user, dispute_id)
        operations.write_evidence(dispute_id=row.pk, texts=given, actor=call.actor, at=call.at)
        return pack_shown(request.user, row)


class DisputeSubmit(ApiView):
    """Send the evidence."""

    @verb(
        operation="create_dispute_submission",
        scope="disputes:write",
        takes=SubmitIn,
        answers=DisputeOut,
        example_in={"content_hash": _HASH},
        example=EXAMPLE | {"work_state": "submitted"},
        status=200,
        refusals=[
            *REFUSALS,
            "evidence_changed:409:The pack has changed since it was shown. Look at it again: only one submission counts.",
        ],
    )
    def post(self, request: Any, dispute_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Have the pack sent to the bank, exactly as it was read. Only one submission counts; it leaves within seconds."""
        row = one_dispute(request.user, dispute_id)
        operations.submit_evidence(dispute_id=row.pk, content_hash=given["content_hash"], actor=call.actor, at=call.at)
        return shown(request.user, dispute_id)


class DisputeAccept(ApiView):
    """Give up a dispute."""

    @verb(
        operation="create_dispute_acceptance",
        scope="disputes:write",
        takes=AcceptIn,
        answers=DisputeOut,
        example_in={"reason": "The parcel was lost."},
        example=EXAMPLE | {"work_state": "accepted"},
        status=200,
        refusals=REFUSALS,
    )
    def post(self, request: Any, dispute_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Accept the dispute as lost: the buyer keeps the money, and the seller bears it. There is no way back."""
        row = one_dispute(request.user, dispute_id)
        operations.accept_dispute(dispute_id=row.pk, actor=call.actor, at=call.at, reason=given["reason"])
        return shown(request.user, dispute_id)
