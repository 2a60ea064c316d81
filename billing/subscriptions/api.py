"""Subscriptions of the partner's customers: begin, read, change, preview, pause, resume, cancel; and test clocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from backoffice.kit.api.answers import instant, money
from backoffice.kit.api.fields import PublicId
from backoffice.kit.api.lists import Filter, Page, instants
from backoffice.kit.api.views import ApiView, Call, listing, question, verb
from backoffice.kit.errors import NotFound
from billing.customers.models import Customer
from billing.plans.queries import find_price
from billing.subscriptions import operations
from billing.subscriptions.api_schema import (
    ADVANCE_EXAMPLE,
    CHANGE_EXAMPLE,
    EXAMPLE,
    PREVIEW_EXAMPLE,
    AdvanceIn,
    AdvanceOut,
    CancelIn,
    ChangeIn,
    ChangeOut,
    CouponIn,
    NothingIn,
    PauseIn,
    PreviewOut,
    ResumeIn,
    SubscriptionIn,
    SubscriptionOut,
)
from billing.subscriptions.models import ClockAdvance, Subscription, SubscriptionChange
from billing.subscriptions.moving import waiting_change
from billing.subscriptions.states import SubscriptionStatus

COLUMNS = (
    "id", "public_id", "customer__public_id", "price__public_id", "price__currency", "price__plan__public_id", "seats", "method", "status",
    "anchor", "anchor_at", "current_period_start", "current_period_end", "last_minor", "latest_invoice", "cancel_at_period_end", "cancel_at",
    "pause_at_period_end", "resumes_at", "collection_paused", "ended_at", "created_at",
)  # fmt: skip


FILTERS = [
    Filter("status", "status", serializers.ChoiceField(SubscriptionStatus.choices)),
    Filter("customer", "customer__public_id", PublicId("cus")),
    Filter("price", "price__public_id", PublicId("prc")),
    *instants("created_at", "created_at"),
    *instants("current_period_end", "current_period_end"),
]


def subscriptions_of(caller: Any) -> QuerySet[Subscription]:
    """Return the subscriptions of the caller's own customers."""
    return Subscription.objects.filter(customer__partner_id=caller.partner_id)


def row_id_of(caller: Any, public_id: str) -> int:
    """Return the row of a subscription of the caller's. Refuses: NotFound."""
    found = subscriptions_of(caller).filter(public_id=public_id).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(what="subscription", ref=public_id)
    return found


def customer_id_of(caller: Any, public_id: str) -> int:
    """Return the row of a customer of the caller's. Refuses: NotFound."""
    found = Customer.objects.filter(partner_id=caller.partner_id, public_id=public_id).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(what="customer", ref=public_id)
    return found


def represent(row: tuple[Any, ...], livemode: bool) -> dict[str, Any]:
    (
        _, public_id, customer, price, currency, plan, seats, method, status, anchor, anchor_at, start, end, last_minor, invoice,
        cancel_at_end, cancel_at, pause_at_end, resumes_at, collection_paused, ended_at, created_at,
    ) = row  # fmt: skip
    return {
        "id": public_id,
        "object": "subscription",
        "created_at": instant(created_at),
        "livemode": livemode,
        "customer": customer,
        "plan": plan,
        "price": price,
        "seats": seats,
        "collection": method,
        "status": status,
        "anchor": anchor,
        "anchor_at": instant(anchor_at),
        "current_period_start": instant(start),
        "current_period_end": instant(end),
        "last_period": money(last_minor, currency),
        "latest_invoice": invoice or None,
        "cancel_at_period_end": cancel_at_end,
        "cancel_at": instant(cancel_at),
        "pause_at_period_end": pause_at_end,
        "resumes_at": instant(resumes_at),
        "collection_paused": collection_paused,
        "ended_at": instant(ended_at),
    }


def shown(caller: Any, public_id: str) -> dict[str, Any]:
    row = subscriptions_of(caller).filter(public_id=public_id).values_list(*COLUMNS).first()
    if row is None:
        raise NotFound(what="subscription", ref=public_id)
    return represent(row, caller.livemode)


def represent_change(change: SubscriptionChange, subscription: str, livemode: bool) -> dict[str, Any]:
    return {
        "id": change.public_id,
        "object": "subscription_change",
        "created_at": instant(change.created_at),
        "livemode": livemode,
        "subscription": subscription,
        "price": change.to_price.public_id,
        "seats": change.to_seats,
        "proration": change.proration,
        "status": change.status,
        "invoice": change.invoice or None,
        "expires_at": instant(change.expires_at),
    }


def represent_advance(row: ClockAdvance, livemode: bool) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "object": "clock_advance",
        "created_at": instant(row.created_at),
        "livemode": livemode,
        "customer": row.customer.public_id,
        "to": instant(row.to),
        "status": row.status,
        "stops": row.steps,
        "detail": row.detail,
        "finished_at": instant(row.finished_at),
    }


