"""Holds that decisions ask for: the seller's part of a stopped sale, put aside in `payouts/holds` as soon as it is there, and ended by itself.

Until then no payout of that seller leaves (`payout_leaves` asks here). A hold ends when a person allowed the sale, when it was given back to the
buyer, or when somebody releases it; what nobody looked at by its date stands in a queue.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from backoffice.kit.actors import Actor, system
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import durable
from fraud.decisions.models import Decision, DecisionReview, Outcome, WantedHold
from fraud.decisions.states import WANTED, ReviewState, WantedState
from fraud.features.models import Point
from fraud.lists.models import ListedValue
from fraud.rules.models import Rule
from payouts.earnings.models import Earning, EarningKind
from payouts.earnings.purses import lock_purses
from payouts.holds import conditions
from payouts.holds.models import Hold
from payouts.holds.operations import place_hold
from payouts.holds.states import HoldState
from payouts.runs.models import Payout
from payouts.runs.operations import release_payout
from payouts.runs.states import PayoutStatus
from payouts.sellers.models import Seller
from payouts.sellers.queries import lock_seller

ROBOT = system("decisions")
WAITS_FOR_HOLD = "sale_to_be_held"
CONDITION = "sale_cleared"
AT_ONCE = 1_000


def want_hold(decision: Decision, seller: Seller | None, actor: Actor, at: datetime, earning: Earning | None = None) -> None:
    """Ask for the seller's part of a stopped sale to be held. Only what is booked can be: who asks before is told, and asked for it when it is booked."""
    if decision.point != Point.SALE or decision.outcome not in (Outcome.HOLD, Outcome.BLOCK) or seller is None:
        return
    earning = earning or _booked(decision.event.ref, seller)
    if earning is None or earning.net_minor <= 0 or WantedHold.objects.filter(earning=earning).exists():
        return
    wanted = WantedHold.objects.create(
        decision=decision, seller=seller, earning=earning, currency=earning.currency, amount_minor=earning.net_minor, asked_at=at
    )
    born(WANTED, wanted, actor=actor, at=at, code=decision.code)


def _booked(ref: str, seller: Seller) -> Earning | None:
    """Return the sale an event was made from: its reference is source and id with a colon between, and either may hold further ones."""
    colons = [place for place, letter in enumerate(ref) if letter == ":"]
    named = [Q(source=ref[:place], external_id=ref[place + 1 :]) for place in colons]
    if not named:
        return None
    return Earning.objects.filter(reduce(or_, named), seller=seller, kind=EarningKind.SALE).first()


def waiting_for(seller_ids: QuerySet[Seller] | list[int] | None = None) -> QuerySet[WantedHold]:
    """Return the holds that wait for their money, of some sellers or of all."""
    rows = WantedHold.objects.filter(state=WantedState.WAITING)
    return rows if seller_ids is None else rows.filter(seller__in=seller_ids)


