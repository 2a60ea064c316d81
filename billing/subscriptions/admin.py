"""Screens of subscriptions: who subscribes to what, what waits, what was renewed. The renewal batches: admin_renewals."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    Column,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    link_column,
    number_column,
    plug,
    queue,
    state_column,
)
from backoffice.kit.errors import InputError, Refusal
from billing.collection.admin import collections_table, invoice_links
from billing.collection.models import Collection
from billing.customers.models import Customer
from billing.plans.models import Plan, Price
from billing.plans.periods import Anchor
from billing.plans.queries import find_price, recurring_minor
from billing.plans.states import Offer
from billing.subscriptions import operations
from billing.subscriptions.changing import CHANGEABLE
from billing.subscriptions.models import Proration, Subscription, TrialEnd
from billing.subscriptions.moving import waiting_change
from billing.subscriptions.states import ENDED, RENEWING, SUBSCRIPTION, SubscriptionStatus
from billing.subscriptions.stopping import PAUSABLE

S = SubscriptionStatus
NOT_RENEWED_AFTER = timedelta(hours=1)  # the timetable renews every five minutes
LIVE = [status for status in SubscriptionStatus.values if status not in ENDED]


def past_due(at: datetime) -> QuerySet[Subscription]:
    """Return subscriptions whose invoices were not paid."""
    return Subscription.objects.filter(status__in=[S.PAST_DUE, S.UNPAID])


queue(
    name="past_due",
    title="Subscriptions past due",
    model=Subscription,
    rows=past_due,
    age_field="current_period_start",
    help_text="Dunning is at it; look at those nothing is planned for any more.",
    order=72,
)


def not_renewed(at: datetime) -> QuerySet[Subscription]:
    """Return subscriptions whose period is over and that nobody invoices: dismissed, under a brake, or parked."""
    rows = Subscription.objects.filter(status__in=RENEWING, customer__clock_at__isnull=True)
    return rows.filter(next_at__lte=at - NOT_RENEWED_AFTER, current_period_end__lte=at - NOT_RENEWED_AFTER)


queue(
    name="not_renewed",
    title="Subscriptions not renewed",
    model=Subscription,
    rows=not_renewed,
    age_field="current_period_end",
    help_text="Their period is over and nothing is invoiced: lift the brake, release what is parked, or cancel what was dismissed.",
    order=73,
)


def _collections(row: Subscription, look: Look) -> Table:
    return collections_table(Collection.objects.filter(origin=row.public_id), look)


def _renewals(row: Subscription, look: Look) -> Table:
    rows, older = look.slice_of(row.renewals.all())
    rows = list(rows)
    invoices = invoice_links(one.invoice for one in rows)
    columns = [
        Column("Boundary"),
        Column("State"),
        Column("Came to"),
        Column("Why"),
        Column("Invoice"),
        Column("Amount", money=True),
    ]
    return Table(
        columns,
        [
            (display.link(one, display.instant(one.period_start)), display.state(one), one.what, one.detail, invoices.get(one.invoice, ""),
             display.money(one.amount_minor, one.currency))
            for one in rows
        ],
        empty="It was not renewed yet.",
        older=older,
    )  # fmt: skip


def _changes(row: Subscription, look: Look) -> Table:
    rows, older = look.slice_of(row.changes.select_related("to_price__plan", "from_price__plan"))
    rows = list(rows)
    invoices = invoice_links(one.invoice for one in rows)
    return Table(
        [Column("Asked"), Column("From"), Column("To"), Column("Proration"), Column("State"), Column("Invoice")],
        [
            (display.instant(one.created_at), f"{one.from_price} × {one.from_seats}", f"{one.to_price} × {one.to_seats}",
             one.get_proration_display(), display.state(one), invoices.get(one.invoice, ""))
            for one in rows
        ],
        empty="It was never changed.",
        older=older,
    )  # fmt: skip


def _lines(row: Subscription, look: Look) -> Table:
    rows, older = look.slice_of(row.pending_lines.all())
    rows = list(rows)
    invoices = invoice_links(one.invoice for one in rows)
    return Table(
        [Column("Line"), Column("For"), Column("On invoice"), Column("Amount", money=True)],
        [
            (one.description, f"{one.period_start:%d %b %Y} to {one.period_end:%d %b %Y}", invoices.get(one.invoice, "") or "the next one",
             display.money(one.amount_minor, row.price.currency))
            for one in rows
        ],
        empty="Nothing waits for the next invoice.",
        older=older,
    )  # fmt: skip


def _effect(row: Subscription) -> list[tuple[str, Any]]:
    return [
        ("Customer", row.customer.external_id),
        ("Price", str(row.price)),
        ("Seats", display.number(row.seats)),
        ("A full period costs, before usage and tax", display.money(recurring_minor(row.price, row.seats), row.price.currency)),
        ("Period", f"{row.current_period_start:%d %b %Y} to {row.current_period_end:%d %b %Y}"),
    ]


def _change_effect(row: Subscription) -> list[tuple[str, Any]]:
    """Show what each change on offer would come to now: the plan's and others' prices in the same currency, with today's seats."""
    rows = _effect(row)
    for price in _offered(row):
        if price.pk == row.price_id:
            continue
        try:
            found = operations.preview_change(subscription_id=row.pk, price_id=price.pk, at=clock.now())
        except Refusal as refusal:
            rows.append((f"To {price}", str(refusal)))
            continue
        later = found.at_period_end
        rows.append(
            (
                f"To {price}",
                "from the next period on" if later else display.money(found.amount_minor, price.currency, signed=True),
            )
        )
    return rows


