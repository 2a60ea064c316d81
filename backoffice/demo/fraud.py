"""What the risk desk of the demo has on it: rules written, tried and approved by two people, lists, and decisions on the last sales."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta

from backoffice.kit.actors import Actor, system
from fraud.decisions.operations import Question, decide
from fraud.features.models import FraudEvent, Point
from fraud.features.recording import Happening
from fraud.lists.operations import approve_listed, list_value
from fraud.rules.operations import Wording, approve_rule, ask_for_approval, draft_rule, go_live, start_shadow
from payouts.sellers.models import Seller

DECIDED = 20
LOOKS = "We are looking at this before it goes on. You need to do nothing now."
# name, decision point, expression, effect, reason code, what the operator reads; the last one stays in the shadow
RULES = (
    ("large-sale", Point.SALE, "event.amount_minor > 60000 && seller.refund_rate_90d > 0.02", "review", "large_sale",
     "A large sale of a seller with many refunds."),
    ("fresh-account", Point.PAYOUT, "payee.age_hours < 72 && event.amount_minor > 200000", "hold", "fresh_account",
     "Much money to an account that was added within three days."),
    ("shared-account", Point.PAYEE_CHANGE, "link.sellers_on_bank_account >= 1 || link.blocked_sellers >= 1", "hold", "shared_account",
     "Another seller is paid to the same account."),
    ("burst-of-sales", Point.SALE, "seller.count_24h > 40 && seller.mean_amount_24h > 2 * seller.mean_amount_30d", "review", "burst_of_sales",
     "Many more and larger sales in a day than this seller makes."),
)  # fmt: skip


def furnish(*, people: dict[str, Actor], at: datetime) -> int:
    """Write the rules and lists of the demo, and decide on its last sales; return how many decisions were made."""
    for number, (name, point, expression, effect, code, says) in enumerate(RULES):
        wording = Wording(
            expression=expression, effect=effect, score=0, code=code, operator_text=says, seller_text=LOOKS, expected_basis_points=2_000,
            daily_ceiling=500,
        )  # fmt: skip
        version = draft_rule(name=name, point=point, wording=wording, actor=people["risk"], at=at - timedelta(days=5))
        start_shadow(version_id=version.pk, actor=people["risk"], at=at - timedelta(days=4))
        if number < len(RULES) - 1:
            ask_for_approval(
                version_id=version.pk, tried={"asked": 0, "hits": 0}, actor=people["risk"], at=at - timedelta(days=2)
            )
            approve_rule(version_id=version.pk, actor=people["lead"], at=at - timedelta(days=1))
            go_live(version_id=version.pk, actor=people["lead"], at=at - timedelta(days=1))
    _lists(people, at)
    return _decide(at)


def _lists(people: dict[str, Actor], at: datetime) -> None:
    for kind, value, reason, which in (
        ("email", "quick.buyer@example.com", "Three stolen cards in one week.", "blocked"),
        ("device", "device-0b7f", "Seen with the stolen cards of October.", "blocked"),
        ("person", "Zoltan Krabbenhoft Vasquelle", "Was behind a seller we closed.", "watched"),
    ):
        list_value(list=which, kind=kind, value=value, reason=reason, actor=people["risk"], at=at)
    # the second one is left to the lead's queue
    for value, reason, approved in (
        ("buyer-school-1", "A school that buys for its classes.", True),
        ("buyer-fleet-2", "A firm's fleet, known by contract.", False),
    ):
        row = list_value(
            list="allowed",
            kind="buyer",
            value=value,
            reason=reason,
            expires_at=at + timedelta(days=60),
            actor=people["risk"],
            at=at,
        )
        if approved:
            approve_listed(listed_id=row.pk, actor=people["lead"], at=at)


def _decide(at: datetime) -> int:
    largest = FraudEvent.objects.filter(kind=Point.SALE, at__gt=at - timedelta(days=3)).order_by("-amount_minor", "pk")[:DECIDED]
    sellers = Seller.objects.in_bulk([event.seller for event in largest], field_name="public_id")
    for event in largest:
        happening = Happening(**{one.name: getattr(event, one.name) for one in fields(Happening)})
        seller = sellers.get(event.seller)
        decide(question=Question(happening, event.ref[:170], event.ref, seller=seller), actor=system("decisions"), at=at)
    return len(largest)
