"""Change price or seats: what it costs, when it counts, and that an upgrade counts only once it is paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from backoffice.kit.actors import Actor
from backoffice.kit.errors import NotFound, Refusal
from backoffice.kit.idempotency import recall
from backoffice.kit.states import born, transition
from backoffice.kit.transactions import composable
from backoffice.staff import audit
from billing.collection.attempting import take_from_balance_now
from billing.collection.models import Collection
from billing.collection.opening import stop_collections
from billing.collection.sockets import Line, rooms
from billing.collection.states import ON_THE_WAY, Trigger
from billing.plans.models import Price
from billing.plans.periods import anchor_of, prorate
from billing.plans.queries import recurring_minor
from billing.plans.states import Offer
from billing.subscriptions.creating import PriceNotOffered
from billing.subscriptions.invoicing import issue
from billing.subscriptions.lines import full_period, make_bill, metered, next_boundary, period_lines, usage_lines
from billing.subscriptions.models import PendingLine, Proration, Subscription, SubscriptionChange
from billing.subscriptions.moving import (
    INCOMPLETE_FOR,
    SubscriptionInvalid,
    SubscriptionNotReady,
    announce,
    drop_changes,
    keep,
    locked,
    waiting_change,
)
from billing.subscriptions.states import CHANGE, ChangeState, SubscriptionStatus
from billing.subscriptions.usage import NOTHING, Window, usage_of

CHANGEABLE = (SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE)


class ChangeWaits(Refusal):
    code = "change_waits"
    sentence = "A change waits for its payment until {until}. Let it be paid or expire before you ask for another."


class IntervalNeedsReset(Refusal):
    code = "interval_needs_reset"
    sentence = "The new price is billed in another rhythm: the period has to begin anew (proration reset), or the change to wait for its end."


class CurrencyCannotChange(Refusal):
    code = "currency_cannot_change"
    sentence = "The subscription is in {currency}; a price in another currency takes a new subscription."


class NothingChanges(Refusal):
    code = "nothing_changes"
    sentence = "The subscription has this price and these seats already."


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change comes to: whether it waits for the period's end, its lines now (before tax), the period afterwards."""

    at_period_end: bool
    proration: str
    lines: tuple[Line, ...]
    period_start: datetime
    period_end: datetime
    anchor_at: datetime

    @property
    def amount_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)


@composable
def change_subscription(
    *,
    subscription_id: int,
    actor: Actor,
    at: datetime,
    key: str,
    price_id: int | None = None,
    seats: int | None = None,
    proration: str = "",
    when: str = "",
) -> SubscriptionChange:
    """Change price, seats or both. `when` is `now` or `period_end`; left out, more counts now and less from the next period on.

    With `invoice_now` (what `now` means if nothing is said) and `reset`, what is owed is invoiced and the change counts once that is paid; it is
    dropped, and the invoice voided, when the payment fails or 23 hours pass. With less to pay than was paid, the rest waits for the next
    invoice. Tells `subscription.changed` or `subscription.change_waits`. Refuses: NotFound, SubscriptionNotReady, ChangeWaits,
    PriceNotOffered, IntervalNeedsReset, CurrencyCannotChange, NothingChanges, SubscriptionInvalid.
    """
    row, at = locked(subscription_id, at)
    earlier = recall(scope="change_subscription", key=key, content=[subscription_id, price_id, seats, proration, when])
    if earlier.outcome is not None:
        return SubscriptionChange.objects.get(pk=earlier.outcome)
    difference, price, wanted = _difference(row, price_id, seats, proration, when, at)

    drop_changes(row, actor, at, "Another change was asked for.")
    change = SubscriptionChange(
        subscription=row, from_price=row.price, from_seats=row.seats, to_price=price, to_seats=wanted,
        proration=difference.proration, made_by=str(actor), created_at=at,
    )  # fmt: skip
    if difference.at_period_end:
        change.status, change.expires_at = ChangeState.AT_PERIOD_END, None
        _write(change, actor, at)
        announce(row, "change_waits", at, change=change.public_id)
    else:
        _change_now(row, change, difference, actor, at)
    keep(row)
    facts = {"price": price.public_id, "seats": wanted, "status": change.status}
    audit.record(actor, "subscription.change", row.public_id, at, facts=facts)
    earlier.keep(change.pk)
    return change


def preview_change(
    *,
    subscription_id: int,
    at: datetime,
    price_id: int | None = None,
    seats: int | None = None,
    proration: str = "",
    when: str = "",
) -> Difference:
    """Return what the same change would come to now; writes nothing. Refuses as change_subscription."""
    row = Subscription.objects.select_related("price__plan", "customer").filter(pk=subscription_id).first()
    if row is None:
        raise NotFound(what="subscription", ref=subscription_id)
    return _difference(row, price_id, seats, proration, when, row.customer.clock_at or at)[0]


