"""Refunds of the partner's payments: ask, read, take back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit.api.answers import instant, money
from backoffice.kit.api.fields import MoneyIn, MoneyOut, ObjectOut, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import InputError, NotFound
from billing.invoices.models import Invoice
from billing.payments.models import Payment
from billing.refunds import operations
from billing.refunds.models import Refund
from billing.refunds.requesting import CAUSES
from billing.refunds.states import RefundSource, RefundStatus

COLUMNS = (
    "id", "public_id", "payment__public_id", "customer__public_id", "seller__public_id", "purpose", "source", "status", "amount_minor",
    "currency", "cause", "reason", "code", "requested_at", "completed_at",
)  # fmt: skip


class OtherCurrency(InputError):
    code = "other_currency"
    sentence = "{what} is in {currency}, and goes back in {currency}."


class PaymentOrInvoice(InputError):
    code = "payment_or_invoice"
    sentence = "Name a payment or an invoice, and not both."


class RefundOut(ObjectOut):
    """One amount on its way back to where it came from. Above the marketplace's limit it waits for a person: `requested`."""

    payment = serializers.CharField(allow_null=True, help_text="Null where a seller's balance had paid.")
    customer = serializers.CharField()
    seller = serializers.CharField(allow_null=True)
    purpose = serializers.CharField(help_text="What had been paid for.")
    destination = serializers.ChoiceField(choices=RefundSource.choices)
    status = serializers.ChoiceField(choices=RefundStatus.choices)
    amount = MoneyOut()
    cause = serializers.ChoiceField(choices=[(one, one) for one in CAUSES])
    reason = serializers.CharField()
    code = serializers.CharField(help_text="Why it waits or failed; empty else.")
    completed_at = serializers.DateTimeField(allow_null=True)


class RefundsOut(serializers.Serializer[Any]):
    """The refunds made: one of a payment; of an invoice one for each source that had paid it."""

    object = serializers.CharField()
    refunds = RefundOut(many=True)


class RefundIn(StrictSerializer):
    """What goes back, of a payment or of an invoice: an invoice gives to each source that paid it its part, with a credit note."""

    payment = PublicId("pmt", required=False)
    invoice = PublicId("inv", required=False)
    amount = MoneyIn()
    cause = serializers.ChoiceField(choices=[(one, one) for one in CAUSES], required=False, default="requested_by_customer")
    reason = Text(max_length=500)


class RefundCancelIn(StrictSerializer):
    """Why it is taken back."""

    reason = Text(max_length=500)


_ULID = "01jd3k5m6n7p8q9r0s1t2v3w4x"
EXAMPLE = {
    "id": f"ref_{_ULID}", "object": "refund", "created_at": "2026-11-21T09:30:00Z", "livemode": False, "payment": f"pmt_{_ULID}",
    "customer": f"cus_{_ULID}", "seller": f"sel_{_ULID}", "purpose": "o-1", "destination": "card", "status": "approved",
    "amount": {"amount_minor": 2000, "currency": "EUR"}, "cause": "requested_by_customer", "reason": "A scratch.", "code": "",
    "completed_at": None,
}  # fmt: skip
FILTERS = [
    Filter("status", "status", serializers.ChoiceField(choices=RefundStatus.choices)),
    Filter("payment", "payment__public_id", PublicId("pmt")),
    Filter("customer", "customer__public_id", PublicId("cus")),
    Filter("purpose", "purpose", Text(max_length=120)),
    *instants("created_at", "requested_at"),
]
REFUSALS = [
    f"refund_exceeds_captured:409:Of pmt_{_ULID}, 20.00 EUR can still be given back; refunds and disputes before this one count. 30.00 EUR is more.",
    f"goes_back_in_proportion:409:A part of inv_{_ULID} was paid from a seller's balance. Refund inv_{_ULID} itself: each source gets back its part.",
    f"charge_disputed:409:The payment pmt_{_ULID} is disputed with 120.00 EUR: what is in dispute goes back through the dispute, not by a refund.",
]


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    (
        _, public_id, payment, customer, seller, purpose, source, status, amount_minor, currency, cause, reason, code, requested_at,
        completed_at,
    ) = row  # fmt: skip
    return {
        "id": public_id, "object": "refund", "created_at": instant(requested_at), "livemode": livemode, "payment": payment,
        "customer": customer, "seller": seller, "purpose": purpose, "destination": source, "status": status, "amount": money(amount_minor, currency),
        "cause": cause, "reason": reason, "code": code, "completed_at": instant(completed_at),
    }  # fmt: skip