def _wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn what a change names into what its verb takes. Refuses: NotFound."""
    wanted = {name: given[name] for name in ("seats", "when", "proration") if name in given}
    return wanted | ({"price_id": find_price(given["price"]).pk} if "price" in given else {})


class Subscriptions(ApiView):
    """The subscriptions of the partner's customers."""

    @listing(
        operation="list_subscriptions", scope="subscriptions:read", answers=SubscriptionOut, example=EXAMPLE, filters=FILTERS
    )
    def get(self, request: Any, page: Page) -> dict[str, Any]:
        """List subscriptions, newest first."""
        return page.of(subscriptions_of(request.user), COLUMNS, lambda row: represent(row, request.user.livemode))

    @verb(
        operation="create_subscription",
        scope="subscriptions:write",
        takes=SubscriptionIn,
        answers=SubscriptionOut,
        example_in={"customer": EXAMPLE["customer"], "price": EXAMPLE["price"], "seats": 3},
        example=EXAMPLE | {"status": "incomplete"},
        refusals=[
            "price_not_offered:409:The price prc_… is not offered any more; choose a current one from the plan.",
            "coupon_not_redeemable:409:The coupon SPRING cannot be used: its last day is over.",
        ],
    )
    def post(self, request: Any, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Subscribe a customer. Without a trial it is `incomplete` until the first invoice is paid, which takes moments by card."""
        facts = {
            name: given[name] for name in ("seats", "anchor", "start_at", "trial_days", "trial_end", "coupon") if name in given
        }
        made = operations.create_subscription(
            customer_id=customer_id_of(request.user, given["customer"]), price_id=find_price(given["price"]).pk, **facts,
            actor=call.actor, at=call.at, key=call.key,
        )  # fmt: skip
        return shown(request.user, made.public_id)


class OneSubscription(ApiView):
    """One subscription."""

    @question(operation="get_subscription", scope="subscriptions:read", answers=SubscriptionOut, example=EXAMPLE)
    def get(self, request: Any, subscription_id: str) -> dict[str, Any]:
        """Read one subscription."""
        return shown(request.user, subscription_id)


class SubscriptionChangeView(ApiView):
    """Price and seats."""

    @question(operation="get_subscription_change", scope="subscriptions:read", answers=ChangeOut, example=CHANGE_EXAMPLE)
    def get(self, request: Any, subscription_id: str) -> dict[str, Any]:
        """Read the change that waits; where none does, the last one."""
        row = Subscription(pk=row_id_of(request.user, subscription_id))
        last = row.changes.select_related("to_price").order_by("-id")
        change = waiting_change(row) or last.first()
        if change is None:
            raise NotFound(what="change of", ref=subscription_id)
        return represent_change(change, subscription_id, request.user.livemode)

    @verb(
        operation="change_subscription",
        scope="subscriptions:write",
        takes=ChangeIn,
        answers=ChangeOut,
        example_in={"seats": 5},
        example=CHANGE_EXAMPLE,
        refusals=[
            "change_waits:409:A change waits for its payment until 2026-11-29 08:30 UTC. Let it be paid or expire before you ask for another.",
            "nothing_changes:409:The subscription has this price and these seats already.",
        ],
    )
    def post(self, request: Any, subscription_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Change price, seats or both. What is invoiced now counts once it is paid, and is dropped when it is not."""
        row_id = row_id_of(request.user, subscription_id)
        change = operations.change_subscription(
            subscription_id=row_id, **_wanted(given), actor=call.actor, at=call.at, key=call.key
        )
        return represent_change(change, subscription_id, request.user.livemode)


class SubscriptionPreview(ApiView):
    """What a change would come to."""

    @verb(
        operation="get_subscription_preview",
        scope="subscriptions:read",
        takes=ChangeIn,
        answers=PreviewOut,
        example_in={"seats": 5},
        example=PREVIEW_EXAMPLE,
        status=200,
        needs_key=False,
        refusals=["nothing_changes:409:The subscription has this price and these seats already."],
    )
    def post(self, request: Any, subscription_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Tell what the same change would put on an invoice now; nothing is written."""
        row_id = row_id_of(request.user, subscription_id)
        found = operations.preview_change(subscription_id=row_id, at=call.at, **_wanted(given))
        currency = Subscription.objects.values_list("price__currency", flat=True).get(pk=row_id)
        return {
            "object": "subscription_preview",
            "subscription": subscription_id,
            "livemode": request.user.livemode,
            "at_period_end": found.at_period_end,
            "proration": found.proration,
            "amount": money(found.amount_minor, currency),
            "period_start": instant(found.period_start),
            "period_end": instant(found.period_end),
            "lines": [
                {
                    "description": line.description,
                    "amount": money(line.amount_minor, currency),
                    "period_start": instant(line.period_start),
                    "period_end": instant(line.period_end),
                }
                for line in found.lines
            ],
        }


class SubscriptionPause(ApiView):
    """Stop invoices for a while."""

    @verb(
        operation="change_subscription_to_paused",
        scope="subscriptions:write",
        takes=PauseIn,
        answers=SubscriptionOut,
        example_in={"reason": "Closed in August.", "at_period_end": True},
        example=EXAMPLE | {"pause_at_period_end": True},
        status=200,
        refusals=["subscription_not_ready:409:This is not possible while the subscription is past due."],
    )
    def post(self, request: Any, subscription_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Pause a subscription, now or from the end of the period on."""
        row_id = row_id_of(request.user, subscription_id)
        operations.pause_subscription(subscription_id=row_id, **given, actor=call.actor, at=call.at)
        return shown(request.user, subscription_id)


class SubscriptionResume(ApiView):
    """Go on."""

    @verb(
        operation="change_subscription_to_resumed",
        scope="subscriptions:write",
        takes=ResumeIn,
        answers=SubscriptionOut,
        example_in={"anchor": "keep"},
        example=EXAMPLE,
        status=200,
        refusals=["subscription_not_ready:409:This is not possible while the subscription is active."],
    )
    def post(self, request: Any, subscription_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Go on with a paused subscription; after the invoiced period, the rest until the next boundary is invoiced now."""
        row_id = row_id_of(request.user, subscription_id)
        operations.resume_subscription(subscription_id=row_id, **given, actor=call.actor, at=call.at)
        return shown(request.user, subscription_id)


class SubscriptionCancel(ApiView):
    """End it."""

    @verb(
        operation="cancel_subscription",
        scope="subscriptions:write",
        takes=CancelIn,
        answers=SubscriptionOut,
        example_in={"reason": "The shop closes."},
        example=EXAMPLE | {"cancel_at_period_end": True},
        status=200,
        refusals=["subscription_ended:409:The subscription ended on 2026-11-21; start a new one."],
    )
    def post(self, request: Any, subscription_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """End a subscription: at the end of its period, at an instant, or now. Planned attempts to collect close with it."""
        row_id = row_id_of(request.user, subscription_id)
        operations.cancel_subscription(subscription_id=row_id, **given, actor=call.actor, at=call.at)
        return shown(request.user, subscription_id)


class SubscriptionUncancel(ApiView):
    """Take the end back."""

    @verb(
        operation="change_subscription_to_uncancelled",
        scope="subscriptions:write",
        takes=NothingIn,
        answers=SubscriptionOut,
        example_in={},
        example=EXAMPLE,
        status=200,
        refusals=["nothing_to_take_back:409:The subscription is not about to end or to pause."],
    )
    def post(self, request: Any, subscription_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Take back a cancellation or a pause that has not happened yet."""
        row_id = row_id_of(request.user, subscription_id)
        operations.uncancel_subscription(subscription_id=row_id, actor=call.actor, at=call.at)
        return shown(request.user, subscription_id)


class SubscriptionCoupon(ApiView):
    """A discount for a subscription that runs already."""

    @verb(
        operation="create_subscription_coupon",
        scope="subscriptions:write",
        takes=CouponIn,
        answers=SubscriptionOut,
        example_in={"coupon": "SPRING"},
        example=EXAMPLE,
        status=200,
        refusals=["coupon_used_before:409:This customer had the coupon SPRING before."],
    )
    def post(self, request: Any, subscription_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Give a running subscription a coupon; it counts from the next invoice on."""
        row_id = row_id_of(request.user, subscription_id)
        operations.give_coupon(subscription_id=row_id, coupon=given["coupon"], actor=call.actor, at=call.at)
        return shown(request.user, subscription_id)


class CustomerAdvance(ApiView):
    """The test clock of a customer: sandbox partners only."""

    @listing(operation="list_clock_advances", scope="subscriptions:read", answers=AdvanceOut, example=ADVANCE_EXAMPLE)
    def get(self, request: Any, customer_id: str, page: Page) -> dict[str, Any]:
        """List the walks of a customer's test clock, newest first."""
        row_id = customer_id_of(request.user, customer_id)
        rows = ClockAdvance.objects.filter(customer_id=row_id)
        found = ClockAdvance.objects.select_related("customer")
        return page.of(rows, ("id",), lambda row: represent_advance(found.get(pk=row[0]), request.user.livemode))

    @verb(
        operation="create_clock_advance",
        scope="subscriptions:write",
        takes=AdvanceIn,
        answers=AdvanceOut,
        example_in={"to": "2027-01-21T09:30:00Z"},
        example=ADVANCE_EXAMPLE,
        refusals=["clock_is_for_tests:409:Only customers of a partner in test mode have a clock; the time of this one is real."],
    )
    def post(self, request: Any, customer_id: str, given: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Advance a test customer's clock; renewals, attempts and ends happen on the way, each at its instant."""
        row_id = customer_id_of(request.user, customer_id)
        wish = operations.request_advance(customer_id=row_id, to=given["to"], actor=call.actor, at=call.at)
        return represent_advance(wish, request.user.livemode)
