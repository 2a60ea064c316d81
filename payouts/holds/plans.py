"""Reserve plans: keep a share of what becomes available, for some days or until a date."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.money import MoneyError, exponent_of
from backoffice.kit.outbox import tell
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.holds.models import Hold, PlanKind, ReservePlan
from payouts.holds.releasing import release_set
from payouts.holds.states import PLAN, HoldState, PlanState, ReleaseReason
from payouts.sellers.queries import lock_seller

# Stripe's hard limit for reserves on connected accounts; no plan of ours keeps money longer.
DAYS_MAX = 180


class PlanInvalid(InputError):
    code = "reserve_plan_invalid"
    sentence = "{detail}"


class PlanExists(Refusal):
    code = "reserve_plan_exists"
    sentence = "The seller already has an active {kind} reserve in {currency}; disable it first."


class PlanNotActive(Refusal):
    code = "reserve_plan_not_active"
    sentence = "The reserve plan is {state}; only an active one can be disabled."


@composable
def create_reserve_plan(
    *,
    seller_id: int,
    currency: str,
    kind: str,
    basis_points: int,
    reason: str,
    seller_text: str,
    actor: Actor,
    key: str,
    at: datetime,
    days: int = 0,
    release_on: date | None = None,
    cap_minor: int | None = None,
) -> ReservePlan:
    """Reserve a share of everything that becomes available from now on: rolling (for `days`) or fixed (until `release_on`), 180 days at most.

    `cap_minor` ends the taking while that much is kept. Tells `reserve_plan.created`. Refuses: NotFound, PlanInvalid, PlanExists.
    """
    lock_seller(seller_id)
    terms = [seller_id, currency, kind, basis_points, days, str(release_on), cap_minor, reason, seller_text]
    earlier = recall(scope="create_reserve_plan", key=key, content=terms)
    if earlier.outcome is not None:
        return ReservePlan.objects.get(pk=earlier.outcome)

    _check(currency, kind, basis_points, days, release_on, cap_minor, reason, seller_text, at)
    if ReservePlan.objects.filter(seller_id=seller_id, currency=currency, kind=kind, state=PlanState.ACTIVE).exists():
        raise PlanExists(kind=kind, currency=currency)

    plan = ReservePlan.objects.create(
        seller_id=seller_id,
        currency=currency,
        kind=kind,
        basis_points=basis_points,
        days=days,
        release_on=release_on,
        cap_minor=cap_minor,
        reason=reason,
        seller_text=seller_text,
        created_by=str(actor),
        created_at=at,
    )
    born(PLAN, plan, actor=actor, at=at, reason=reason)
    earlier.keep(plan.pk)
    facts = {
        "basis_points": basis_points,
        "days": days,
        "release_on": str(release_on or ""),
        "cap_minor": cap_minor,
        "kind": kind,
    }
    audit.record(actor, "reserve_plan.create", plan.public_id, at, reason=reason, facts=facts)
    told = facts | {"seller": plan.seller.public_id, "currency": currency}
    tell("reserve_plan.created", subject=plan.public_id, payload=told, at=at, partner_id=plan.seller.partner_id)
    return plan


def _check(
    currency: str,
    kind: str,
    basis_points: int,
    days: int,
    release_on: date | None,
    cap_minor: int | None,
    reason: str,
    seller_text: str,
    at: datetime,
) -> None:
    try:
        exponent_of(currency)
    except MoneyError as problem:
        raise PlanInvalid(detail=problem.sentence) from None
    last_day = at.date() + timedelta(days=DAYS_MAX)
    problems = {
        "The kind is rolling or fixed.": kind not in PlanKind.values,
        "The share is between 0.01 % and 100 %.": not 0 < basis_points <= 10_000,
        f"A rolling reserve keeps money 1 to {DAYS_MAX} days.": kind == PlanKind.ROLLING and not 0 < days <= DAYS_MAX,
        "A rolling reserve has days, no release date.": kind == PlanKind.ROLLING and release_on is not None,
        f"A fixed reserve ends on a day after today and within {DAYS_MAX} days.": kind == PlanKind.FIXED
        and not (release_on and at.date() < release_on <= last_day),
        "The cap is more than zero.": cap_minor is not None and cap_minor <= 0,
        "Give a reason and a text for the seller.": not reason.strip() or not seller_text.strip(),
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise PlanInvalid(detail=sentence)


@composable
def disable_reserve_plan(*, plan_id: int, actor: Actor, at: datetime, reason: str) -> ReservePlan:
    """End a plan and release what it still keeps, debt repaid first. Tells `reserve_plan.disabled`. Refuses: NotFound, PlanNotActive, PlanInvalid."""
    seller_id = ReservePlan.objects.filter(pk=plan_id).values_list("seller_id", flat=True).first()
    if seller_id is None:
        raise NotFound(what="reserve plan", ref=plan_id)
    lock_seller(seller_id)
    plan = ReservePlan.objects.select_for_update(of=("self",)).select_related("seller").get(pk=plan_id)
    if not reason.strip():
        raise PlanInvalid(detail="Give a reason: it is kept in the history.")
    if plan.state != PlanState.ACTIVE:
        raise PlanNotActive(state=plan.get_state_display())

    live = list(Hold.objects.filter(plan=plan, state=HoldState.ACTIVE).order_by("pk").values_list("pk", flat=True))
    if live:
        release_set(hold_ids=live, release_reason=ReleaseReason.PLAN_DISABLED, actor=actor, at=at, reason=reason)
    transition(PLAN, plan, PlanState.DISABLED, actor=actor, at=at, reason=reason)
    audit.record(actor, "reserve_plan.disable", plan.public_id, at, reason=reason, facts={"released_holds": len(live)})
    told = {"seller": plan.seller.public_id, "currency": plan.currency, "released_holds": len(live)}
    tell("reserve_plan.disabled", subject=plan.public_id, payload=told, at=at, partner_id=plan.seller.partner_id)
    return plan