def refunds_of(caller: Any) -> QuerySet[Refund]:
    """Return the refunds to the caller's own customers: the wall between partners stands here."""
    return Refund.objects.filter(customer__partner_id=caller.partner_id)


def one_refund(caller: Any, public_id: str) -> tuple[Any, ...]:
    row = refunds_of(caller).filter(public_id=public_id).values_list(*COLUMNS).first()
    if row is None:
        raise NotFound(what="refund", ref=public_id)
    return row


def _same_currency(what: str, currency: str, asked: str) -> None:
    if currency != asked:
        raise OtherCurrency(what=what, currency=currency)


class Refunds(ApiView):
    """Refunds to the partner's customers."""

    @listing(operation="list_refunds", scope="refunds:read", answers=RefundOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List refunds, newest first."""
        return page.of(refunds_of(request.user), COLUMNS, lambda row: represent(row, request.user.livemode))

    @verb(
        operation="create_refund",
        scope="refunds:write",
        takes=RefundIn,
        answers=RefundsOut,
        example_in={"payment": f"pmt_{_ULID}", "amount": {"amount_minor": 2000, "currency": "EUR"}, "reason": "A scratch."},
        example={"object": "refunds", "refunds": [EXAMPLE]},
        refusals=REFUSALS,
    )
    def post(self, request: Any, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Give back a part or all of a payment, or of what was paid for an invoice. It leaves within seconds, or waits: `refund.*` events tell."""
        amount = given["amount"]
        asked: dict[str, Any] = {
            "amount_minor": amount["amount_minor"], "reason": given["reason"], "cause": given["cause"], "actor": call.actor, "at": call.at,
            "key": call.key,
        }  # fmt: skip
        if ("payment" in given) == ("invoice" in given):
            raise PaymentOrInvoice()
        if "payment" in given:
            payment = _mine(Payment, request.user, given["payment"], "payment")
            _same_currency("The payment", payment.currency, amount["currency"])
            made = [operations.request_refund(payment_id=payment.pk, **asked)]
        else:
            invoice = _mine(Invoice, request.user, given["invoice"], "invoice")
            _same_currency("The invoice", invoice.currency, amount["currency"])
            made = operations.refund_claim(purpose=invoice.public_id, **asked)
        rows = Refund.objects.filter(pk__in=[one.pk for one in made]).order_by("pk").values_list(*COLUMNS)
        return {"object": "refunds", "refunds": [represent(row, request.user.livemode) for row in rows]}


def _mine(model: Any, caller: Any, public_id: str, what: str) -> Any:
    row = model.objects.filter(customer__partner_id=caller.partner_id, public_id=public_id).first()
    if row is None:
        raise NotFound(what=what, ref=public_id)
    return row


class OneRefund(ApiView):
    """One refund."""

    @question(operation="get_refund", scope="refunds:read", answers=RefundOut, example=EXAMPLE)
    def get(self, request: Any, refund_id: str) -> dict[str, Any]:
        """Read one refund."""
        return represent(one_refund(request.user, refund_id), request.user.livemode)


class RefundCancel(ApiView):
    """Take a refund back."""

    @verb(
        operation="create_refund_cancellation",
        scope="refunds:write",
        takes=RefundCancelIn,
        answers=RefundOut,
        example_in={"reason": "The buyer keeps it."},
        example=EXAMPLE | {"status": "canceled", "code": "canceled"},
        status=200,
        refusals=[f"refund_on_its_way:409:The refund ref_{_ULID} is on its way, or leaves just now; it cannot be taken back."],
    )
    def post(self, request: Any, refund_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Take back a refund that has not left yet."""
        row_id = one_refund(request.user, refund_id)[0]
        operations.cancel_refund(refund_id=row_id, actor=call.actor, at=call.at, reason=given["reason"])
        return represent(one_refund(request.user, refund_id), request.user.livemode)
