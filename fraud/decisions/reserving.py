"""Reserves that rules and cases ask for: a rolling share of what a seller earns, kept in `payouts/holds`, with an owner and a day to end.

A decision only writes that one is wanted; the schedule places it, with the seller locked first. On its day it ends by itself, unless the rule that
asked would still ask, or something else speaks against the seller: then it waits for a person, who prolongs or ends it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from backoffice.kit.actors import Actor, system
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.gates import Gate
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable, durable
from backoffice.staff import audit
from fraud.decisions.holding import owner_of
from fraud.decisions.models import Because, Decision, DecisionReview, Outcome, RiskReserve
from fraud.decisions.states import RISK_RESERVE, ReserveState, ReviewState
from payouts.holds.models import PlanKind, ReservePlan
from payouts.holds.operations import create_reserve_plan, disable_reserve_plan
from payouts.holds.plans import DAYS_MAX
from payouts.holds.states import PlanState
from payouts.sellers.models import Seller
from payouts.sellers.queries import lock_seller

logger = logging.getLogger(__name__)
ROBOT = system("decisions")
AT_ONCE = 1_000
# Asked with reserve and at; whoever objects keeps a reserve from ending on its day, and a person decides.
before_ending = Gate("before_risk_reserve_ends")


class ReserveInvalid(InputError):
    code = "risk_reserve_invalid"
    sentence = "{detail}"


class ReserveIsOver(Refusal):
    code = "risk_reserve_is_over"
    sentence = "This reserve is {state}: {because}."


class ReserveStands(Refusal):
    code = "risk_reserve_stands"
    sentence = "A risk reserve of {share:g} % in {currency} stands already ({reserve}); end it or prolong it instead."


@dataclass(frozen=True, slots=True)
class Terms:
    """What is kept and why: shares in basis points of everything that becomes available, each for `days`, until `review_on`."""

    currency: str
    basis_points: int
    days: int
    review_on: date
    owner: str
    reason: str
    seller_text: str


# --- asked for ------------------------------------------------------------------------------------------------------------


def asked_of(decision: Decision) -> dict[str, Any] | None:
    """Return the result of the counted rule that asks for the largest reserve; None where none does, or somebody allowed it for a time."""
    if decision.because == Because.OVERRIDE:
        return None
    asking = [one for one in decision.results if one["counted"] and one.get("reserve")]
    return max(asking, key=lambda one: one["reserve"], default=None)


def want_reserve(decision: Decision, seller: Seller | None, actor: Actor, at: datetime) -> None:
    """Ask for the reserve that a rule wants, unless one of at least its share stands or waits already."""
    asking = asked_of(decision)
    if asking is None or seller is None:
        return
    currency = decision.currency or seller.currency
    share, days, review_days = asking["reserve"]
    live = RiskReserve.objects.filter(seller=seller, currency=currency).exclude(state=ReserveState.ENDED)
    if live.filter(basis_points__gte=share).exists() or live.filter(state=ReserveState.WAITING).exists():
        return
    rule = decision.operator_text if decision.code == asking["code"] else asking["rule"]
    terms = Terms(
        currency, share, days, at.date() + timedelta(days=review_days), owner_of(decision, asking["code"]),
        f"{rule} ({decision.public_id})", asking["seller_text"],
    )  # fmt: skip
    try:
        with transaction.atomic():
            _write(seller, terms, decision.public_id, ReserveState.WAITING, actor, at, decision=decision)
    except IntegrityError:
        return  # another decision on this seller asked at the same moment, and one that waits is enough


def _write(
    seller: Seller,
    terms: Terms,
    asked_by: str,
    state: str,
    actor: Actor,
    at: datetime,
    *,
    decision: Decision | None = None,
    plan: ReservePlan | None = None,
) -> RiskReserve:
    facts = {one.name: getattr(terms, one.name) for one in fields(Terms)}
    made = RiskReserve.objects.create(
        seller=seller, decision=decision, asked_by=asked_by, plan=plan, state=state, asked_at=at, **facts
    )
    born(RISK_RESERVE, made, actor=actor, at=at, reason=terms.reason)
    return made


@composable
def place_reserve(*, seller_id: int, terms: Terms, asked_by: str, actor: Actor, at: datetime) -> RiskReserve:
    """Keep a share of what a seller earns from now on, until its day. `asked_by` names what asked, once.

    Refuses: NotFound, ReserveInvalid, ReserveStands, and as create_reserve_plan.
    """
    seller = lock_seller(seller_id)
    if not at.date() < terms.review_on <= at.date() + timedelta(days=DAYS_MAX):
        raise ReserveInvalid(detail=f"A reserve is looked at on a day after today and within {DAYS_MAX} days.")
    standing = RiskReserve.objects.filter(seller=seller, currency=terms.currency, state=ReserveState.ACTIVE).first()
    if standing is not None:
        raise ReserveStands(share=standing.basis_points / 100, currency=terms.currency, reserve=standing.public_id)
    plan = _plan(seller_id, terms, asked_by, actor, at)
    return _write(seller, terms, asked_by, ReserveState.ACTIVE, actor, at, plan=plan)


def _plan(seller_id: int, terms: Terms, key: str, actor: Actor, at: datetime) -> ReservePlan:
    return create_reserve_plan(
        seller_id=seller_id, currency=terms.currency, kind=PlanKind.ROLLING, basis_points=terms.basis_points, days=terms.days,
        reason=terms.reason, seller_text=terms.seller_text, actor=actor, key=f"risk:{key}", at=at,
    )  # fmt: skip


# --- kept, and ended ------------------------------------------------------------------------------------------------------


@durable
def keep_reserves(*, actor: Actor, at: datetime) -> dict[str, int]:
    """Place what waits, and end what is due and nothing speaks for any more. Answers the counts; `kept` are those a person has to look at."""
    counts = {"placed": 0, "ended": 0, "kept": 0}
    live = RiskReserve.objects.exclude(state=ReserveState.ENDED)
    due = live.filter(Q(state=ReserveState.WAITING) | Q(review_on__lte=at.date()) | ~Q(plan__state=PlanState.ACTIVE))
    for pk in list(due.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        try:
            with transaction.atomic():
                counts[_keep(pk, actor, at)] += 1
        except Refusal:
            logger.exception("the reserve %s could not be looked after", pk)
    return counts


def _keep(pk: int, actor: Actor, at: datetime) -> str:
    reserve = _lock(pk)
    if reserve.state == ReserveState.WAITING:
        return _place(reserve, actor, at)
    if reserve.plan is None or reserve.plan.state != PlanState.ACTIVE:
        return _ended(reserve, "its plan was disabled", actor, at)
    if speaks_for(reserve, actor, at):
        return "kept"
    because = "its day came, and nothing speaks against the seller any more"
    disable_reserve_plan(plan_id=reserve.plan.pk, actor=actor, at=at, reason=because.capitalize() + ".")
    return _ended(reserve, because, actor, at)


def _place(reserve: RiskReserve, actor: Actor, at: datetime) -> str:
    """Make the plan, unless one stands: as large a one does it; a smaller one is a person's to replace, since ending it frees what it keeps."""
    standing = standing_plan(reserve)
    if standing is not None and standing.basis_points >= reserve.basis_points:
        return _ended(reserve, f"a reserve of {standing.basis_points / 100:g} % stood already", actor, at)
    if standing is not None:
        return "kept"
    if reserve.review_on <= at.date():
        return _ended(reserve, "its day came before it was placed", actor, at)
    terms = Terms(**{one.name: getattr(reserve, one.name) for one in fields(Terms)})
    reserve.plan = _plan(reserve.seller_id, terms, reserve.asked_by, actor, at)
    reserve.save(update_fields=["plan"])
    transition(RISK_RESERVE, reserve, ReserveState.ACTIVE, actor=actor, at=at)
    return "placed"