def _offered(row: Subscription) -> list[Price]:
    rows = Price.objects.select_related("plan").filter(
        status=Offer.OFFERED, plan__status=Offer.OFFERED, currency=row.price.currency
    )
    return list(rows.order_by("plan__name", "id")[:25])


def _change(subscription_id: int, asked: dict[str, Any], actor: Any, at: Any, key: str) -> Any:
    price = find_price(asked["price"]).pk if asked.get("price") else None
    return operations.change_subscription(
        subscription_id=subscription_id, price_id=price, seats=asked.get("seats"), proration=asked.get("proration", ""),
        when=asked.get("when", ""), actor=actor, at=at, key=key,
    )  # fmt: skip


_change.intention = "composable"  # type: ignore[attr-defined]


def _create(asked: dict[str, Any], actor: Any, at: Any, key: str) -> Subscription:
    ref = asked["customer"].strip()
    customer = Customer.objects.filter(Q(public_id=ref) | Q(external_id=ref)).first()
    if customer is None:
        raise InputError(detail="There is no such customer.")
    return operations.create_subscription(
        customer_id=customer.pk, price_id=find_price(asked["price"].strip()).pk, seats=asked["seats"], anchor=asked["anchor"],
        trial_days=asked.get("trial_days") or 0, trial_end=asked["trial_end"], coupon=asked.get("coupon", ""), actor=actor, at=at, key=key,
    )  # fmt: skip


_create.intention = "composable"  # type: ignore[attr-defined]