def _difference(
    row: Subscription, price_id: int | None, seats: int | None, proration: str, when: str, at: datetime
) -> tuple[Difference, Price, int]:
    if row.status not in CHANGEABLE:
        raise SubscriptionNotReady(state=row.get_status_display())
    change = waiting_change(row)
    if change is not None and change.status == ChangeState.AWAITING_PAYMENT:
        raise ChangeWaits(until=f"{change.expires_at:%Y-%m-%d %H:%M} UTC")
    price = row.price if price_id is None else _offered(row, price_id)
    wanted = row.seats if seats is None else seats
    if not 1 <= wanted <= 1_000_000:
        raise SubscriptionInvalid(detail="Seats: 1 to 1,000,000.")
    if price.currency != row.price.currency:
        raise CurrencyCannotChange(currency=row.price.currency)
    if (price.pk, wanted) == (row.price_id, row.seats):
        raise NothingChanges()
    if proration not in ("", *Proration.values) or when not in ("", "now", "period_end"):
        raise SubscriptionInvalid(detail="Proration is invoice_now, next_invoice, none or reset; when is now or period_end.")
    later = when == "period_end" or (not when and not proration and _is_less(row, price, wanted))
    other_rhythm = (price.interval, price.interval_count) != (row.price.interval, row.price.interval_count)
    mode = proration or (Proration.RESET if other_rhythm else Proration.INVOICE_NOW)
    if other_rhythm and mode != Proration.RESET and not later:
        raise IntervalNeedsReset()
    if later or at >= row.current_period_end:
        return (
            Difference(True, Proration.NONE, (), row.current_period_start, row.current_period_end, row.anchor_at),
            price,
            wanted,
        )
    return _priced(row, price, wanted, mode, at), price, wanted


def _offered(row: Subscription, price_id: int) -> Price:
    price = Price.objects.select_related("plan").filter(pk=price_id).first()
    if price is None:
        raise NotFound(what="price", ref=price_id)
    if price.pk != row.price_id and (price.status != Offer.OFFERED or price.plan.status != Offer.OFFERED):
        raise PriceNotOffered(price=price.public_id)
    return price


