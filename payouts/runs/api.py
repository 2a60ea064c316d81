"""Payouts, their lines, and what the next run would do, as the seller's partner sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit import clock
from backoffice.kit.api.answers import day, instant, money
from backoffice.kit.api.fields import Currency, MoneyOut, ObjectOut, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from payouts.runs import operations, queries
from payouts.runs.models import Payout
from payouts.runs.states import PayoutStatus, SkipCode, stage_of
from payouts.sellers.api import seller_row_id

COLUMNS = (
    "id", "public_id", "seller__public_id", "payee_account__public_id", "currency", "amount_minor", "brought_forward_minor",
    "carried_forward_minor", "status", "status_code", "rail", "instant", "reference", "built_at", "submitted_at", "expected_arrival_on",
    "paid_at", "return_window_closes_on",
)  # fmt: skip


class PayoutOut(ObjectOut):
    """What is owed to one seller now, in one currency. `paid` is provisional until the return window closes."""

    seller = serializers.CharField()
    amount = MoneyOut()
    status = serializers.ChoiceField(PayoutStatus.choices)
    status_code = serializers.CharField(allow_blank=True, help_text="Why, for machines: the bank's reason such as AC04, or ours.")
    payee_account = serializers.CharField()
    rail = serializers.CharField()
    instant = serializers.BooleanField()
    reference = serializers.CharField(allow_blank=True, help_text="What the seller's bank statement shows.")
    brought_forward = MoneyOut()
    carried_forward = MoneyOut()
    submitted_at = serializers.DateTimeField(allow_null=True)
    expected_arrival_on = serializers.DateField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    return_window_closes_on = serializers.DateField(allow_null=True)


class PayoutIn(StrictSerializer):
    """A payout on request, for a seller on a manual schedule or before the next scheduled one."""

    seller = PublicId("sel")
    currency = Currency()


class PayoutCancelIn(StrictSerializer):
    """Why a payout is cancelled; kept in its history."""

    reason = Text(max_length=500)


class EligibilityRowOut(serializers.Serializer[Any]):
    """One currency of the seller: would a run pay it, and if not, why and when."""

    currency = serializers.CharField()
    amount = MoneyOut()
    eligible = serializers.BooleanField()
    code = serializers.ChoiceField(SkipCode.choices, allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    next_on = serializers.DateField(allow_null=True)


class EligibilityOut(serializers.Serializer[Any]):
    """What a run on a day would do for one seller, with the codes the operator sees."""

    object = serializers.CharField()
    seller = serializers.CharField()
    on = serializers.DateField()
    livemode = serializers.BooleanField()
    data = EligibilityRowOut(many=True)  # type: ignore[assignment]


class PayoutLineOut(serializers.Serializer[Any]):
    """One frozen line of a payout. `amount` is what it adds; gross, fee and net are the earning's own."""

    object = serializers.CharField()
    line_no = serializers.IntegerField()
    kind = serializers.CharField()
    text = serializers.CharField()
    order_ref = serializers.CharField(allow_blank=True)
    external_id = serializers.CharField(allow_blank=True)
    occurred_at = serializers.DateTimeField(allow_null=True)
    gross = MoneyOut(allow_null=True)
    fee = MoneyOut(allow_null=True)
    net = MoneyOut(allow_null=True)
    amount = MoneyOut()
    source = serializers.CharField(allow_null=True, help_text="The id of the earning, hold or earlier payout behind it.")  # type: ignore[assignment]
    recorded_at = serializers.DateTimeField()


