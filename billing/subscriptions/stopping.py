"""Pause and resume, cancel and take it back. Whatever stops a subscription closes its planned attempts in the same transaction."""

from __future__ import annotations

from datetime import datetime

from backoffice.kit.actors import Actor
from backoffice.kit.errors import Refusal
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.collection.opening import resume_collections, stop_collections
from billing.collection.sockets import Line
from billing.collection.states import Trigger
from billing.plans.periods import anchor_of
from billing.subscriptions.changing import give_up_invoice, unused, wait_for_next_invoice
from billing.subscriptions.creating import bill_first_period
from billing.subscriptions.invoicing import Issued, issue
from billing.subscriptions.lines import Bill, make_bill, metered, next_boundary, usage_lines
from billing.subscriptions.models import Subscription
from billing.subscriptions.moving import (
    SubscriptionInvalid,
    SubscriptionNotReady,
    announce,
    drop_changes,
    keep,
    locked,
    move,
    waiting_lines,
)
from billing.subscriptions.states import ENDED, RENEWING, ChangeState, SubscriptionStatus
from billing.subscriptions.usage import NOTHING, Window, usage_of

PAUSABLE = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING)


class AlreadyEnded(Refusal):
    code = "subscription_ended"
    sentence = "The subscription ended on {on}; start a new one."


class NothingToTakeBack(Refusal):
    code = "nothing_to_take_back"
    sentence = "The subscription is not about to end or to pause."


@composable
def pause_subscription(
    *,
    subscription_id: int,
    actor: Actor,
    at: datetime,
    reason: str,
    at_period_end: bool = False,
    resumes_at: datetime | None = None,
) -> Subscription:
    """Stop invoices, now or from the end of the period on; what is open is not collected while it is paused.

    Tells `subscription.paused` or `subscription.changed`. Refuses: NotFound, SubscriptionNotReady, SubscriptionInvalid.
    """
    row, at = locked(subscription_id, at)
    _say_why(reason)
    if row.status not in PAUSABLE:
        raise SubscriptionNotReady(state=row.get_status_display())
    if resumes_at is not None and resumes_at <= at:
        raise SubscriptionInvalid(detail="It would resume in the past.")
    row.reason, row.resumes_at = reason, resumes_at
    if at_period_end:
        row.pause_at_period_end = True
        keep(row, "pause_at_period_end", "resumes_at", "reason")
        announce(row, "changed", at)
    else:
        pause_now(row, actor, at, reason)
    audit.record(actor, "subscription.pause", row.public_id, at, reason=reason, facts={"at_period_end": at_period_end})
    return row


def pause_now(row: Subscription, actor: Actor, at: datetime, reason: str) -> None:
    """Move a locked subscription to paused: waiting changes drop, attempts close."""
    unpaid = _unpaid_change(row)
    drop_changes(row, actor, at, "The subscription was paused.")
    stop_collections(origin=row.public_id, actor=actor, at=at, reason="The subscription was paused.")
    if unpaid:
        give_up_invoice(unpaid, actor, at, "The subscription was paused before the change was paid.")
    move(row, SubscriptionStatus.PAUSED, actor=actor, at=at, reason=reason)
    row.paused_at, row.pause_at_period_end, row.reason = at, False, reason
    keep(row, "paused_at", "pause_at_period_end", "resumes_at", "reason")


@composable
def resume_subscription(*, subscription_id: int, actor: Actor, at: datetime, anchor: str = "keep") -> Subscription:
    """Go on with a paused subscription.

    Within the period that was invoiced, it simply goes on. After it, the time from now to the next boundary of the old anchor is invoiced
    (`keep`), or a full period from now on (`new`); what was invoiced and not used before the pause is credited. Open invoices are collected
    again. Tells `subscription.active`. Refuses: NotFound, SubscriptionNotReady, SubscriptionInvalid.
    """
    row, at = locked(subscription_id, at)
    if row.status != SubscriptionStatus.PAUSED:
        raise SubscriptionNotReady(state=row.get_status_display())
    if anchor not in ("keep", "new"):
        raise SubscriptionInvalid(detail="The anchor is keep or new.")
    resume_now(row, actor, at, anchor)
    audit.record(actor, "subscription.resume", row.public_id, at, facts={"anchor": anchor})
    return row


def resume_now(row: Subscription, actor: Actor, at: datetime, anchor: str = "keep") -> None:
    """Move a locked, paused or unpaid subscription to active, with a period that holds the instant."""
    was_invoiced = bool(row.latest_invoice)
    move(row, SubscriptionStatus.ACTIVE, actor=actor, at=at, reason="Resumed.")
    if anchor == "new" or at >= row.current_period_end or not was_invoiced:
        if row.paused_at is not None and was_invoiced:
            _credit_unused(row, at)
        if anchor == "new":
            row.anchor_at = anchor_of(row.anchor, row.price.interval, at)
        row.current_period_start, row.current_period_end = at, next_boundary(row.anchor_at, row.price, at)
        row.usage_since = max(row.usage_since, row.paused_at or row.usage_since)
    row.paused_at = row.resumes_at = None
    row.save(update_fields=["anchor_at", "current_period_start", "current_period_end", "usage_since", "paused_at", "resumes_at"])
    resume_collections(origin=row.public_id, actor=actor, at=at, reason="The subscription goes on.")
    if row.current_period_start == at:
        bill_first_period(row, Trigger.CYCLE, actor, at)
    keep(row)


def _credit_unused(row: Subscription, at: datetime) -> None:
    lines: list[Line] = unused(row, row.paused_at) if row.paused_at and row.paused_at < row.current_period_end else []
    wait_for_next_invoice(row, tuple(lines), at)


