"""Screens of the catalogue: plans, price versions, coupons."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
    CurrencyFilter,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    display,
    fields,
    instant_column,
    link_column,
    number_column,
    state_column,
)
from backoffice.kit.money import to_minor
from billing.plans import operations
from billing.plans.models import CollectionPolicy, Coupon, Duration, Plan, Price
from billing.plans.periods import Interval
from billing.plans.rating import PriceInvalid
from billing.plans.states import COUPON, PLAN, PRICE, Offer

_TIER = re.compile(r"(\d+|\*)\s*:\s*([\d.]+)(?:\s*\+\s*([\d.]+))?")


def rhythm(price: Price) -> str:
    return f"every {price.interval}" if price.interval_count == 1 else f"every {price.interval_count} {price.interval}s"


def component_rows(price: Price) -> list[tuple[Any, ...]]:
    """Return a price's components as a table of what is measured and what it costs."""
    rows = []
    for part in price.parts:
        if part.scheme == "share":
            cost: Any = f"{part.basis_points / 100:g} %"
        elif part.scheme == "unit":
            cost = display.money(part.unit_minor, price.currency)
        else:
            cost = "; ".join(
                f"{'up to ' + format(t.up_to, ',') if t.up_to else 'beyond'}: {t.unit_minor:,}+{t.flat_minor:,}"
                for t in part.tiers
            )
        rows.append((part.text, part.measure.replace("_", " "), part.scheme, f"{part.included:,}", cost))
    return rows


def _prices(plan: Plan, look: Look) -> Table:
    rows, older = look.slice_of(plan.prices.all())
    return Table(
        [Column("Price"), Column("Rhythm"), Column("Currency"), Column("Version"), Column("Offered"), Column("Since")],
        [
            (
                display.link(row, display.short_id(row.public_id)),
                rhythm(row),
                row.currency,
                row.version,
                display.state(row),
                display.instant(row.created_at),
            )
            for row in rows
        ],
        empty="Without a price nobody can subscribe.",
        older=older,
    )


def _components(price: Price, look: Look) -> Table:
    columns = [Column("What"), Column("Measured by"), Column("Scheme"), Column("Included"), Column("Costs", money=True)]
    return Table(columns, component_rows(price), note="Tiers: price a piece + price for reaching the tier, in minor units.")


def _add_price(plan_id: int, asked: dict[str, Any], actor: Any, at: Any) -> Price:
    """Turn what the form asked into components: a base fee, a price a seat, and usage."""
    currency, components = asked["currency"].strip().upper(), []
    if asked.get("base"):
        components.append({"code": "base", "text": "Base fee", "unit_minor": to_minor(asked["base"], currency)})
    if asked.get("seat"):
        components.append(
            {"code": "seats", "text": "Seats", "measure": "seats"} | _rated(asked["seat"], asked["seat_scheme"], currency)
        )
    if asked.get("sale"):
        component = {"code": "sales", "text": "Sales", "measure": "sales_count", "included": asked.get("included") or 0}
        components.append(component | _rated(asked["sale"], asked["sale_scheme"], currency))
    if asked.get("share"):
        share = {"code": "share", "text": "Share of sales", "measure": "sales_gross", "scheme": "share"}
        components.append(share | {"basis_points": to_minor(asked["share"], "EUR")})
    return operations.add_price(
        plan_id=plan_id, currency=currency, interval=asked["interval"], interval_count=asked["interval_count"], components=components,
        actor=actor, at=at,
    )  # fmt: skip


_add_price.intention = "composable"  # type: ignore[attr-defined]


def _rated(text: str, scheme: str, currency: str) -> dict[str, Any]:
    """Read '2.50', or tiers such as '10:2.50, 50:2.00+5, *:1.50' (up to: price + price for reaching it)."""
    if scheme == "unit":
        return {"scheme": "unit", "unit_minor": to_minor(text.strip(), currency)}
    tiers = []
    for part in text.split(","):
        found = _TIER.fullmatch(part.strip())
        if found is None:
            raise PriceInvalid(detail=f"{part.strip()[:40]!r} is no tier; write them as 10:2.50, 50:2.00+5, *:1.50.")
        up_to, unit, flat = found.groups()
        amounts = {"unit_minor": to_minor(unit, currency), "flat_minor": to_minor(flat or "0", currency)}
        tiers.append({"up_to": None if up_to == "*" else int(up_to), **amounts})
    return {"scheme": scheme, "tiers": tiers}


_SCHEMES = [("unit", "each"), ("graduated", "graduated tiers"), ("volume", "volume tiers")]


