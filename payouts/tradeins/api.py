"""Trade-ins as partners agree on them and follow them. The consumer is a party like a seller: its papers and its account go to `sellers/…`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit.api.answers import day, instant, money
from backoffice.kit.api.fields import MoneyIn, MoneyOut, ObjectOut, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import InputError, NotFound
from payouts.sellers.api import seller_row_id
from payouts.tradeins import operations
from payouts.tradeins.models import TradeIn
from payouts.tradeins.states import TradeInStatus

COLUMNS = (
    "id", "public_id", "external_id", "consumer__public_id", "order_ref", "device", "currency", "agreed_minor", "amount_minor", "status",
    "code", "reason", "payout__public_id", "agreed_at", "received_at", "accepted_at", "available_at", "pay_by_on", "paid_at", "ended_at",
)  # fmt: skip
OUTCOMES = [("accepted", "the device is as described, or bought at a lower price"), ("refused", "the device goes back")]


class TradeInOut(ObjectOut):
    """One device bought from a consumer. `amount` is the price: what was agreed, or less where the device was not as described."""

    external_id = serializers.CharField()
    consumer = serializers.CharField()
    order_ref = serializers.CharField(allow_blank=True)
    device = serializers.CharField()
    agreed = MoneyOut()
    amount = MoneyOut()
    status = serializers.ChoiceField(TradeInStatus.choices)
    code = serializers.CharField(
        allow_blank=True, help_text="Why, for machines: the bank's reason where a payment came back, or ours."
    )
    reason = serializers.CharField(allow_blank=True)
    payout = serializers.CharField(allow_null=True, help_text="The payout that paid it.")
    received_at = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField(allow_null=True)
    available_at = serializers.DateTimeField(allow_null=True, help_text="No run pays it before.")
    pay_by_on = serializers.DateField(allow_null=True, help_text="Six business days after it was accepted.")
    paid_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class TradeInIn(StrictSerializer):
    """What a consumer agreed to. Nothing is owed before the device was looked at."""

    external_id = Text(
        max_length=120, help_text="Unique among the partner's trade-ins; the same content again answers the same one."
    )
    consumer = PublicId("sel")
    device = Text(max_length=120, help_text="As the consumer reads it on the statement.")
    amount = MoneyIn()
    order_ref = Text(max_length=120, required=False, allow_blank=True)
    serial = Text(
        max_length=40, required=False, allow_blank=True, help_text="IMEI or serial number; kept sealed, never answered."
    )


class InspectionIn(StrictSerializer):
    """What the look at the device says. A device that was not noted as received is received with it."""

    outcome = serializers.ChoiceField(OUTCOMES)
    amount = MoneyIn(required=False, help_text="The price the consumer agreed to now, where it is lower.")
    reason = Text(max_length=500, required=False, allow_blank=True, help_text="Wanted for a lower price and a refusal.")


class TradeInCancelIn(StrictSerializer):
    """Why a trade-in is called off; kept in its history."""

    reason = Text(max_length=500)


class OtherCurrency(InputError):
    code = "other_currency"
    sentence = "The trade-in was agreed in {currency}."


EXAMPLE = {
    "id": "trd_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "trade_in",
    "created_at": "2026-11-16T10:12:00Z",
    "livemode": False,
    "external_id": "buyback-5120",
    "consumer": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "order_ref": "BB-5120",
    "device": "iPhone 13 128 GB, very good",
    "agreed": money(24_000, "EUR"),
    "amount": money(21_000, "EUR"),
    "status": "accepted",
    "code": "",
    "reason": "A scratch across the display; the consumer agreed to 210 euros.",
    "payout": None,
    "received_at": "2026-11-19T08:30:00Z",
    "accepted_at": "2026-11-19T14:05:00Z",
    "available_at": "2026-11-19T14:05:00Z",
    "pay_by_on": "2026-11-27",
    "paid_at": None,
    "ended_at": None,
}
IN_EXAMPLE = {
    "external_id": EXAMPLE["external_id"],
    "consumer": EXAMPLE["consumer"],
    "device": EXAMPLE["device"],
    "amount": money(24_000, "EUR"),
    "order_ref": EXAMPLE["order_ref"],
    "serial": "356938035643809",
}
_AGREED = EXAMPLE | {"status": "agreed", "amount": money(24_000, "EUR"), "reason": ""}
_AGREED |= dict.fromkeys(["received_at", "accepted_at", "available_at", "pay_by_on"])
FILTERS = [
    Filter("status", "status", serializers.ChoiceField(TradeInStatus.choices)),
    Filter("consumer", "consumer__public_id", PublicId("sel")),
    Filter("external_id", "external_id", Text(max_length=120)),
    Filter("order_ref", "order_ref", Text(max_length=120)),
    *instants("created_at", "agreed_at"),
]


def trade_ins_of(caller: Any) -> QuerySet[TradeIn]:
    """Return the caller's own trade-ins."""
    return TradeIn.objects.filter(partner_id=caller.partner_id)


def shown(caller: Any, public_id: str) -> dict[str, Any]:
    row = trade_ins_of(caller).filter(public_id=public_id).values_list(*COLUMNS).first()
    if row is None:
        raise NotFound(what="trade-in", ref=public_id)
    return represent(row, caller.livemode)