def standing_plan(reserve: RiskReserve) -> ReservePlan | None:
    """Return the rolling plan that stands for the same seller and currency, whoever made it."""
    plans = ReservePlan.objects.filter(
        seller=reserve.seller_id, currency=reserve.currency, kind=PlanKind.ROLLING, state=PlanState.ACTIVE
    )
    return plans.first()


def speaks_for(reserve: RiskReserve, actor: Actor, at: datetime) -> str:
    """Return why a reserve goes on beyond its day, '' when nothing speaks for it."""
    held = DecisionReview.objects.filter(seller=reserve.seller.public_id, state=ReviewState.OPEN)
    if held.filter(outcome__in=[Outcome.HOLD, Outcome.BLOCK]).exists():
        return "Something of this seller is stopped and not judged yet."
    objections = before_ending.ask(reserve=reserve, at=at)
    if objections:
        return objections[0].reason
    if reserve.decision is not None and _asks_again(reserve, reserve.decision, actor, at):
        return "Asked again, the rule still asks for it."
    return ""


def _asks_again(reserve: RiskReserve, decision: Decision, actor: Actor, at: datetime) -> bool:
    from fraud.decisions.rechecking import ask_again

    # once a week: what is kept waits for a person meanwhile, who is not told the same every day
    again = ask_again(decision, suffix=f":reserve:{at:%G%V}", actor=actor, at=at)
    return asked_of(again) is not None