EXAMPLE = {
    "id": "pay_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "object": "payout",
    "created_at": "2026-11-21T09:30:00Z",
    "livemode": False,
    "seller": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "amount": money(9504, "EUR"),
    "status": "in_transit",
    "status_code": "",
    "payee_account": "pac_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "rail": "sepa",
    "instant": False,
    "reference": "PAYOUT 01JD3K5M6N",
    "brought_forward": money(0, "EUR"),
    "carried_forward": money(0, "EUR"),
    "submitted_at": "2026-11-21T10:00:00Z",
    "expected_arrival_on": "2026-11-23",
    "paid_at": None,
    "return_window_closes_on": None,
}
LINE_EXAMPLE = {
    "object": "payout_line",
    "line_no": 1,
    "kind": "sale",
    "text": "Sale",
    "order_ref": "order-5120",
    "external_id": "line-771",
    "occurred_at": "2026-11-01T18:02:11Z",
    "gross": money(10800, "EUR"),
    "fee": money(1296, "EUR"),
    "net": money(9504, "EUR"),
    "amount": money(9504, "EUR"),
    "source": "ern_01jd3k5m6n7p8q9r0s1t2v3w4x",
    "recorded_at": "2026-11-15T18:05:00Z",
}
ELIGIBILITY_EXAMPLE = {
    "object": "payout_eligibility",
    "seller": EXAMPLE["seller"],
    "on": "2026-11-21",
    "livemode": False,
    "data": [
        {
            "currency": "EUR",
            "amount": money(9504, "EUR"),
            "eligible": False,
            "code": "payee_cooling_off",
            "reason": "the payee account was changed recently",
            "next_on": "2026-11-24",
        }
    ],
}
FILTERS = [
    Filter("status", "status", serializers.ChoiceField(PayoutStatus.choices)),
    Filter("seller", "seller__public_id", PublicId("sel")),
    Filter("currency", "currency", Currency()),
    Filter("reference", "reference", Text(max_length=35), "as it stands on the bank statement"),
    *instants("created_at", "built_at"),
    *instants("paid_at", "paid_at"),
]
ELIGIBILITY_FILTERS = [
    Filter("seller", "required", PublicId("sel"), "whose"),
    Filter("on", "", serializers.DateField(), "the day of the run; today where it is left out"),
]


def payouts_of(caller: Any) -> QuerySet[Payout]:
    """Return the payouts of the caller's own sellers."""
    return Payout.objects.filter(seller__partner_id=caller.partner_id)


def one_payout(caller: Any, public_id: str) -> Payout:
    """Return a payout of the caller's. Refuses: NotFound."""
    payout = payouts_of(caller).select_related("seller", "payee_account").filter(public_id=public_id).first()
    if payout is None:
        raise NotFound(what="payout", ref=public_id)
    return payout


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    (
        _, public_id, seller, payee, currency, amount, brought, carried, status, code, rail, is_instant, reference, built_at, submitted_at,
        expected_on, paid_at, window_closes_on,
    ) = row  # fmt: skip
    return {
        "id": public_id,
        "object": "payout",
        "created_at": instant(built_at),
        "livemode": livemode,
        "seller": seller,
        "amount": money(amount, currency),
        "status": status,
        "status_code": code,
        "payee_account": payee,
        "rail": rail,
        "instant": is_instant,
        "reference": reference,
        "brought_forward": money(brought, currency),
        "carried_forward": money(carried, currency),
        "submitted_at": instant(submitted_at),
        "expected_arrival_on": day(expected_on),
        "paid_at": instant(paid_at),
        "return_window_closes_on": day(window_closes_on),
    }


def represent_line(line: queries.PayoutLine) -> dict[str, Any]:
    def amount(minor: int | None) -> dict[str, Any] | None:
        return None if minor is None else money(minor, line.currency)

    return {
        "object": "payout_line",
        "line_no": line.line_no,
        "kind": line.kind,
        "text": line.text,
        "order_ref": line.order_ref,
        "external_id": line.external_id,
        "occurred_at": instant(line.occurred_at),
        "gross": amount(line.gross_minor),
        "fee": amount(line.fee_minor),
        "net": amount(line.net_minor),
        "amount": amount(line.amount_minor),
        "source": line.source or None,
        "recorded_at": instant(line.recorded_at),
    }


def shown(caller: Any, public_id: str) -> dict[str, Any]:
    row = payouts_of(caller).filter(public_id=public_id).values_list(*COLUMNS).first()
    if row is None:
        raise NotFound(what="payout", ref=public_id)
    return represent(row, caller.livemode)


