"""Verbs of the catalogue: plans, price versions, coupons. Nothing here changes what somebody already pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import F, Max

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.outbox import tell
from backoffice.kit.states import StateMachine, born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.plans.models import CollectionPolicy, Coupon, Duration, Plan, Price
from billing.plans.periods import Interval
from billing.plans.rating import PriceInvalid, checked_components
from billing.plans.states import COUPON, PLAN, PRICE, Offer


class PlanInvalid(InputError):
    code = "plan_invalid"
    sentence = "{detail}"


class CouponInvalid(InputError):
    code = "coupon_invalid"
    sentence = "{detail}"


class CouponNotRedeemable(Refusal):
    code = "coupon_not_redeemable"
    sentence = "The coupon {code_text} cannot be used: {why}."


@composable
def create_plan(
    *,
    code: str,
    name: str,
    actor: Actor,
    at: datetime,
    description: str = "",
    collection: str = CollectionPolicy.BALANCE_THEN_CARD,
    dunning: str = "standard",
    tax_code: str = "standard",
    due_days: int = 0,
) -> Plan:
    """Open a plan; it sells once it has a price. Tells `plan.created`. Refuses: PlanInvalid."""
    code, name = code.strip(), name.strip()
    if not code or len(code) > 40 or not code.isascii() or " " in code:
        raise PlanInvalid(detail="A plan has a code of 1 to 40 plain letters without spaces.")
    if not name or len(name) > 80:
        raise PlanInvalid(detail="A plan has a name of 1 to 80 characters.")
    if collection not in CollectionPolicy.values:
        raise PlanInvalid(detail=f"The collection policy is one of {', '.join(CollectionPolicy.values)}.")
    if Plan.objects.filter(code=code).exists():
        raise PlanInvalid(detail=f"There is a plan {code} already; give it another price instead.")
    plan = Plan.objects.create(
        code=code, name=name, description=description, collection=collection, dunning=dunning, tax_code=tax_code,
        due_days=due_days, made_by=str(actor), created_at=at,
    )  # fmt: skip
    born(PLAN, plan, actor=actor, at=at)
    audit.record(actor, "plan.create", plan.public_id, at, facts={"code": code, "collection": collection})
    tell("plan.created", subject=plan.public_id, payload={"code": code}, at=at)
    return plan


@composable
def add_price(
    *,
    plan_id: int,
    currency: str,
    interval: str,
    components: Sequence[Mapping[str, Any]],
    actor: Actor,
    at: datetime,
    interval_count: int = 1,
) -> Price:
    """Offer a plan at a price from now on; the version offered before is withdrawn, and whoever pays it goes on paying it.

    Tells `price.created`. Refuses: NotFound, PriceInvalid.
    """
    plan = Plan.objects.select_for_update(no_key=True).filter(pk=plan_id).first()
    if plan is None:
        raise NotFound(what="plan", ref=plan_id)
    if currency not in settings.CURRENCIES:
        raise PriceInvalid(detail=f"{currency[:12]} is none of the currencies kept here: {', '.join(settings.CURRENCIES)}.")
    if interval not in Interval.values or not 1 <= interval_count <= 24:
        raise PriceInvalid(detail="A price is billed every 1 to 24 days, weeks, months or years.")
    checked = checked_components(components)

    same = Price.objects.filter(plan=plan, currency=currency, interval=interval, interval_count=interval_count)
    for earlier in same.filter(status=Offer.OFFERED):
        transition(PRICE, earlier, Offer.WITHDRAWN, actor=actor, at=at, reason="A newer version is offered.")
    price = Price.objects.create(
        plan=plan, version=(same.aggregate(last=Max("version"))["last"] or 0) + 1, currency=currency, interval=interval,
        interval_count=interval_count, components=checked, made_by=str(actor), created_at=at,
    )  # fmt: skip
    born(PRICE, price, actor=actor, at=at)
    audit.record(actor, "price.create", price.public_id, at, facts={"plan": plan.code, "version": price.version})
    tell("price.created", subject=price.public_id, payload={"plan": plan.public_id, "version": price.version}, at=at)
    return price


@composable
def withdraw_price(*, price_id: int, actor: Actor, at: datetime, reason: str) -> Price:
    """Stop offering a price; subscriptions on it go on. Refuses: NotFound, MoveNotAllowed, PlanInvalid."""
    return _move(Price, PRICE, price_id, Offer.WITHDRAWN, actor, at, reason)


@composable
def withdraw_plan(*, plan_id: int, actor: Actor, at: datetime, reason: str) -> Plan:
    """Stop selling a plan; subscriptions to it go on. Refuses: NotFound, MoveNotAllowed, PlanInvalid."""
    return _move(Plan, PLAN, plan_id, Offer.WITHDRAWN, actor, at, reason)


@composable
def offer_plan(*, plan_id: int, actor: Actor, at: datetime, reason: str) -> Plan:
    """Sell a withdrawn plan again. Refuses: NotFound, MoveNotAllowed, PlanInvalid."""
    return _move(Plan, PLAN, plan_id, Offer.OFFERED, actor, at, reason)


@composable
def withdraw_coupon(*, coupon_id: int, actor: Actor, at: datetime, reason: str) -> Coupon:
    """Let nobody use a coupon any more; discounts given go on. Refuses: NotFound, MoveNotAllowed, PlanInvalid."""
    return _move(Coupon, COUPON, coupon_id, Offer.WITHDRAWN, actor, at, reason)


def _move(model: type[Any], of: StateMachine, row_id: int, to: str, actor: Actor, at: datetime, reason: str) -> Any:
    row = model.objects.select_for_update(no_key=True).filter(pk=row_id).first()
    if row is None:
        raise NotFound(what=of.subject, ref=row_id)
    if not reason.strip():
        raise PlanInvalid(detail="Give a reason: it is kept in the history.")
    transition(of, row, to, actor=actor, at=at, reason=reason)
    audit.record(actor, f"{of.subject}.{to}", row.public_id, at, reason=reason)
    return row


@composable
def create_coupon(
    *,
    code: str,
    duration: str,
    actor: Actor,
    at: datetime,
    basis_points: int = 0,
    amount_minor: int = 0,
    currency: str = "",
    invoices: int = 1,
    plan_id: int | None = None,
    redemptions_max: int | None = None,
    redeem_by: datetime | None = None,
) -> Coupon:
    """Make a coupon: `basis_points` off, or `amount_minor` of a currency. Tells `coupon.created`. Refuses: CouponInvalid."""
    code = code.strip().upper()
    if not code or len(code) > 40 or not code.isascii() or " " in code:
        raise CouponInvalid(detail="A coupon has a code of 1 to 40 plain letters without spaces.")
    if bool(basis_points) == bool(amount_minor) or not 0 <= basis_points <= 10_000 or amount_minor < 0:
        raise CouponInvalid(detail="A coupon takes a percentage up to 100 off, or an amount above zero, and not both.")
    if amount_minor and currency not in settings.CURRENCIES:
        raise CouponInvalid(detail="An amount has one of the currencies kept here.")
    if duration not in Duration.values or not 1 <= invoices <= 120:
        raise CouponInvalid(detail="A coupon holds once, forever, or for 1 to 120 invoices.")
    if redeem_by is not None and redeem_by <= at:
        raise CouponInvalid(detail="The last day to use it lies in the past.")
    if Coupon.objects.filter(code=code).exists():
        raise CouponInvalid(detail=f"There is a coupon {code} already.")
    coupon = Coupon.objects.create(
        code=code, basis_points=basis_points, amount_minor=amount_minor, currency=currency if amount_minor else "",
        duration=duration, invoices=invoices, plan_id=plan_id, redemptions_max=redemptions_max, redeem_by=redeem_by,
        made_by=str(actor), created_at=at,
    )  # fmt: skip
    born(COUPON, coupon, actor=actor, at=at)
    audit.record(actor, "coupon.create", coupon.public_id, at, facts={"code": code})
    tell("coupon.created", subject=coupon.public_id, payload={"code": code, "duration": duration}, at=at)
    return coupon


@composable
def redeem_coupon(*, code: str, price: Price, at: datetime) -> Coupon:
    """Use a coupon once, for a price; the room that gives the discount keeps for whom. Refuses: CouponNotRedeemable."""
    coupon = Coupon.objects.select_for_update(no_key=True).filter(code=code.strip().upper()).first()
    why = _why_not(coupon, price, at)
    if coupon is None or why:
        raise CouponNotRedeemable(code_text=code.strip()[:40], why=why)
    Coupon.objects.filter(pk=coupon.pk).update(redemptions=F("redemptions") + 1)
    return coupon


def _why_not(coupon: Coupon | None, price: Price, at: datetime) -> str:
    if coupon is None:
        return "there is none of that code"
    if coupon.status != Offer.OFFERED:
        return "it is withdrawn"
    if coupon.redeem_by is not None and at >= coupon.redeem_by:
        return "its last day is over"
    if coupon.redemptions_max is not None and coupon.redemptions >= coupon.redemptions_max:
        return "it was used as often as it may be"
    if coupon.plan_id is not None and coupon.plan_id != price.plan_id:
        return "it is for another plan"
    if coupon.currency and coupon.currency != price.currency:
        return f"it is worth {coupon.currency}, and the price is in {price.currency}"
    return ""