def _row(caller: Any, public_id: str) -> TradeIn:
    row = trade_ins_of(caller).filter(public_id=public_id).first()
    if row is None:
        raise NotFound(what="trade-in", ref=public_id)
    return row


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    (
        _, public_id, external_id, consumer, order_ref, device, currency, agreed, amount, status, code, reason, payout, agreed_at,
        received_at, accepted_at, available_at, pay_by_on, paid_at, ended_at,
    ) = row  # fmt: skip
    return {
        "id": public_id,
        "object": "trade_in",
        "created_at": instant(agreed_at),
        "livemode": livemode,
        "external_id": external_id,
        "consumer": consumer,
        "order_ref": order_ref,
        "device": device,
        "agreed": money(agreed, currency),
        "amount": money(amount, currency),
        "status": status,
        "code": code,
        "reason": reason,
        "payout": payout,
        "received_at": instant(received_at),
        "accepted_at": instant(accepted_at),
        "available_at": instant(available_at),
        "pay_by_on": day(pay_by_on),
        "paid_at": instant(paid_at),
        "ended_at": instant(ended_at),
    }


class TradeIns(ApiView):
    """Devices the partner's consumers sell to us."""

    @listing(operation="list_trade_ins", scope="trade_ins:read", answers=TradeInOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List trade-ins, newest first."""
        return page.of(trade_ins_of(request.user), COLUMNS, lambda row: represent(row, request.user.livemode))

    @verb(
        operation="create_trade_in",
        scope="trade_ins:write",
        takes=TradeInIn,
        answers=TradeInOut,
        example_in=IN_EXAMPLE,
        example=_AGREED,
        refusals=[
            "not_a_consumer:409:refurb-lyon-17 is a shop: it sells on the marketplace.",
            "device_in_another_trade_in:409:The device with this serial number stands in a trade-in that is not over.",
            "trade_in_too_dear:409:A trade-in costs at most 2,000.00 EUR.",
        ],
    )
    def post(self, request: Any, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Put what a consumer agreed to on record. The consumer is opened before, as a seller of the entity type `consumer`."""
        facts = {name: value for name, value in given.items() if name not in ("consumer", "amount")}
        made = operations.agree_trade_in(
            consumer_id=seller_row_id(request.user, given["consumer"]), **facts, **given["amount"], actor=call.actor, key=call.key,
            at=call.at,
        )  # fmt: skip
        return shown(request.user, made.public_id)


class OneTradeIn(ApiView):
    """One trade-in."""

    @question(operation="get_trade_in", scope="trade_ins:read", answers=TradeInOut, example=EXAMPLE)
    def get(self, request: Any, trade_in_id: str) -> dict[str, Any]:
        """Read one trade-in."""
        return shown(request.user, trade_in_id)


class TradeInInspection(ApiView):
    """What the look at the device says."""

    @verb(
        operation="create_trade_in_inspection",
        scope="trade_ins:write",
        takes=InspectionIn,
        answers=TradeInOut,
        example_in={"outcome": "accepted", "amount": money(21_000, "EUR"), "reason": EXAMPLE["reason"]},
        example=EXAMPLE,
        status=200,
        refusals=[
            "trade_in_not_received:409:The trade-in is cancelled; only a device that is here and not decided yet can be accepted or refused.",
            "price_above_agreed:422:The price agreed is 240.00 EUR; 250.00 EUR is more.",
        ],
    )
    def post(self, request: Any, trade_in_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Accept the device, at the price agreed or a lower one, or refuse it. Above a limit the marketplace's staff decide (`needs_approval`)."""
        row = _row(request.user, trade_in_id)
        facts: dict[str, Any] = {"trade_in_id": row.pk, "reason": given.get("reason", ""), "actor": call.actor, "at": call.at}
        if given["outcome"] == "refused":
            operations.refuse_trade_in(**facts)
            return shown(request.user, trade_in_id)
        price = given.get("amount", {"amount_minor": None, "currency": row.currency})
        if price["currency"] != row.currency:
            raise OtherCurrency(currency=row.currency)
        operations.accept_trade_in(**facts, amount_minor=price["amount_minor"])
        return shown(request.user, trade_in_id)


class TradeInCancel(ApiView):
    """Call a trade-in off."""

    @verb(
        operation="cancel_trade_in",
        scope="trade_ins:write",
        takes=TradeInCancelIn,
        answers=TradeInOut,
        example_in={"reason": "The consumer kept the telephone."},
        example=_AGREED
        | {
            "status": "canceled",
            "code": "canceled",
            "reason": "The consumer kept the telephone.",
            "ended_at": "2026-11-17T09:00:00Z",
        },
        status=200,
        refusals=["trade_in_not_open:409:The trade-in is accepted, to be paid; it can no longer be cancelled."],
    )
    def post(self, request: Any, trade_in_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Cancel a trade-in that was not accepted yet."""
        operations.cancel_trade_in(
            trade_in_id=_row(request.user, trade_in_id).pk, reason=given["reason"], actor=call.actor, at=call.at
        )
        return shown(request.user, trade_in_id)