class Payouts(ApiView):
    """The payouts of the partner's sellers."""

    @listing(operation="list_payouts", scope="payouts:read", answers=PayoutOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List payouts, newest first."""
        rows = payouts_of(request.user)
        if "status" in page.narrowed:
            rows = rows.filter(stage=stage_of(page.narrowed["status"]))
        return page.of(rows, COLUMNS, lambda row: represent(row, request.user.livemode))

    @verb(
        operation="create_payout",
        scope="payouts:write",
        takes=PayoutIn,
        answers=PayoutOut,
        example_in={"seller": EXAMPLE["seller"], "currency": "EUR"},
        example=EXAMPLE | {"status": "needs_approval", "submitted_at": None, "expected_arrival_on": None, "reference": ""},
        refusals=["not_payable:409:This seller cannot be paid in EUR now: nothing available yet."],
    )
    def post(self, request: Any, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Ask for a payout of everything available. The marketplace's staff approve it before it leaves."""
        row_id = seller_row_id(request.user, given["seller"])
        payout = operations.build_payout(seller_id=row_id, currency=given["currency"], actor=call.actor, key=call.key, at=call.at)
        return shown(request.user, payout.public_id)


class OnePayout(ApiView):
    """One payout."""

    @question(operation="get_payout", scope="payouts:read", answers=PayoutOut, example=EXAMPLE)
    def get(self, request: Any, payout_id: str) -> dict[str, Any]:
        """Read one payout."""
        return shown(request.user, payout_id)


class PayoutLines(ApiView):
    """What a payout is made of."""

    @listing(operation="list_payout_lines", scope="payouts:read", answers=PayoutLineOut, example=LINE_EXAMPLE)
    def get(self, request: Any, payout_id: str, page: Page) -> dict[str, Any]:
        """List the frozen lines of a payout in the order they were booked; their amounts add up to the payout."""
        payout = one_payout(request.user, payout_id)
        lines = queries.payout_lines(payout, after_line=page.after or 0, limit=page.limit + 1)
        more = len(lines) > page.limit
        return page.wrap([represent_line(line) for line in lines[: page.limit]], lines[page.limit - 1].line_no if more else None)


class PayoutCancel(ApiView):
    """Stop a payout that has not left."""

    @verb(
        operation="cancel_payout",
        scope="payouts:write",
        takes=PayoutCancelIn,
        answers=PayoutOut,
        example_in={"reason": "The seller asked to be paid next week."},
        example=EXAMPLE | {"status": "canceled", "status_code": "canceled"},
        status=200,
        refusals=["payout_on_its_way:409:This payout can no longer be cancelled: it is on its way."],
    )
    def post(self, request: Any, payout_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Cancel a payout; its money is available again at once."""
        payout = one_payout(request.user, payout_id)
        operations.cancel_payout(payout_id=payout.pk, actor=call.actor, at=call.at, reason=given["reason"])
        return shown(request.user, payout_id)


class PayoutEligibility(ApiView):
    """Whether and why not."""

    @question(
        operation="get_payout_eligibility",
        scope="payouts:read",
        answers=EligibilityOut,
        example=ELIGIBILITY_EXAMPLE,
        filters=ELIGIBILITY_FILTERS,
    )
    def get(self, request: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Tell what a run on a day would do for one seller: the amount, or the code the operator sees, and the next date."""
        row_id, at = seller_row_id(request.user, asked["seller"]), clock.now()
        on = asked.get("on", at.date())
        rows = queries.eligibility(seller_id=row_id, on=on, at=at)
        return {
            "object": "payout_eligibility",
            "seller": asked["seller"],
            "on": day(on),
            "livemode": request.user.livemode,
            "data": [
                {
                    "currency": row.currency,
                    "amount": money(row.amount_minor, row.currency),
                    "eligible": not row.code,
                    "code": row.code or None,
                    "reason": SkipCode(row.code).label if row.code else "",
                    "next_on": day(row.next_on),
                }
                for row in rows
            ],
        }