def _price_fields(plan: Plan) -> dict[str, Any]:
    tiers = "A price such as 2.50; with tiers such as 10:2.50, 50:2.00+5, *:1.50."
    return {
        "currency": fields.text("Currency", max_length=3, initial="EUR"),
        "interval": fields.choice("Billed every", Interval.choices, initial=Interval.MONTH),
        "interval_count": fields.number("How many of them", low=1, high=24),
        "base": fields.text("Base fee", "Each period, in units such as 29.00.", required=False),
        "seat": fields.text("A seat", tiers, required=False),
        "seat_scheme": fields.choice("Seats are rated", _SCHEMES),
        "sale": fields.text("A sale booked in the period", tiers, required=False),
        "sale_scheme": fields.choice("Sales are rated", _SCHEMES),
        "included": fields.number("Sales included", required=False, high=1_000_000),
        "share": fields.text("Share of the gross of sales, in percent", required=False),
    }


@admin.register(Plan)
class PlanAdmin(OperatorAdmin):
    list_display = ("name", "code", "state_shown", "collection_shown", "dunning", "made")
    list_filter = (("status", ChoicesDropdownFilter), ("collection", ChoicesDropdownFilter))
    actor_fields = ("made_by",)
    machine = PLAN
    search_by = (lambda term: Q(code=term), lambda term: Q(name__istartswith=term))
    search_help_text = "Id, code or name"
    empty_title = "There are no plans"
    empty_text = "Open a plan, then give it a price."
    panels = (Panel("prices", "Prices", _prices, lazy=False),)
    list_buttons = (
        Button(
            name="create",
            label="Open a plan",
            verb=operations.create_plan,
            permission="billing.change_plans",
            arguments=lambda row, asked: asked,
            fields=lambda row: {
                "code": fields.text("Code", "Partners name it by this.", max_length=40),
                "name": fields.text("Name", "As it stands on invoices.", max_length=80),
                "description": fields.long_text("Description", required=False),
                "collection": fields.choice("Collected", CollectionPolicy.choices),
                "dunning": fields.text("Dunning policy", initial="standard", max_length=40),
                "tax_code": fields.text("Tax code", initial="standard", max_length=40),
                "due_days": fields.number("Due after days", high=90),
            },
            done="Opened. Give it a price.",
            then=lambda row, plan: display.page_of(plan),
        ),
    )
    buttons = (
        Button(
            name="price",
            label="Offer a price",
            verb=_add_price,
            permission="billing.change_plans",
            arguments=lambda row, asked: {"plan_id": row.pk, "asked": asked},
            states=(Offer.OFFERED,),
            fields=_price_fields,
            explain="The price of the same currency and rhythm that is offered now is withdrawn; whoever pays it goes on paying it.",
            done="Offered.",
        ),
        Button(
            name="withdraw",
            label="Withdraw",
            verb=operations.withdraw_plan,
            permission="billing.change_plans",
            arguments=lambda row, asked: {"plan_id": row.pk, **asked},
            states=(Offer.OFFERED,),
            fields=lambda row: {"reason": fields.reason()},
            explain="Nobody can subscribe any more; subscriptions go on.",
            danger=True,
            done="Withdrawn.",
        ),
        Button(
            name="offer",
            label="Offer again",
            verb=operations.offer_plan,
            permission="billing.change_plans",
            arguments=lambda row, asked: {"plan_id": row.pk, **asked},
            states=(Offer.WITHDRAWN,),
            fields=lambda row: {"reason": fields.reason()},
            done="Offered.",
        ),
    )
    state_shown = state_column()
    collection_shown = choice_column("Collected", "collection")
    made = instant_column("Opened", "created_at")

    def standing(self, row: Plan) -> str:
        return row.description

    def facts(self, row: Plan) -> list[tuple[str, Any]]:
        return [
            ("Code", row.code),
            ("Collected", row.get_collection_display()),
            ("Dunning policy", row.dunning),
            ("Tax code", row.tax_code),
            ("Due after", f"{row.due_days} days"),
            ("Opened by", self.person(row, "made_by")),
        ]