def _ended(reserve: RiskReserve, because: str, actor: Actor, at: datetime) -> str:
    reserve.ended_because = because[:200]
    reserve.save(update_fields=["ended_because"])
    transition(RISK_RESERVE, reserve, ReserveState.ENDED, actor=actor, at=at, reason=because)
    return "ended"


@composable
def prolong_reserve(*, reserve_id: int, review_on: date, reason: str, actor: Actor, at: datetime) -> RiskReserve:
    """Move the day on which a reserve ends. Refuses: NotFound, ReserveIsOver, ReserveInvalid."""
    reserve = _live(reserve_id, reason)
    if not at.date() < review_on <= at.date() + timedelta(days=DAYS_MAX):
        raise ReserveInvalid(detail=f"A reserve is looked at on a day after today and within {DAYS_MAX} days.")
    facts = {"from": reserve.review_on.isoformat(), "to": review_on.isoformat()}
    reserve.review_on, reserve.owner = review_on, str(actor)
    reserve.save(update_fields=["review_on", "owner"])
    audit.record(actor, "risk_reserve.prolong", reserve.public_id, at, reason, facts)
    return reserve


@composable
def end_reserve(*, reserve_id: int, reason: str, actor: Actor, at: datetime) -> RiskReserve:
    """End a reserve before its day, or on it: what it keeps becomes available. Refuses: NotFound, ReserveIsOver, ReserveInvalid."""
    reserve = _live(reserve_id, reason)
    if reserve.plan is not None and reserve.plan.state == PlanState.ACTIVE:
        disable_reserve_plan(plan_id=reserve.plan.pk, actor=actor, at=at, reason=reason)
    _ended(reserve, reason, actor, at)
    audit.record(actor, "risk_reserve.end", reserve.public_id, at, reason)
    return reserve


@composable
def replace_reserve(*, reserve_id: int, reason: str, actor: Actor, at: datetime) -> RiskReserve:
    """Place a reserve that waits in the stead of the smaller one that stands; what that one keeps becomes available. Refuses: as end_reserve."""
    reserve = _live(reserve_id, reason)
    if reserve.state != ReserveState.WAITING:
        raise ReserveIsOver(state=reserve.get_state_display(), because="only one that waits takes the place of another")
    standing = standing_plan(reserve)
    if standing is not None:
        earlier = RiskReserve.objects.select_for_update(of=("self",)).filter(plan=standing, state=ReserveState.ACTIVE).first()
        disable_reserve_plan(plan_id=standing.pk, actor=actor, at=at, reason=reason)
        if earlier is not None:
            _ended(earlier, "a larger one took its place", actor, at)
    _place(reserve, actor, at)
    audit.record(actor, "risk_reserve.replace", reserve.public_id, at, reason)
    return reserve


def _lock(pk: int) -> RiskReserve:
    """Lock in the order of the house: the seller, then what is his."""
    seller_id = RiskReserve.objects.filter(pk=pk).values_list("seller_id", flat=True).first()
    if seller_id is None:
        raise NotFound(what="reserve", ref=pk)
    lock_seller(seller_id)
    return RiskReserve.objects.select_for_update(of=("self",)).select_related("plan", "seller", "decision__event").get(pk=pk)


def _live(pk: int, reason: str) -> RiskReserve:
    if not reason.strip():
        raise ReserveInvalid(detail="Give a reason: it is kept in the history.")
    reserve = _lock(pk)
    if reserve.state == ReserveState.ENDED:
        raise ReserveIsOver(state=reserve.get_state_display(), because=reserve.ended_because)
    return reserve


def to_look_at(at: datetime) -> QuerySet[RiskReserve]:
    """Return reserves past their day that did not end by themselves, and those that wait behind a smaller one."""
    behind = Q(state=ReserveState.WAITING, asked_at__lt=at - timedelta(hours=1))
    return RiskReserve.objects.filter(Q(review_on__lte=at.date()) | behind).exclude(state=ReserveState.ENDED)
