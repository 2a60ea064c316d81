"""Verbs of holds: place, pause, release. Maturing, plans and what falls due stand beside and are named here too."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from backoffice.kit.actors import Actor
from backoffice.kit.errors import InputError, NotFound, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.money import Money, MoneyError
from backoffice.kit.outbox import tell
from backoffice.kit.states import born
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from payouts.earnings.allocation import Purse
from payouts.earnings.purses import lock_purses
from payouts.holds import conditions
from payouts.holds.maturing import mature_earnings
from payouts.holds.models import Hold, HoldKind
from payouts.holds.plans import create_reserve_plan, disable_reserve_plan
from payouts.holds.releasing import release_due_holds, release_set
from payouts.holds.states import HOLD, HoldState, ReleaseReason
from payouts.ledger.operations import Draft, post
from payouts.ledger.templates import move, seller
from payouts.sellers.models import Seller
from payouts.sellers.queries import lock_seller

__all__ = [
    "create_reserve_plan",
    "disable_reserve_plan",
    "mature_earnings",
    "move_review",
    "place_hold",
    "place_pause",
    "release_due_holds",
    "release_hold",
]


class HoldInvalid(InputError):
    code = "hold_invalid"
    sentence = "{detail}"


class HoldExceedsBalance(Refusal):
    code = "hold_exceeds_balance"
    sentence = "The seller has {available} available; a hold of {amount} does not fit."


class HoldNotActive(Refusal):
    code = "hold_not_active"
    sentence = "The hold is {state} already."


@composable
def place_hold(
    *,
    seller_id: int,
    currency: str,
    amount_minor: int,
    code: str,
    reason: str,
    seller_text: str,
    owner: str,
    actor: Actor,
    key: str,
    at: datetime,
    review_on: date | None = None,
    release_at: datetime | None = None,
    release_condition: str = "",
) -> Hold:
    """Set money of a seller aside: available → reserved, until a person, a date or a condition releases it. Several holds stack.

    Tells `hold.placed`. Refuses: NotFound, HoldInvalid, UnknownCondition, HoldExceedsBalance.
    """
    locked = lock_seller(seller_id)
    content = [
        seller_id,
        currency,
        amount_minor,
        code,
        reason,
        seller_text,
        owner,
        str(review_on),
        str(release_at),
        release_condition,
    ]
    earlier = recall(scope="place_hold", key=key, content=content)
    if earlier.outcome is not None:
        return Hold.objects.get(pk=earlier.outcome)

    amount = _amount(amount_minor, currency)
    purse = lock_purses([seller_id]).get((seller_id, currency)) or Purse(0, 0, 0)
    if amount_minor > purse.available_minor:
        raise HoldExceedsBalance(available=Money(purse.available_minor, currency), amount=amount)

    facts = {"code": code, "reason": reason, "seller_text": seller_text, "owner": owner, "review_on": review_on}
    facts |= {"release_at": release_at, "release_condition": release_condition}
    hold = _create(
        locked, HoldKind.MANUAL, facts, actor, at, currency=currency, amount_minor=amount_minor, remaining_minor=amount_minor
    )
    legs = move(
        "hold",
        debit=seller("available", seller_id, currency, amount_minor),
        credit=seller("reserved", seller_id, currency, -amount_minor),
    )
    post(drafts=[Draft("hold", hold.public_id, legs, "hold", hold.pk)], actor=actor, at=at, reason=reason)
    earlier.keep(hold.pk)
    return hold


@composable
def place_pause(
    *,
    seller_id: int,
    code: str,
    reason: str,
    seller_text: str,
    owner: str,
    actor: Actor,
    key: str,
    at: datetime,
    review_on: date | None = None,
    release_at: datetime | None = None,
    release_condition: str = "",
) -> Hold:
    """Stop all payouts of a seller, in every currency, until the pause is released; no money moves.

    Tells `hold.placed`. Refuses: NotFound, HoldInvalid, UnknownCondition.
    """
    locked = lock_seller(seller_id)
    content = [seller_id, code, reason, seller_text, owner, str(review_on), str(release_at), release_condition]
    earlier = recall(scope="place_pause", key=key, content=content)
    if earlier.outcome is not None:
        return Hold.objects.get(pk=earlier.outcome)

    facts = {"code": code, "reason": reason, "seller_text": seller_text, "owner": owner, "review_on": review_on}
    facts |= {"release_at": release_at, "release_condition": release_condition}
    hold = _create(locked, HoldKind.PAUSE, facts, actor, at)
    earlier.keep(hold.pk)
    return hold


def _amount(amount_minor: int, currency: str) -> Money:
    try:
        amount = Money(amount_minor, currency)
    except MoneyError as problem:
        raise HoldInvalid(detail=problem.sentence) from None
    if amount_minor <= 0:
        raise HoldInvalid(detail="A hold sets more than zero aside.")
    return amount


def _create(locked: Seller, kind: str, facts: dict[str, Any], actor: Actor, at: datetime, **money: Any) -> Hold:
    for name in ("code", "reason", "seller_text", "owner"):
        if not str(facts[name]).strip():
            raise HoldInvalid(detail=f"{name} is missing: a hold says who placed it and why, to staff and to the seller.")
    if facts["release_at"] and facts["release_at"] <= at:
        raise HoldInvalid(detail="The release date lies in the past.")
    if facts["review_on"] and facts["review_on"] < at.date():
        raise HoldInvalid(detail="The review date lies in the past.")
    if facts["release_condition"]:
        conditions.check(facts["release_condition"])

    hold = Hold.objects.create(seller=locked, kind=kind, changed_by=str(actor), created_at=at, **facts, **money)
    born(HOLD, hold, actor=actor, at=at, reason=hold.reason)
    audit.record(
        actor, f"{'hold' if money else 'pause'}.place", hold.public_id, at, reason=hold.reason, facts={"code": hold.code} | money
    )
    told = {
        "seller": locked.public_id,
        "kind": kind,
        "currency": hold.currency,
        "amount_minor": hold.amount_minor,
        "code": hold.code,
    }
    told |= {"text": hold.seller_text, "release_at": hold.release_at.isoformat() if hold.release_at else None}
    tell("hold.placed", subject=hold.public_id, payload=told, at=at, partner_id=locked.partner_id)
    return hold


@composable
def release_hold(
    *, hold_id: int, actor: Actor, at: datetime, reason: str, release_reason: str = ReleaseReason.HOLD_RELEASED_EARLY
) -> Hold:
    """End a hold, a reserve or a pause; what it kept first repays the seller's debt, the rest becomes available.

    Tells `hold.released`. Refuses: NotFound, HoldNotActive, HoldInvalid.
    """
    found = Hold.objects.filter(pk=hold_id).first()
    if found is None:
        raise NotFound(what="hold", ref=hold_id)
    if not reason.strip():
        raise HoldInvalid(detail="Give a reason: it is kept in the history.")
    if not release_set(hold_ids=[hold_id], release_reason=release_reason, actor=actor, at=at, reason=reason):
        raise HoldNotActive(state=HoldState(Hold.objects.values_list("state", flat=True).get(pk=hold_id)).label)
    audit.record(actor, "hold.release", found.public_id, at, reason=reason, facts={"release_reason": release_reason})
    return Hold.objects.get(pk=hold_id)


@composable
def move_review(*, hold_id: int, review_on: date | None, actor: Actor, at: datetime, reason: str) -> Hold:
    """Move the day on which a live hold is looked at again, or take it off (None); nothing else of the hold changes.

    Refuses: NotFound, HoldNotActive, HoldInvalid.
    """
    hold = Hold.objects.select_for_update(no_key=True).filter(pk=hold_id).first()
    if hold is None:
        raise NotFound(what="hold", ref=hold_id)
    if hold.state != HoldState.ACTIVE:
        raise HoldNotActive(state=HoldState(hold.state).label)
    if not reason.strip():
        raise HoldInvalid(detail="Give a reason: it is kept in the history.")
    if review_on is not None and review_on < at.date():
        raise HoldInvalid(detail="The review date lies in the past.")
    if hold.review_on == review_on:
        return hold

    before, hold.review_on = hold.review_on, review_on
    hold.save(update_fields=["review_on"])
    facts = {"from": before and before.isoformat(), "to": review_on and review_on.isoformat()}
    audit.record(actor, "hold.move_review", hold.public_id, at, reason=reason, facts=facts)
    return hold
