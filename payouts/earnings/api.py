"""Earnings as partners send and read them: one, or a batch of up to 1,000 with a result for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer
from rest_framework import serializers

from backoffice.kit.api.answers import instant, money
from backoffice.kit.api.fields import Currency, MoneyIn, MoneyOut, ObjectOut, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import InputError, NotFound
from backoffice.kit.money import MoneyError, exponent_of
from payouts.earnings.lines import BadLine, EarningLine, LineResult
from payouts.earnings.models import Earning, EarningKind
from payouts.earnings.operations import record_earnings
from payouts.sellers.api import sellers_of

BATCH_MAX = 1_000
COLUMNS = (
    "id", "public_id", "external_id", "seller__public_id", "kind", "order_ref", "occurred_at", "delivered_at", "currency", "gross_minor",
    "fee_minor", "net_minor", "available_at", "matured_at", "pending_minor", "recorded_at",
)  # fmt: skip
TEXTS = ("external_id", "seller", "kind", "order_ref", "occurred_at", "delivered_at")
NAMES = {*TEXTS, "gross", "fee"}
_NO_FEE = "0"


class EarningNotAccepted(InputError):
    """A single earning that breaks a rule; its code is the rule's, the same as in a batch and in a file."""

    code = "earning_not_accepted"

    def __init__(self, result: LineResult) -> None:
        self.code = result.code
        super().__init__(detail=result.reason)


class EarningOut(ObjectOut):
    """What one line leaves the seller; amounts are signed from the seller's view."""

    external_id = serializers.CharField()
    seller = serializers.CharField()
    kind = serializers.ChoiceField(EarningKind.choices)
    order_ref = serializers.CharField(allow_blank=True)
    occurred_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    gross = MoneyOut()
    fee = MoneyOut()
    net = MoneyOut()
    pending = MoneyOut(help_text="What of it is not yet available.")
    available_at = serializers.DateTimeField()
    matured_at = serializers.DateTimeField(allow_null=True)


class EarningIn(StrictSerializer):
    """One earning. gross and fee are written without a sign (the kind says the direction), except for adjustments."""

    external_id = Text(max_length=120, help_text="Unique among the partner's earnings.")
    seller = Text(max_length=120, help_text="The seller's id (sel_…) or external_id.")
    kind = serializers.ChoiceField(EarningKind.choices)
    order_ref = Text(max_length=120, required=False, allow_blank=True)
    occurred_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(required=False, allow_null=True)
    gross = MoneyIn()
    fee = MoneyIn(required=False, allow_null=True)


class EarningBatchIn(StrictSerializer):
    """Up to 1,000 earnings; each has a result of its own."""

    earnings = serializers.ListField(child=EarningIn(), min_length=1, max_length=BATCH_MAX)


class EarningResultOut(serializers.Serializer[Any]):
    """What became of one item of a batch."""

    index = serializers.IntegerField(help_text="Position in the batch, from 0.")
    external_id = serializers.CharField(allow_blank=True)
    outcome = serializers.ChoiceField(["accepted", "duplicate", "rejected"])
    id = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)


class EarningBatchOut(serializers.Serializer[Any]):
    """What became of a batch: nothing of it is lost, nothing is booked twice."""

    object = serializers.CharField()
    livemode = serializers.BooleanField()
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    rejected = serializers.IntegerField()
    data = EarningResultOut(many=True)  # type: ignore[assignment]