@durable
def keep_holds(*, actor: Actor, at: datetime) -> dict[str, int]:
    """Place what waited for its money, end what is over, and free payouts that only waited for a hold. Answers the counts."""
    counts = {"placed": 0, "ended": 0, "payouts_freed": 0}
    for pk in list(WantedHold.objects.exclude(state=WantedState.ENDED).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            state = _keep(pk, actor, at)
        if state in counts:
            counts[state] += 1
    held = Payout.objects.in_status(PayoutStatus.HELD).filter(status_code=WAITS_FOR_HOLD).order_by("pk")
    for payout in held[:AT_ONCE]:
        with transaction.atomic():
            lock_seller(payout.seller_id)
            if not waiting_for([payout.seller_id]).filter(currency=payout.currency).exists():
                release_payout(payout_id=payout.pk, actor=actor, at=at, reason="Nothing of it waits to be held any more.")
                counts["payouts_freed"] += 1
    return counts


def _keep(wanted_id: int, actor: Actor, at: datetime) -> str:
    seller_id = WantedHold.objects.values_list("seller_id", flat=True).get(pk=wanted_id)
    lock_seller(seller_id)
    wanted = WantedHold.objects.select_for_update(of=("self",)).select_related("decision", "earning", "hold").get(pk=wanted_id)
    if wanted.state == WantedState.PLACED:
        if wanted.hold and wanted.hold.state != HoldState.ACTIVE:
            return _end(wanted, wanted.hold.get_release_reason_display() or "its hold is over", actor, at)
        return ""
    if wanted.state != WantedState.WAITING:
        return ""
    if because := cleared_because(wanted):
        return _end(wanted, because, actor, at)
    purse = lock_purses([seller_id]).get((seller_id, wanted.currency))
    available = max(purse.available_minor, 0) if purse else 0
    if available < wanted.amount_minor and wanted.earning.matured_at is None:
        return ""
    if not available:
        return _end(wanted, "its money had left before it was decided on", actor, at)
    return _place(wanted, min(available, wanted.amount_minor), actor, at)


def _place(wanted: WantedHold, amount_minor: int, actor: Actor, at: datetime) -> str:
    said = wanted.decision
    wanted.hold = place_hold(
        seller_id=wanted.seller_id, currency=wanted.currency, amount_minor=amount_minor, code=said.code, seller_text=said.seller_text,
        reason=f"{said.operator_text or said.get_because_display()} ({said.public_id})", owner=owner_of(said), actor=actor, at=at,
        key=wanted.public_id, review_on=max(said.review_on or at.date() + timedelta(days=3), at.date()),
        release_condition=f"{CONDITION}:{wanted.pk}",
    )  # fmt: skip
    wanted.save(update_fields=["hold"])
    transition(WANTED, wanted, WantedState.PLACED, actor=actor, at=at, code=said.code)
    return "placed"


def _end(wanted: WantedHold, because: str, actor: Actor, at: datetime) -> str:
    wanted.ended_because = because[:200]
    wanted.save(update_fields=["ended_because"])
    transition(WANTED, wanted, WantedState.ENDED, actor=actor, at=at, reason=because)
    return "ended"


def owner_of(decision: Decision, code: str = "") -> str:
    """Return whose rule or listed value stopped it: who is asked when the hold is looked at. `code` asks for another rule's than the deciding one's."""
    for one in decision.results:
        if one["counted"] and one["result"] == "hit" and one["code"] == (code or decision.code):
            return str(Rule.objects.values_list("owner", flat=True).get(name=one["rule"]))
    listed = [one["id"] for one in decision.conditions if one["list"] in ("blocked", "watched")]
    owner = ListedValue.objects.filter(public_id__in=listed).values_list("owner", flat=True).first()
    return owner or next(iter(Rule.objects.filter(point=decision.point).values_list("owner", flat=True)), str(ROBOT))


def cleared_because(wanted: WantedHold) -> str:
    """Return why the money of a sale needs not be held any more, '' while it does."""
    reviews = DecisionReview.objects.filter(point=wanted.decision.point, subject=wanted.decision.subject)
    if reviews.order_by("-pk").values_list("state", flat=True).first() == ReviewState.ALLOWED:
        return "the sale was allowed"
    sale = wanted.earning
    back = Earning.objects.filter(
        seller=sale.seller_id, order_ref=sale.order_ref, kind__in=[EarningKind.REFUND, EarningKind.CHARGEBACK]
    ).exclude(order_ref="")
    given_back = -(back.aggregate(sum=Sum("net_minor"))["sum"] or 0)
    return "the sale was given back" if given_back >= sale.net_minor else ""


def _is_cleared(hold: Hold, arguments: list[int], at: datetime) -> bool:
    """sale_cleared:<number>: a person allowed the sale, or it was given back."""
    wanted = WantedHold.objects.select_related("decision", "earning").filter(pk=arguments[0]).first()
    return wanted is not None and bool(cleared_because(wanted))


def plug_in() -> None:
    conditions.register(CONDITION, 1, _is_cleared)