@admin.register(Subscription)
class SubscriptionAdmin(OperatorAdmin):
    list_display = ("customer_shown", "price_shown", "seats_shown", "state_shown", "flags", "until", "next_shown")
    wide_only = ("next_shown",)
    list_filter = (("status", ChoicesDropdownFilter), ("method", ChoicesDropdownFilter))
    list_select_related = ("customer", "price__plan")
    actor_fields = ("made_by",)
    machine = SUBSCRIPTION
    search_by = (
        lambda term: Q(customer__in=Customer.objects.filter(Q(external_id=term) | Q(public_id=term))),
        lambda term: Q(price__plan__in=Plan.objects.filter(code=term)),
    )
    search_help_text = "Id, the customer's id, or the plan's code"
    empty_title = "Nobody subscribes to anything"
    panels = (
        Panel(
            "collections",
            "Invoices and their collection",
            _collections,
            permission="billing.view_collection",
            lazy=False,
            order=10,
        ),
        Panel("lines", "For the next invoice", _lines, permission="billing.view_pendingline", order=20),
        Panel("renewals", "Renewals", _renewals, permission="billing.view_renewalitem", order=30),
        Panel("changes", "Changes", _changes, permission="billing.view_subscriptionchange", order=40),
    )
    list_buttons = (
        Button(
            name="create",
            label="Begin a subscription",
            verb=_create,
            permission="billing.change_subscriptions",
            arguments=lambda row, asked: {"asked": asked},
            fields=lambda row: {
                "customer": fields.text("Customer", "Id or external id."),
                "price": fields.text("Price", "Its id, from the plan's page.", max_length=40),
                "seats": fields.number("Seats", low=1, high=1_000_000),
                "anchor": fields.choice("Periods begin on", Anchor.choices),
                "trial_days": fields.number("Days of trial", required=False, high=366),
                "trial_end": fields.choice("After the trial", TrialEnd.choices),
                "coupon": fields.text("Coupon", required=False, max_length=40),
            },
            explain="Without a trial the first invoice is made and collected at once.",
            done="Begun.",
            then=lambda row, made: display.page_of(made),
        ),
    )
    buttons = (
        Button(
            name="change",
            label="Change price or seats",
            verb=_change,
            permission="billing.change_subscriptions",
            arguments=lambda row, asked: {"subscription_id": row.pk, "asked": asked},
            states=CHANGEABLE,
            fields=lambda row: {
                "price": fields.choice(
                    "Price", [(one.public_id, str(one)) for one in _offered(row)], "Empty: stays.", required=False
                ),
                "seats": fields.number("Seats", "Empty: stay.", required=False, low=1, high=1_000_000),
                "when": fields.choice(
                    "When",
                    [("now", "now"), ("period_end", "at the end of the period")],
                    "Empty: more now, less later.",
                    required=False,
                ),
                "proration": fields.choice("The difference", Proration.choices, "Empty: invoiced now.", required=False),
            },
            effect=_change_effect,
            explain="Amounts are net, at today's seats. What is invoiced now counts once it is paid.",
            done=lambda row, change: f"The change is {change.get_status_display()}.",
            order=10,
        ),
        Button(
            name="pause",
            label="Pause",
            verb=operations.pause_subscription,
            permission="billing.change_subscriptions",
            arguments=lambda row, asked: {"subscription_id": row.pk, **asked},
            states=PAUSABLE,
            fields=lambda row: {
                "at_period_end": fields.switch("At the end of the period", initial=True),
                "resumes_at": fields.at_instant("Goes on by itself at", required=False),
                "reason": fields.reason(),
            },
            effect=_effect,
            explain="No invoices while it is paused, and open ones are not collected.",
            done=lambda row, made: f"It is {made.get_status_display()}.",
            order=20,
        ),
        Button(
            name="resume",
            label="Resume",
            verb=operations.resume_subscription,
            permission="billing.change_subscriptions",
            arguments=lambda row, asked: {"subscription_id": row.pk, **asked},
            states=(S.PAUSED,),
            fields=lambda row: {"anchor": fields.choice("Periods", [("keep", "as before"), ("new", "begin anew today")])},
            effect=_effect,
            explain="After the invoiced period, the rest until the next boundary is invoiced now, less what was not used.",
            done="It goes on.",
            order=20,
        ),
        Button(
            name="coupon",
            label="Give a coupon",
            verb=operations.give_coupon,
            permission="billing.change_subscriptions",
            arguments=lambda row, asked: {"subscription_id": row.pk, **asked},
            states=LIVE,
            fields=lambda row: {"coupon": fields.text("Coupon", max_length=40)},
            effect=_effect,
            explain="It counts from the next invoice on.",
            done=lambda row, made: f"{made.coupon.code} counts from the next invoice on.",
            order=25,
        ),
        Button(
            name="uncancel",
            label="Take the end back",
            verb=operations.uncancel_subscription,
            permission="billing.change_subscriptions",
            arguments=lambda row, asked: {"subscription_id": row.pk},
            states=LIVE,
            when=lambda row: row.cancel_at_period_end or row.cancel_at is not None or row.pause_at_period_end,
            effect=_effect,
            done="It goes on.",
            order=30,
        ),
        Button(
            name="stop_collecting",
            label="Stop collecting",
            verb=operations.pause_collection,
            permission="billing.change_subscriptions",
            arguments=lambda row, asked: {"subscription_id": row.pk, "paused": True, **asked},
            states=LIVE,
            when=lambda row: not row.collection_paused,
            fields=lambda row: {"reason": fields.reason()},
            effect=_effect,
            explain="Invoices go on; nobody collects them.",
            done="Nothing is collected.",
            order=40,
        ),
        Button(
            name="collect_again",
            label="Collect again",
            verb=operations.pause_collection,
            permission="billing.change_subscriptions",
            arguments=lambda row, asked: {"subscription_id": row.pk, "paused": False, **asked},
            states=LIVE,
            when=lambda row: row.collection_paused,
            fields=lambda row: {"reason": fields.reason()},
            effect=_effect,
            explain="What is open is tried within moments.",
            done="It is collected again.",
            order=40,
        ),
        Button(
            name="cancel",
            label="Cancel",
            verb=operations.cancel_subscription,
            permission="billing.change_subscriptions",
            arguments=lambda row, asked: {"subscription_id": row.pk, **asked},
            states=LIVE,
            fields=lambda row: {
                "at_period_end": fields.switch("At the end of the period", initial=True),
                "reason": fields.reason(),
            },
            effect=_effect,
            explain="Now or at the end of the period; planned attempts close with it. Open invoices stay owed.",
            danger=True,
            done=lambda row, made: "Cancelled." if made.status == S.CANCELED else f"It ends on {made.next_at:%d %b %Y}.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda s: s.public_id),
        ExportColumn("customer", lambda s: s.customer.public_id),
        ExportColumn("plan", lambda s: s.price.plan.code),
        ExportColumn("price", lambda s: s.price.public_id),
        ExportColumn("seats", lambda s: s.seats),
        ExportColumn("state", lambda s: s.get_status_display()),
        ExportColumn("period_start", lambda s: s.current_period_start),
        ExportColumn("period_end", lambda s: s.current_period_end),
        ExportColumn("ended_at", lambda s: s.ended_at),
    )
    customer_shown = link_column("Customer", "customer", lambda customer: customer.external_id)
    seats_shown = number_column("Seats", "seats")
    state_shown = state_column()
    until = instant_column("Period ends", "current_period_end")
    next_shown = instant_column("Next", "next_at")

    @admin.display(description="Price")
    def price_shown(self, row: Subscription) -> str:
        return str(row.price)

    @admin.display(description="")
    def flags(self, row: Subscription) -> str:
        said = {
            "ends": row.cancel_at_period_end or row.cancel_at,
            "will pause": row.pause_at_period_end,
            "not collected": row.collection_paused,
        }
        return ", ".join(text for text, is_so in said.items() if is_so)

    def page_title(self, row: Subscription) -> str:
        return f"{row.price.plan.name} for {row.customer.external_id}"

    def headline(self, row: Subscription) -> Any:
        return display.money(recurring_minor(row.price, row.seats), row.price.currency)

    def standing(self, row: Subscription) -> str:
        change = waiting_change(row)
        said = [self.flags(row).capitalize() + "." if self.flags(row) else "", row.reason]
        if change is not None:
            said.append(f"A change to {change.to_price} × {change.to_seats} {change.get_status_display()}.")
        return " ".join(part for part in said if part)

    def facts(self, row: Subscription) -> list[tuple[str, Any]]:
        return [
            ("Customer", display.link(row.customer, row.customer.external_id)),
            ("Price", display.link(row.price)),
            ("Seats", display.number(row.seats)),
            ("Collected", row.get_method_display()),
            ("Period began", display.instant(row.current_period_start)),
            ("Period ends", display.instant(row.current_period_end)),
            ("Periods begin on", row.get_anchor_display()),
            ("Next thing due", display.instant(row.next_at)),
            ("Ends at", display.instant(row.cancel_at)),
            ("Goes on at", display.instant(row.resumes_at)),
            ("Last full period, net", display.money(row.last_minor, row.price.currency)),
            ("Latest invoice", invoice_links([row.latest_invoice]).get(row.latest_invoice, "")),
            ("Test clock", display.instant(row.customer.clock_at)),
            ("Begun by", self.person(row, "made_by")),
            ("Ended", display.instant(row.ended_at)),
        ]


def _of_customer(customer: Customer, look: Look) -> Table:
    rows, older = look.slice_of(Subscription.objects.filter(customer=customer).select_related("price__plan"))
    return Table(
        [Column("Subscription"), Column("Price"), Column("Seats"), Column("State"), Column("Period ends")],
        [
            (
                display.link(one, display.short_id(one.public_id)),
                str(one.price),
                one.seats,
                display.state(one),
                display.instant(one.current_period_end),
            )
            for one in rows
        ],
        empty="No subscription.",
        older=older,
    )


plug(Customer, Panel("subscriptions", "Subscriptions", _of_customer, permission="billing.view_subscription", order=40))
