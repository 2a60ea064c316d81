"""Screens of reserve plans: a share of what becomes available is kept for a while."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    OperatorAdmin,
    choice_column,
    display,
    fields,
    link_column,
    money_column,
    reason_column,
    state_column,
)
from payouts.holds import operations
from payouts.holds.models import PlanKind, ReservePlan
from payouts.holds.states import PLAN, PlanState
from payouts.sellers.models import Seller


@admin.register(ReservePlan)
class ReservePlanAdmin(OperatorAdmin):
    list_display = ("kind_shown", "seller_shown", "currency", "share", "state_shown", "days_shown", "cap_money", "why")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_select_related = ("seller",)
    actor_fields = ("created_by",)
    machine = PLAN
    search_by = (lambda term: Q(seller__in=Seller.objects.filter(external_id=term)),)
    search_help_text = "Id, or seller's external id"
    empty_title = "No seller has a reserve plan"
    empty_text = "A plan keeps a share of what becomes available; make one on the seller's page."
    buttons = (
        Button(
            name="disable",
            label="Disable",
            verb=operations.disable_reserve_plan,
            permission="payouts.change_reserve_plan",
            arguments=lambda row, asked: {"plan_id": row.pk, "reason": asked["reason"]},
            states=(PlanState.ACTIVE,),
            state_field="state",
            fields=lambda row: {"reason": fields.reason()},
            effect=lambda row: [
                ("Seller", row.seller.legal_name),
                ("Share", f"{row.basis_points / 100:g} %"),
                ("Currency", row.currency),
            ],
            explain="Coming sales are no longer reserved, and what this plan holds is released.",
            done="Disabled.",
        ),
    )
    kind_shown = choice_column("Kind", "kind")
    seller_shown = link_column("Seller", "seller", lambda seller: seller.legal_name)
    state_shown = state_column("State", "state")
    cap_money = money_column("Up to", "cap_minor")
    why = reason_column("Why", "reason")

    @admin.display(description="Share")
    def share(self, row: ReservePlan) -> str:
        return f"{row.basis_points / 100:g} %"

    @admin.display(description="For")
    def days_shown(self, row: ReservePlan) -> str:
        return f"{row.days} days" if row.kind == PlanKind.ROLLING else f"until {row.release_on}"

    def page_title(self, row: ReservePlan) -> str:
        return f"{self.share(row)} of {row.seller.legal_name}"

    def standing(self, row: ReservePlan) -> str:
        return row.reason

    def facts(self, row: ReservePlan) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller)),
            ("Currency", row.currency),
            ("Kind", row.get_kind_display()),
            ("Share", self.share(row)),
            ("For", self.days_shown(row)),
            ("Up to", display.money(row.cap_minor, row.currency)),
            ("What the seller reads", row.seller_text),
            ("By", self.person(row, "created_by")),
            ("Since", display.instant(row.created_at)),
        ]