@admin.register(Price)
class PriceAdmin(OperatorAdmin):
    list_display = ("plan_shown", "currency", "rhythm_shown", "version_shown", "state_shown", "made")
    list_filter = (("status", ChoicesDropdownFilter), ("interval", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("plan",)
    actor_fields = ("made_by",)
    machine = PRICE
    search_by = (lambda term: Q(plan__in=Plan.objects.filter(code=term)),)
    search_help_text = "Id, or the plan's code"
    empty_title = "Nothing has a price"
    panels = (Panel("components", "What it is made of", _components, lazy=False),)
    buttons = (
        Button(
            name="withdraw",
            label="Withdraw",
            verb=operations.withdraw_price,
            permission="billing.change_plans",
            arguments=lambda row, asked: {"price_id": row.pk, **asked},
            states=(Offer.OFFERED,),
            fields=lambda row: {"reason": fields.reason()},
            explain="Nobody can choose it any more; subscriptions on it go on.",
            danger=True,
            done="Withdrawn.",
        ),
    )
    plan_shown = link_column("Plan", "plan")
    version_shown = number_column("Version", "version")
    state_shown = state_column()
    made = instant_column("Since", "created_at")

    @admin.display(description="Billed")
    def rhythm_shown(self, row: Price) -> str:
        return rhythm(row)

    def facts(self, row: Price) -> list[tuple[str, Any]]:
        return [
            ("Plan", display.link(row.plan)),
            ("Currency", row.currency),
            ("Billed", rhythm(row)),
            ("Made by", self.person(row, "made_by")),
        ]


def _create_coupon(asked: dict[str, Any], actor: Any, at: Any) -> Coupon:
    """Turn what the form asked into a coupon: percent, or an amount with its currency."""
    currency = asked.get("currency", "").strip().upper()
    return operations.create_coupon(
        code=asked["code"], duration=asked["duration"], invoices=asked.get("invoices") or 1,
        basis_points=to_minor(asked["percent"], "EUR") if asked.get("percent") else 0,
        amount_minor=to_minor(asked["amount"], currency) if asked.get("amount") else 0, currency=currency,
        redemptions_max=asked.get("redemptions_max"), redeem_by=asked.get("redeem_by"), actor=actor, at=at,
    )  # fmt: skip


_create_coupon.intention = "composable"  # type: ignore[attr-defined]


@admin.register(Coupon)
class CouponAdmin(OperatorAdmin):
    list_display = ("code", "off", "duration_shown", "state_shown", "used", "until")
    list_filter = (("status", ChoicesDropdownFilter), ("duration", ChoicesDropdownFilter))
    actor_fields = ("made_by",)
    machine = COUPON
    search_by = (lambda term: Q(code=term.upper()),)
    search_help_text = "Id or code"
    empty_title = "There are no coupons"
    list_buttons = (
        Button(
            name="create",
            label="Make a coupon",
            verb=_create_coupon,
            permission="billing.change_plans",
            arguments=lambda row, asked: {"asked": asked},
            fields=lambda row: {
                "code": fields.text("Code", max_length=40),
                "percent": fields.text("Percent off", "Such as 20 or 12.5.", required=False),
                "amount": fields.text("Or amount off", required=False),
                "currency": fields.text("Currency of the amount", required=False, max_length=3),
                "duration": fields.choice("Holds for", Duration.choices),
                "invoices": fields.number("How many invoices", required=False, low=1, high=120),
                "redemptions_max": fields.number("How many customers at most", required=False, low=1, high=1_000_000),
                "redeem_by": fields.at_instant("Can be used until", required=False),
            },
            done="Made.",
        ),
    )
    buttons = (
        Button(
            name="withdraw",
            label="Withdraw",
            verb=operations.withdraw_coupon,
            permission="billing.change_plans",
            arguments=lambda row, asked: {"coupon_id": row.pk, **asked},
            states=(Offer.OFFERED,),
            fields=lambda row: {"reason": fields.reason()},
            explain="Nobody can use it any more; discounts given go on.",
            danger=True,
            done="Withdrawn.",
        ),
    )
    duration_shown = choice_column("Holds for", "duration")
    state_shown = state_column()
    until = instant_column("Until", "redeem_by")

    @admin.display(description="Off")
    def off(self, row: Coupon) -> Any:
        return f"{row.basis_points / 100:g} %" if row.basis_points else display.money(row.amount_minor, row.currency)

    @admin.display(description="Used")
    def used(self, row: Coupon) -> str:
        return f"{row.redemptions:,} of {row.redemptions_max:,}" if row.redemptions_max else f"{row.redemptions:,}"

    def facts(self, row: Coupon) -> list[tuple[str, Any]]:
        return [
            ("Off", self.off(row)),
            ("Holds for", row.get_duration_display()),
            ("Invoices", row.invoices if row.duration == Duration.REPEATING else ""),
            ("Plan", display.link(row.plan)),
            ("Used", self.used(row)),
            ("Until", display.instant(row.redeem_by)),
            ("Made by", self.person(row, "made_by")),
        ]