EXAMPLE = {
    "id": "ern_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "earning",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "external_id": "line-771",
    "seller": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "kind": "sale",
    "order_ref": "order-5120",
    "occurred_at": "2026-11-20T18:02:11Z",
    "delivered_at": None,
    "gross": money(12000, "EUR"),
    "fee": money(1440, "EUR"),
    "net": money(10560, "EUR"),
    "pending": money(10560, "EUR"),
    "available_at": "2026-12-04T18:02:11Z",
    "matured_at": None,
}
EXAMPLE_IN = {
    "external_id": "line-771",
    "seller": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "kind": "sale",
    "order_ref": "order-5120",
    "occurred_at": "2026-11-20T18:02:11Z",
    "gross": money(12000, "EUR"),
    "fee": money(1440, "EUR"),
}
BATCH_EXAMPLE = {
    "object": "earning_batch",
    "livemode": False,
    "accepted": 1,
    "duplicate": 0,
    "rejected": 1,
    "data": [
        {"index": 0, "external_id": "line-771", "outcome": "accepted", "id": EXAMPLE["id"], "code": "", "reason": ""},
        {
            "index": 1,
            "external_id": "line-772",
            "outcome": "rejected",
            "id": None,
            "code": "unknown_seller",
            "reason": "There is no seller 'nobody'.",
        },
    ],
}
# The rules of a line: single earnings are refused with them, items of a batch carry them.
REFUSALS = [
    "unknown_seller:422:There is no seller 'nobody'.",
    "seller_closed:422:The seller 'shop-9' is closed.",
    "seller_may_not_accrue:422:The seller 'shop-9' may not earn now: a requirement is overdue. Try the line again when it may.",
    "missing_field:422:Missing: order_ref (a refund belongs to a sale).",
    "field_too_long:422:external_id, seller and order_ref have 120 characters at most.",
    "bad_character:422:external_id, seller or order_ref holds a character that cannot be printed.",
    "unknown_kind:422:'gift' is not a kind: sale, refund, chargeback, chargeback_reversal, adjustment.",
    "unknown_currency:422:'XXX' is not an ISO 4217 currency code.",
    "amount_too_large:422:The amount is larger than any amount this system books.",
    "negative_amount:422:gross and fee of a sale are written without a sign; its kind says the direction.",
    "fee_exceeds_gross:422:The fee 20.00 is larger than the gross amount 10.00.",
    "bad_timestamp:422:occurred_at 'yesterday' is not an ISO 8601 instant.",
    "in_the_future:422:occurred_at 2999-01-01T00:00:00Z lies in the future.",
    "differs_from_earlier:422:The same external_id came earlier with other content; what was booked stays.",
    'not_money:422:gross is {"amount_minor": whole number, "currency": ISO 4217 code}.',
    "currency_mismatch:422:gross and fee are of one currency.",
    "not_a_string:422:order_ref is a string.",
    "not_an_object:422:An earning is one JSON object.",
    "unknown_field:422:There is no field 'net'.",
]
FILTERS = [
    Filter("seller", "seller__public_id", PublicId("sel")),
    Filter("kind", "kind", serializers.ChoiceField(EarningKind.choices)),
    Filter("currency", "currency", Currency()),
    Filter("external_id", "external_id", Text(max_length=120)),
    Filter("order_ref", "order_ref", Text(max_length=120)),
    *instants("occurred_at", "occurred_at"),
    *instants("created_at", "recorded_at"),
]


def source_of(caller: Any) -> str:
    """Each partner's external ids are a world of their own."""
    return f"api:{caller.public_id}"


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    (
        _, public_id, external_id, seller, kind, order_ref, occurred_at, delivered_at, currency, gross, fee, net, available_at, matured_at,
        pending, recorded_at,
    ) = row  # fmt: skip
    return {
        "id": public_id,
        "object": "earning",
        "created_at": instant(recorded_at),
        "livemode": livemode,
        "external_id": external_id,
        "seller": seller,
        "kind": kind,
        "order_ref": order_ref,
        "occurred_at": instant(occurred_at),
        "delivered_at": instant(delivered_at),
        "gross": money(gross, currency),
        "fee": money(fee, currency),
        "net": money(net, currency),
        "pending": money(pending, currency),
        "available_at": instant(available_at),
        "matured_at": instant(matured_at),
    }


def read_body(body: Any) -> tuple[bool, list[EarningLine | BadLine]]:
    """Return whether the body is a batch, and its lines; an item that is no line becomes a BadLine and so a result of its own."""
    if not isinstance(body, dict):
        raise serializers.ValidationError({"": [serializers.ErrorDetail("The body is one JSON object.", "not_an_object")]})
    if "earnings" not in body:
        return False, [read_item(0, body)]
    items, others = body["earnings"], sorted(set(body) - {"earnings"})
    if others:
        raise serializers.ValidationError({others[0][:80]: [serializers.ErrorDetail("There is no such field.", "unknown_field")]})
    if not isinstance(items, list) or not 1 <= len(items) <= BATCH_MAX:
        sentence = f"earnings is a list of 1 to {BATCH_MAX} earnings."
        raise serializers.ValidationError({"earnings": [serializers.ErrorDetail(sentence, "batch_size")]})
    return True, [read_item(number, item) for number, item in enumerate(items)]


def read_item(number: int, item: Any) -> EarningLine | BadLine:
    """Return an item as the line every import takes. Plain code instead of a serializer: a batch of 1,000 spends its time on booking."""
    if not isinstance(item, dict):
        return BadLine(number, "not_an_object", "An earning is one JSON object.", "")
    if unknown := item.keys() - NAMES:
        return BadLine(number, "unknown_field", f"There is no field {min(unknown)[:80]!r}.", "")
    texts = [item.get(name) for name in TEXTS]
    for name, text in zip(TEXTS, texts, strict=True):
        if text is not None and not isinstance(text, str):
            return BadLine(number, "not_a_string", f"{name} is a string.", "")
    currency, gross = _read_money(item.get("gross"))
    fee_currency, fee = _read_money(item["fee"]) if item.get("fee") is not None else (currency, _NO_FEE)
    if gross is None or fee is None:
        name = "gross" if gross is None else "fee"
        return BadLine(number, "not_money", f'{name} is {{"amount_minor": whole number, "currency": ISO 4217 code}}.', "")
    if currency != fee_currency:
        return BadLine(number, "currency_mismatch", "gross and fee are of one currency.", "")
    external_id, seller, kind, order_ref, occurred_at, delivered_at = (text or "" for text in texts)
    return EarningLine(number, external_id, seller, kind, order_ref, occurred_at, delivered_at, currency, gross, fee)