@composable
def cancel_subscription(
    *,
    subscription_id: int,
    actor: Actor,
    at: datetime,
    reason: str,
    at_period_end: bool = True,
    cancel_at: datetime | None = None,
) -> Subscription:
    """End a subscription: at the end of the period, at an instant, or (with neither) now. Planned attempts close with it.

    Usage not invoiced yet is invoiced at the end. Tells `subscription.canceled`, or `subscription.changed` while it only is about to end.
    Refuses: NotFound, AlreadyEnded, SubscriptionInvalid.
    """
    row, at = locked(subscription_id, at)
    _say_why(reason)
    if row.status in ENDED:
        raise AlreadyEnded(on=f"{row.ended_at:%Y-%m-%d}")
    if cancel_at is not None and cancel_at <= at:
        raise SubscriptionInvalid(detail="It would end in the past.")
    row.reason = reason
    if cancel_at is not None or (at_period_end and row.status in RENEWING):
        row.cancel_at, row.cancel_at_period_end = cancel_at, cancel_at is None
        keep(row, "cancel_at", "cancel_at_period_end", "reason")
        announce(row, "changed", at)
    else:
        cancel_now(row, actor, at, reason)
    audit.record(actor, "subscription.cancel", row.public_id, at, reason=reason, facts={"at_period_end": at_period_end})
    return row


def cancel_now(row: Subscription, actor: Actor, at: datetime, reason: str, code: str = "") -> None:
    """End a locked subscription. A first invoice that was never paid is voided; other open invoices stay owed, and are not collected."""
    never_begun = row.status == SubscriptionStatus.INCOMPLETE
    bill = final_bill(row, at) if row.status in (*RENEWING, SubscriptionStatus.PAUSED) else None
    unpaid = _unpaid_change(row)
    move(row, SubscriptionStatus.CANCELED, actor=actor, at=at, reason=reason, code=code)
    row.reason = reason
    row.save(update_fields=["reason"])
    if never_begun and row.latest_invoice:
        give_up_invoice(row.latest_invoice, actor, at, reason)
    if unpaid:
        give_up_invoice(unpaid, actor, at, reason)
    if bill is not None:
        issue_final(row, bill, actor, at)


def _unpaid_change(row: Subscription) -> str:
    """Return the invoice of a change that waits for its payment: nobody owes for what never counted."""
    waiting = row.changes.filter(status=ChangeState.AWAITING_PAYMENT).values_list("invoice", flat=True)
    return waiting.first() or ""


def final_bill(row: Subscription, at: datetime) -> Bill | None:
    """Return the bill for usage up to now and what waits; None where there is nothing."""
    lines: list[Line] = []
    end = row.paused_at or at
    if metered(row.price) and row.customer.seller_id is not None and end > row.usage_since:
        window = Window(row.pk, row.customer.seller_id, row.price.currency, row.usage_since, end)
        lines = usage_lines(row.price, usage_of([window]).get(row.pk, NOTHING), row.usage_since, end)
    waiting = waiting_lines([row.pk]).get(row.pk, [])
    if not lines and sum(one.amount_minor for one in waiting) <= 0:
        return None  # a credit of a subscription that ended is given back by people, with a credit note
    return make_bill(
        subscription=row, lines=lines, period_start=row.usage_since, period_end=max(end, row.usage_since), waiting=waiting
    )


def issue_final(row: Subscription, bill: Bill, actor: Actor, at: datetime) -> Issued:
    key = f"{row.public_id}:final:{bill.period_end.isoformat()}"
    return issue(bills=[(row, bill, key)], trigger=Trigger.CYCLE, actor=actor, at=at)[row.pk]


@composable
def uncancel_subscription(*, subscription_id: int, actor: Actor, at: datetime) -> Subscription:
    """Take back a cancellation or a pause that has not happened yet.

    Tells `subscription.changed`. Refuses: NotFound, AlreadyEnded, NothingToTakeBack.
    """
    row, at = locked(subscription_id, at)
    if row.status in ENDED:
        raise AlreadyEnded(on=f"{row.ended_at:%Y-%m-%d}")
    if not (row.cancel_at_period_end or row.cancel_at or row.pause_at_period_end):
        raise NothingToTakeBack()
    row.cancel_at_period_end = row.pause_at_period_end = False
    row.cancel_at = None
    keep(row, "cancel_at_period_end", "pause_at_period_end", "cancel_at")
    announce(row, "changed", at)
    audit.record(actor, "subscription.uncancel", row.public_id, at)
    return row


@composable
def pause_collection(*, subscription_id: int, paused: bool, actor: Actor, at: datetime, reason: str) -> Subscription:
    """Go on invoicing without collecting, or collect again; a flag, no state. Refuses: NotFound, AlreadyEnded, SubscriptionInvalid."""
    row, at = locked(subscription_id, at)
    _say_why(reason)
    if row.status in ENDED:
        raise AlreadyEnded(on=f"{row.ended_at:%Y-%m-%d}")
    row.collection_paused = paused
    row.save(update_fields=["collection_paused"])
    if paused:
        stop_collections(origin=row.public_id, actor=actor, at=at, reason=reason)
    else:
        resume_collections(origin=row.public_id, actor=actor, at=at, reason=reason)
    announce(row, "changed", at)
    audit.record(actor, "subscription.pause_collection", row.public_id, at, reason=reason, facts={"paused": paused})
    return row


def _say_why(reason: str) -> None:
    if not reason.strip():
        raise SubscriptionInvalid(detail="Give a reason: it is kept in the history.")