def _is_less(row: Subscription, price: Price, seats: int) -> bool:
    """Compare what a day costs, in whole periods from the same anchor: months against years."""
    ours, theirs = (
        full_period(row.anchor_at, row.price, row.current_period_start),
        full_period(row.anchor_at, price, row.current_period_start),
    )
    now = recurring_minor(row.price, row.seats) * ((theirs[1] - theirs[0]) // timedelta(seconds=1))
    then = recurring_minor(price, seats) * ((ours[1] - ours[0]) // timedelta(seconds=1))
    return then < now


def _priced(row: Subscription, price: Price, seats: int, mode: str, at: datetime) -> Difference:
    start, end, anchor_at = row.current_period_start, row.current_period_end, row.anchor_at
    on_trial = row.status == SubscriptionStatus.TRIALING and start == row.start_at
    lines: list[Line] = []
    if mode == Proration.RESET and not on_trial:
        anchor_at = anchor_of(row.anchor, price.interval, at)
        start, end = at, next_boundary(anchor_at, price, at)
        lines = unused(row, at) + period_lines(price, seats, anchor_at, start, end)
    elif mode in (Proration.INVOICE_NOW, Proration.NEXT_INVOICE) and not on_trial:
        lines = unused(row, at) + _rest(price, seats, row, at)
    if metered(row.price) and price.pk != row.price_id and row.customer.seller_id is not None:
        window = Window(row.pk, row.customer.seller_id, row.price.currency, row.usage_since, at)
        lines += usage_lines(row.price, usage_of([window]).get(row.pk, NOTHING), row.usage_since, at)
    return Difference(False, mode, tuple(lines), start, end, anchor_at)


def unused(row: Subscription, at: datetime) -> list[Line]:
    """Return the credit for what is left of the period that was invoiced."""
    whole = period_lines(row.price, row.seats, row.anchor_at, row.current_period_start, row.current_period_end)
    return [_share(line, row, at, "Unused", -1) for line in whole if line.amount_minor]


def _rest(price: Price, seats: int, row: Subscription, at: datetime) -> list[Line]:
    """Return the new price for what is left of the period."""
    whole = period_lines(price, seats, row.anchor_at, row.current_period_start, row.current_period_end)
    return [_share(line, row, at, "Rest of the period", 1) for line in whole if line.amount_minor]


def _share(line: Line, row: Subscription, at: datetime, text: str, sign: int) -> Line:
    start, end = row.current_period_start, row.current_period_end
    amount = sign * prorate(line.amount_minor, end - at, end - start)
    return Line(f"{text}: {line.description}"[:250], Decimal(1), amount, amount, line.tax_code, at, end, True)


def _change_now(row: Subscription, change: SubscriptionChange, difference: Difference, actor: Actor, at: datetime) -> None:
    pays_now = difference.proration in (Proration.INVOICE_NOW, Proration.RESET) and difference.amount_minor > 0
    if not pays_now:
        change.status = ChangeState.APPLIED
        _write(change, actor, at)
        wait_for_next_invoice(row, difference.lines, at)
        _apply(row, change, difference.anchor_at, difference.period_start, difference.period_end, at)
        return
    change.status, change.expires_at = ChangeState.AWAITING_PAYMENT, min(at + INCOMPLETE_FOR, row.current_period_end)
    bill = make_bill(
        subscription=row, lines=difference.lines, period_start=difference.period_start, period_end=difference.period_end
    )
    _write(change, actor, at)
    issued = issue(bills=[(row, bill, f"{change.public_id}:change")], trigger=Trigger.PURCHASE, actor=actor, at=at)[row.pk]
    change.invoice = issued.invoice.public_id if issued.invoice else ""
    change.save(update_fields=["invoice"])
    if issued.is_paid:
        apply_change(row, change, actor, at)
    else:
        announce(row, "change_waits", at, change=change.public_id, invoice=change.invoice)
        if issued.collection is not None:
            take_from_balance_now(collection_id=issued.collection.pk, trigger=Trigger.PURCHASE, actor=actor, at=at)
            change.refresh_from_db()
            row.refresh_from_db()


def _write(change: SubscriptionChange, actor: Actor, at: datetime) -> None:
    if change.status == ChangeState.APPLIED:
        change.ended_at = at
    change.save()
    born(CHANGE, change, actor=actor, at=at)


def wait_for_next_invoice(row: Subscription, lines: tuple[Line, ...], at: datetime) -> None:
    """Keep lines for the subscription's next invoice."""
    PendingLine.objects.bulk_create(
        PendingLine(
            subscription=row, description=line.description, quantity=int(line.quantity), unit_amount_minor=line.unit_amount_minor,
            amount_minor=line.amount_minor, period_start=line.period_start, period_end=line.period_end, created_at=at,
        )
        for line in lines
        if line.amount_minor
    )  # fmt: skip


def apply_change(row: Subscription, change: SubscriptionChange, actor: Actor, at: datetime) -> None:
    """Let a change count whose payment passed; it was priced when it was asked for, and counts from that instant."""
    transition(CHANGE, change, ChangeState.APPLIED, actor=actor, at=at)
    SubscriptionChange.objects.filter(pk=change.pk).update(ended_at=at)
    asked = change.created_at
    if change.proration == Proration.RESET and not (
        row.status == SubscriptionStatus.TRIALING and row.current_period_start == row.start_at
    ):
        anchor_at = anchor_of(row.anchor, change.to_price.interval, asked)
        _apply(row, change, anchor_at, asked, next_boundary(anchor_at, change.to_price, asked), at)
    else:
        _apply(row, change, row.anchor_at, row.current_period_start, row.current_period_end, at)
    keep(row)


def _apply(
    row: Subscription, change: SubscriptionChange, anchor_at: datetime, start: datetime, end: datetime, at: datetime
) -> None:
    if metered(row.price) and change.to_price_id != row.price_id:
        row.usage_since = change.created_at
    row.price, row.seats = change.to_price, change.to_seats
    row.anchor_at, row.current_period_start, row.current_period_end = anchor_at, start, end
    row.last_minor = recurring_minor(row.price, row.seats)
    row.save(
        update_fields=["price", "seats", "anchor_at", "current_period_start", "current_period_end", "usage_since", "last_minor"]
    )
    announce(row, "changed", at, change=change.public_id)


def drop_unpaid_change(row: Subscription, change: SubscriptionChange, actor: Actor, at: datetime, reason: str) -> None:
    """Give up a change whose payment did not pass: stop collecting, void its invoice. Money on its way keeps it waiting."""
    found = Collection.objects.filter(invoice=change.invoice).first()
    if found is not None and found.attempts.filter(status__in=ON_THE_WAY).exists():
        # its outcome decides, whenever it comes: a change that was paid for is never dropped
        SubscriptionChange.objects.filter(pk=change.pk).update(expires_at=None)
        return
    transition(CHANGE, change, ChangeState.DROPPED, actor=actor, at=at, reason=reason)
    SubscriptionChange.objects.filter(pk=change.pk).update(ended_at=at)
    give_up_invoice(change.invoice, actor, at, reason)
    announce(row, "change_dropped", at, change=change.public_id, invoice=change.invoice)


def give_up_invoice(invoice: str, actor: Actor, at: datetime, reason: str) -> None:
    """Stop collecting an invoice and void it; one that was paid in part, or whose payment is on its way, stays open, for people to settle."""
    stop_collections(invoice=invoice, actor=actor, at=at, reason=reason)
    if rooms.invoices.facts(invoice=invoice).status in ("draft", "finalizing_failed"):
        rooms.invoices.void(invoice=invoice, actor=actor, at=at, reason=reason)  # its tax was never decided: nothing is claimed
        return
    found = Collection.objects.filter(invoice=invoice).first()
    if found is None or found.attempts.filter(status__in=ON_THE_WAY).exists():
        return
    if found.collected_minor == 0 and rooms.invoices.facts(invoice=invoice).status == "open":
        rooms.invoices.void(invoice=invoice, actor=actor, at=at, reason=reason)
