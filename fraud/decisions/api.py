"""Decisions for partners: ask about a moment of their own, and read what was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from backoffice.kit.api.answers import day, instant, money
from backoffice.kit.api.fields import MoneyIn, MoneyOut, ObjectOut, PublicId, StrictSerializer, Text
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from fraud.decisions.models import Decision, Outcome
from fraud.decisions.operations import Question, decide
from fraud.features.models import Point
from fraud.features.recording import EventInvalid, Happening
from payouts.sellers.api import seller_row_id
from payouts.sellers.models import Seller

ASKED_BY_PARTNERS = [(point.value, point.label) for point in (Point.SALE, Point.REFUND, Point.PAYEE_CHANGE)]
COLUMNS = ("id", "public_id", "point", "subject", "seller", "outcome", "code", "seller_text", "amount_minor", "currency", "review_on", "score",
           "decided_at")  # fmt: skip


class DecisionIn(StrictSerializer):
    """One moment to decide on. Buyer and device are opaque references of yours; email and phone are looked up and not kept."""

    kind = serializers.ChoiceField(ASKED_BY_PARTNERS)
    event_id = Text(
        max_length=120,
        help_text="Your reference; of a sale, the external_id its earning will carry. Asked again, it is answered the same.",
    )
    seller = PublicId("sel")
    amount = MoneyIn()
    occurred_at = serializers.DateTimeField(required=False, help_text="Now, where it is left out; at most a day ago.")
    buyer = Text(max_length=120, required=False, default="")
    device = Text(max_length=120, required=False, default="")
    country = Text(min_length=2, max_length=2, required=False, default="", help_text="ISO code of where the buyer acts from.")
    order_ref = Text(max_length=120, required=False, default="")
    email = Text(max_length=200, required=False, default="")
    phone = Text(max_length=40, required=False, default="")


class DecisionOut(ObjectOut):
    """What was decided. `reason` is written for the seller; what a rule looks at is not told."""

    kind = serializers.ChoiceField(Point.choices)
    subject = serializers.CharField()
    seller = serializers.CharField(allow_blank=True)
    outcome = serializers.ChoiceField(Outcome.choices)
    code = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    amount = MoneyOut(allow_null=True)
    review_on = serializers.DateField(allow_null=True)
    score = serializers.IntegerField()


EXAMPLE_IN = {
    "kind": "sale", "event_id": "order-5120-1", "seller": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x", "amount": money(12900, "EUR"), "buyer": "cus-771",
    "device": "dev-03f", "country": "DE", "order_ref": "order-5120",
}  # fmt: skip
EXAMPLE = {
    "id": "dec_01jd3k5m6n7p8q9r0s1t2v3w4x", "object": "decision", "created_at": "2026-11-21T09:30:00Z", "livemode": False, "kind": "sale",
    "subject": "order-5120-1", "seller": "sel_01jd3k5m6n7p8q9r0s1t2v3w4x", "outcome": "review", "code": "large_amount",
    "reason": "We are looking at this before it goes on.", "amount": money(12900, "EUR"), "review_on": "2026-11-24", "score": 55,
}  # fmt: skip
FILTERS = [
    Filter("outcome", "outcome", serializers.ChoiceField(Outcome.choices)),
    Filter("kind", "point", serializers.ChoiceField(Point.choices)),
    Filter("seller", "seller", PublicId("sel")),
    *instants("created_at", "decided_at"),
]


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    _, public_id, point, subject, seller, outcome, code, text, amount, currency, review_on, score, decided_at = row
    return {
        "id": public_id, "object": "decision", "created_at": instant(decided_at), "livemode": livemode, "kind": point, "subject": subject,
        "seller": seller, "outcome": outcome, "code": code, "reason": text, "amount": money(amount, currency) if currency else None,
        "review_on": day(review_on), "score": score,
    }  # fmt: skip


def shown(caller: Any, public_id: str) -> dict[str, Any]:
    row = Decision.objects.filter(partner_id=caller.partner_id, public_id=public_id).values_list(*COLUMNS).first()
    if row is None:
        raise NotFound(what="decision", ref=public_id)
    return represent(row, caller.livemode)


def question_of(caller: Any, given: Mapping[str, Any], call: Call) -> Question:
    """Return what a partner asks, behind its own id: its references are a world of their own. Refuses: NotFound, EventInvalid."""
    seller = Seller.objects.get(pk=seller_row_id(caller, given["seller"]))
    at = given.get("occurred_at", call.at)
    if not 0 <= (call.at - at).total_seconds() + 60 <= 86_460:
        raise EventInvalid(detail="occurred_at lies within the last day.")
    if "@" in given["buyer"] + given["device"]:
        raise EventInvalid(detail="Buyer and device are references without personal data; an email address goes into `email`.")
    country = given["country"].upper()
    if country and not country.isalpha():
        raise EventInvalid(detail="A country is its ISO code of two letters.")

    def scoped(text: str) -> str:
        return f"{caller.public_id}/{text}" if text else ""

    ref = (
        f"api:{caller.public_id}:{given['event_id']}"
        if given["kind"] == Point.SALE
        else f"{given['kind']}:{scoped(given['event_id'])}"
    )
    happening = Happening(
        ref=ref, kind=given["kind"], at=min(at, call.at), amount_minor=given["amount"]["amount_minor"], currency=given["amount"]["currency"],
        buyer=scoped(given["buyer"]), seller=seller.public_id, device=scoped(given["device"]), country=country,
        order_ref=given["order_ref"], partner_id=caller.partner_id,
    )  # fmt: skip
    passing = {kind: given[kind] for kind in ("email", "phone") if given[kind]}
    return Question(happening, given["event_id"], ref, seller=seller, passing=passing)


class Decisions(ApiView):
    """Decisions on moments of the partner's own."""

    @listing(operation="list_decisions", scope="decisions:read", answers=DecisionOut, example=EXAMPLE, filters=FILTERS)
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List decisions, newest first."""
        rows = Decision.objects.filter(partner_id=request.user.partner_id)
        return page.of(rows, COLUMNS, lambda row: represent(row, request.user.livemode))

    @verb(
        operation="create_decision",
        scope="decisions:write",
        takes=DecisionIn,
        answers=DecisionOut,
        example_in=EXAMPLE_IN,
        example=EXAMPLE,
        refusals=[
            "fraud_event_is_another:422:An event with this reference is known, with other content: amount_minor differs. Give each event a reference of its own."
        ],
    )
    def post(self, request: Any, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Ask before something happens: allow, review, hold or block."""
        decision = decide(question=question_of(request.user, given, call), actor=call.actor, at=call.at)
        return shown(request.user, decision.public_id)


class OneDecision(ApiView):
    """One decision."""

    @question(operation="get_decision", scope="decisions:read", answers=DecisionOut, example=EXAMPLE)
    def get(self, request: Any, decision_id: str) -> dict[str, Any]:
        """Read one decision."""
        return shown(request.user, decision_id)
