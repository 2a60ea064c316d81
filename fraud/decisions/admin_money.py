"""Screens of the money decisions keep: reserves with their day, and sales whose money waits because nobody could decide on them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    link_column,
    plug,
    queue,
    reason_column,
    state_column,
)
from fraud.decisions import awaiting, reserving
from fraud.decisions.models import RiskReserve, SaleToDecide
from fraud.decisions.states import RISK_RESERVE, ReserveState
from payouts.earnings.models import Earning
from payouts.sellers.models import Seller

queue(
    name="risk_reserves",
    title="Reserves past their day",
    model=RiskReserve,
    rows=reserving.to_look_at,
    age_field="asked_at",
    help_text="A share of a seller's sales is kept beyond the day that was promised, or a larger one waits behind a smaller: prolong, replace or end it.",
    order=64,
)
queue(
    name="sales_undecided",
    title="Sales nobody could decide on",
    model=SaleToDecide,
    rows=awaiting.undecided,
    age_field="asked_at",
    help_text="Their money stays pending: have them asked about again once what failed works, or let one go after a look.",
    tone="bad",
    order=64,
)


def _share(row: RiskReserve) -> str:
    return f"{row.basis_points / 100:g} %"


def _says(row: RiskReserve) -> list[tuple[str, Any]]:
    return [
        ("Seller", row.seller.legal_name), ("Share", f"{_share(row)} in {row.currency}, each for {row.days} days"),
        ("Until", display.day(row.review_on)), ("Why", row.reason),
    ]  # fmt: skip


def _press(name: str, label: str, verb: Any, permission: str, **more: Any) -> Button:
    facts: dict[str, Any] = {
        "states": (ReserveState.WAITING, ReserveState.ACTIVE), "fields": lambda row: {"reason": fields.reason()},
        "arguments": lambda row, asked: {"reserve_id": row.pk, **asked},
    }  # fmt: skip
    return Button(name=name, label=label, verb=verb, permission=permission, state_field="state", effect=_says, **(facts | more))


@admin.register(RiskReserve)
class RiskReserveAdmin(OperatorAdmin):
    list_display = ("of_seller", "share", "state_shown", "until", "why", "owner_shown", "asked")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("seller",)
    machine = RISK_RESERVE
    actor_fields = ("owner",)
    search_by = (lambda term: Q(seller__in=Seller.objects.filter(external_id=term)),)
    search_help_text = "Id, or seller's external id"
    empty_title = "No rule and no case asked for a reserve"
    empty_text = "A rule may ask for a share of what a seller earns, and so may whoever works a case."
    buttons = (
        _press(
            "prolong", "Prolong", reserving.prolong_reserve, "fraud.work_cases", done="Prolonged; it is yours now.",
            fields=lambda row: {"review_on": fields.on_date("Until", "It ends on that day, unless something speaks for it."), "reason": fields.reason()},
        ),
        _press(
            "replace", "Place it instead", reserving.replace_reserve, "fraud.end_risk_reserves", states=(ReserveState.WAITING,), danger=True,
            done="Placed.", explain="The smaller reserve that stands ends, and what it keeps becomes available; this one keeps coming sales.",
        ),
        _press(
            "end", "End it", reserving.end_reserve, "fraud.end_risk_reserves", danger=True, done="Ended.",
            explain="Coming sales are no longer reserved, and what it keeps becomes available.",
        ),
    )  # fmt: skip
    of_seller = link_column("Seller", "seller", lambda seller: seller.legal_name)
    state_shown = state_column("State", "state")
    why = reason_column("Why", "reason")
    asked = instant_column("Asked", "asked_at")

    @admin.display(description="Share")
    def share(self, row: RiskReserve) -> str:
        return f"{_share(row)} {row.currency}"

    @admin.display(description="Until")
    def until(self, row: RiskReserve) -> Any:
        return display.day(row.review_on)

    @admin.display(description="Owner")
    def owner_shown(self, row: RiskReserve) -> Any:
        return self.person(row, "owner")

    def page_title(self, row: RiskReserve) -> str:
        return f"{_share(row)} of {row.seller.legal_name}"

    def standing(self, row: RiskReserve) -> str:
        return row.ended_because or row.reason

    def facts(self, row: RiskReserve) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller, row.seller.legal_name)), ("Share", f"{_share(row)} of what becomes available in {row.currency}"),
            ("Each for", f"{row.days} days"), ("Until", display.day(row.review_on)), ("Owner", self.person(row, "owner")),
            ("What the seller reads", row.seller_text), ("Asked for by", display.link(row.decision, row.decision.public_id) if row.decision else row.asked_by),
            ("Plan", display.link(row.plan, row.plan.public_id) if row.plan else "not placed yet"), ("Asked", display.instant(row.asked_at)),
        ]  # fmt: skip


def _reserves_of(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(RiskReserve.objects.filter(seller=seller))
    cells = [
        (
            display.link(row, _share(row)),
            row.currency,
            display.state(row, "state"),
            display.day(row.review_on),
            display.clamped(row.reason),
        )
        for row in rows
    ]
    heads = ("Reserve", "Currency", "State", "Until", "Why")
    return Table([Column(head) for head in heads], cells, older=older, empty="No rule and no case asked for one.")


plug(Seller, Panel("risk_reserves", "Reserves by risk", _reserves_of, permission="fraud.view_riskreserve", order=73))


def _sale(row: SaleToDecide) -> list[tuple[str, Any]]:
    return [
        ("Seller", row.earning.seller.legal_name), ("Sale", row.earning.external_id),
        ("The seller's part", display.money(row.earning.pending_minor, row.earning.currency)), ("Why", row.error or "not asked about yet"),
    ]  # fmt: skip


@admin.register(SaleToDecide)
class SaleToDecideAdmin(OperatorAdmin):
    list_display = ("sale", "of_seller", "amount_money", "tries", "why", "asked")
    list_select_related = ("earning__seller",)
    ordering = ("-pk",)
    search_by = (lambda term: Q(earning__in=Earning.objects.filter(public_id=term)),)
    search_help_text = "Id of the earning"
    empty_title = "No sale waits for its decision"
    empty_text = "Booked sales wait here, with their money, until the rules were asked about them."
    buttons = (
        Button(
            name="ask_again", label="Ask again", verb=awaiting.ask_again, permission="fraud.judge_decisions", effect=_sale, done="It is asked about with the next run.",
            arguments=lambda row, asked: {"earning_id": row.pk, "reason": asked["reason"]}, fields=lambda row: {"reason": fields.reason()},
            when=lambda row: row.tries > 0,
        ),
        Button(
            name="let_pass", label="Let it go", verb=awaiting.let_pass, permission="fraud.judge_decisions", effect=_sale, done="Its money matures as any other.",
            arguments=lambda row, asked: {"earning_id": row.pk, "reason": asked["reason"]}, fields=lambda row: {"reason": fields.reason()}, danger=True,
            when=lambda row: row.gave_up_at is not None, explain="No rule was asked about this sale. Its money becomes available when its time comes.",
            then=lambda row, made: display.list_url(SaleToDecide),
        ),
    )  # fmt: skip
    asked = instant_column("Waits since", "asked_at")

    @admin.display(description="Sale")
    def sale(self, row: SaleToDecide) -> Any:
        return row.earning.external_id

    @admin.display(description="Seller")
    def of_seller(self, row: SaleToDecide) -> Any:
        return display.link(row.earning.seller, row.earning.seller.legal_name)

    @admin.display(description="The seller's part")
    def amount_money(self, row: SaleToDecide) -> Any:
        return display.money(row.earning.pending_minor, row.earning.currency)

    @admin.display(description="Why")
    def why(self, row: SaleToDecide) -> Any:
        return display.clamped(row.error)

    def page_title(self, row: SaleToDecide) -> str:
        return f"Sale {row.earning.external_id} of {row.earning.seller.legal_name}"

    def headline(self, row: SaleToDecide) -> Any:
        return self.amount_money(row)

    def standing(self, row: SaleToDecide) -> str:
        return row.error

    def facts(self, row: SaleToDecide) -> list[tuple[str, Any]]:
        return [
            ("Earning", display.link(row.earning, row.earning.public_id)), ("Seller", self.of_seller(row)), ("Sold", display.instant(row.earning.occurred_at)),
            ("Would be available", display.instant(row.earning.available_at)), ("Tries", row.tries), ("Next try", display.instant(row.next_try_at)),
            ("Given up", display.instant(row.gave_up_at)), ("Waits since", display.instant(row.asked_at)),
        ]  # fmt: skip