def _read_money(value: Any) -> tuple[str, str | None]:
    """Return currency and decimal text; no text where it is not money, and the bare number where the currency is unknown (the line says so)."""
    if not isinstance(value, dict) or value.keys() != {"amount_minor", "currency"}:
        return "", None
    minor, currency = value["amount_minor"], value["currency"]
    if type(minor) is not int or not isinstance(currency, str):
        return "", None
    try:
        exponent = exponent_of(currency)
    except MoneyError:
        exponent = 0
    if not exponent:
        return currency, str(minor)
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    return currency, f"{'-' if minor < 0 else ''}{digits[:-exponent]}.{digits[-exponent:]}"


def with_external_ids(caller: Any, lines: Sequence[EarningLine | BadLine]) -> list[EarningLine | BadLine]:
    """Put the external id where a seller is named by id; whoever is not the caller's stays unknown."""
    ids = {line.seller for line in lines if isinstance(line, EarningLine) and line.seller.startswith("sel_")}
    if not ids:
        return list(lines)
    known = dict(sellers_of(caller).filter(public_id__in=ids).values_list("public_id", "external_id"))
    return [
        line._replace(seller=known.get(line.seller, line.seller)) if isinstance(line, EarningLine) else line for line in lines
    ]


def one_earning(caller: Any, **by: Any) -> dict[str, Any]:
    row = Earning.objects.filter(seller__partner_id=caller.partner_id, **by).values_list(*COLUMNS).first()
    if row is None:
        raise NotFound(what="earning", ref=next(iter(by.values())))
    return represent(row, caller.livemode)


def represent_batch(results: Sequence[LineResult], body: Any, livemode: bool) -> dict[str, Any]:
    counts = dict.fromkeys(("accepted", "duplicate", "rejected"), 0)
    data = []
    for number, (result, item) in enumerate(zip(results, body["earnings"], strict=True)):
        counts[result.outcome] += 1
        named = item.get("external_id") if isinstance(item, dict) else ""
        data.append(
            {
                "index": number,
                "external_id": result.external_id or (named[:120] if isinstance(named, str) else ""),
                "outcome": result.outcome,
                "id": result.earning_public_id or None,
                "code": result.code,
                "reason": result.reason,
            }
        )
    return {"object": "earning_batch", "livemode": livemode} | counts | {"data": data}


class Earnings(ApiView):
    """The earnings of the partner's sellers."""

    @listing(operation="list_earnings", scope="earnings:read", answers=EarningOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List earnings, newest first."""
        rows = Earning.objects.filter(seller__partner_id=request.user.partner_id)
        return page.of(rows, COLUMNS, lambda row: represent(row, request.user.livemode))

    @verb(
        operation="create_earnings",
        scope="earnings:write",
        takes=read_body,
        takes_schema=PolymorphicProxySerializer("EarningOrBatch", [EarningIn, EarningBatchIn], resource_type_field_name=None),
        answers=EarningOut,
        example_in={"__examples__": {"One": EXAMPLE_IN, "Batch": {"earnings": [EXAMPLE_IN]}}},
        example=EXAMPLE,
        more_answers={
            200: OpenApiResponse(
                PolymorphicProxySerializer(
                    "EarningDuplicateOrBatch", [EarningOut, EarningBatchOut], resource_type_field_name=None
                ),
                description="A batch with its results; or one earning that had come before and was not booked again.",
                examples=[OpenApiExample("Batch", value=BATCH_EXAMPLE, response_only=True, status_codes=["200"])],
            )
        },
        refusals=REFUSALS,
    )
    def post(self, request: Any, given: tuple[bool, list[EarningLine | BadLine]], call: Call) -> Any:
        """Send one earning, or `{"earnings": […]}` with up to 1,000. What came before with the same content is a duplicate, not an error."""
        is_batch, lines = given
        results = record_earnings(
            lines=with_external_ids(request.user, lines),  # type: ignore[arg-type]
            source=source_of(request.user),
            actor=call.actor,
            at=call.at,
            partner_id=request.user.partner_id,
        )
        if is_batch:
            return 200, represent_batch(results, request.data, request.user.livemode)
        if results[0].outcome == "rejected":
            raise EarningNotAccepted(results[0])
        earning = one_earning(request.user, source=source_of(request.user), external_id=results[0].external_id)
        return 201 if results[0].outcome == "accepted" else 200, earning


class OneEarning(ApiView):
    """One earning."""

    @question(operation="get_earning", scope="earnings:read", answers=EarningOut, example=EXAMPLE)
    def get(self, request: Any, earning_id: str) -> dict[str, Any]:
        """Read one earning."""
        return one_earning(request.user, public_id=earning_id)
