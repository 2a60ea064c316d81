"""The statement of a payout, as JSON, PDF or CSV: the caller says which in Accept, the rows and the total are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer

from backoffice.kit.api.answers import money
from backoffice.kit.api.fields import MoneyOut
from backoffice.kit.api.views import ApiView, question
from payouts.runs.api import one_payout
from payouts.runs.models import Payout
from payouts.runs.states import PayoutStatus
from payouts.statements.render import statement, statement_csv, statement_pdf


class PdfRenderer(BaseRenderer):
    """Offers PDF in content negotiation; the bytes are made by the statement itself."""

    media_type = "application/pdf"
    format = "pdf"
    charset = None
    render_style = "binary"


class CsvRenderer(BaseRenderer):
    """Offers CSV in content negotiation; the bytes are made by the statement itself."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"


class StatementSellerOut(serializers.Serializer[Any]):
    """Whose statement."""

    id = serializers.CharField()
    external_id = serializers.CharField()
    legal_name = serializers.CharField()


class StatementLineOut(serializers.Serializer[Any]):
    """One frozen line."""

    line = serializers.IntegerField()
    kind = serializers.CharField()
    text = serializers.CharField()
    order_ref = serializers.CharField(allow_blank=True)
    external_id = serializers.CharField(allow_blank=True)
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    occurred_at = serializers.DateTimeField(allow_null=True)
    gross = MoneyOut(allow_null=True)
    fee = MoneyOut(allow_null=True)
    amount = MoneyOut()


class StatementSumOut(serializers.Serializer[Any]):
    """All lines of one kind together."""

    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()
    amount = MoneyOut()


class StatementOut(serializers.Serializer[Any]):
    """A payout's statement; the lines add up to the total, which is the payout's amount."""

    object = serializers.CharField()
    payout = serializers.CharField()
    reference = serializers.CharField(allow_blank=True, help_text="What the seller's bank statement shows.")
    seller = StatementSellerOut()
    payee_account = serializers.CharField(help_text="Masked.")
    status = serializers.ChoiceField(PayoutStatus.choices)
    currency = serializers.CharField()
    amount = MoneyOut()
    built_at = serializers.DateTimeField()
    expected_arrival_on = serializers.DateField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    lines = StatementLineOut(many=True)
    summary = StatementSumOut(many=True)
    total = MoneyOut()


EXAMPLE = {
    "object": "payout_statement",
    "payout": "pay_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "reference": "PAYOUT 01JD3K5M6N",
    "seller": {"id": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x", "external_id": "refurb-lyon-17", "legal_name": "Refurb Lyon SARL"},
    "payee_account": "FR •••• 0189",
    "status": "paid",
    "currency": "EUR",
    "amount": money(9504, "EUR"),
    "built_at": "2026-11-21T09:30:00Z",
    "expected_arrival_on": "2026-11-23",
    "paid_at": "2026-11-23T08:00:00Z",
    "lines": [
        {
            "line": 1,
            "kind": "sale",
            "text": "Sale",
            "order_ref": "order-5120",
            "external_id": "line-771",
            "source": "ern_01jd3k5m6n7p8q9r0s1t2v3w4x",
            "occurred_at": "2026-11-01T18:02:11Z",
            "gross": money(10800, "EUR"),
            "fee": money(1296, "EUR"),
            "amount": money(9504, "EUR"),
        }
    ],
    "summary": [{"kind": "sale", "label": "sale", "count": 1, "amount": money(9504, "EUR")}],
    "total": money(9504, "EUR"),
}
_WRITERS: dict[str, Callable[[Payout], bytes]] = {"pdf": statement_pdf, "csv": statement_csv}


class PayoutStatement(ApiView):
    """What a payout consists of, to keep or to file."""

    renderer_classes = (JSONRenderer, PdfRenderer, CsvRenderer)

    @question(
        operation="get_payout_statement",
        scope="payouts:read",
        answers=StatementOut,
        example=EXAMPLE,
        more_answers={
            (200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, description="Found."),
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="Found."),
        },
    )
    def get(self, request: Any, payout_id: str) -> dict[str, Any] | HttpResponse:
        """Read the statement of a payout as JSON, PDF (Accept: application/pdf) or CSV (Accept: text/csv)."""
        payout, kind = one_payout(request.user, payout_id), request.accepted_renderer
        if kind.format not in _WRITERS:
            return statement(payout)
        charset = f"; charset={kind.charset}" if kind.charset else ""
        headers = {"Content-Disposition": f'attachment; filename="{payout.public_id}.{kind.format}"'}
        return HttpResponse(_WRITERS[kind.format](payout), content_type=kind.media_type + charset, headers=headers)
