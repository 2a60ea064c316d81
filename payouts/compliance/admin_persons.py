"""Persons behind sellers, and the rows that are read on a seller's page: shares, messages, ratings, capabilities, claims."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q

from backoffice.kit.admin import OperatorAdmin, Panel, display, link_column
from payouts.compliance import panels
from payouts.compliance.models import Claim, Person, ReviewMessage, RiskRating, SellerCapabilities, Stake


@admin.register(Person)
class PersonAdmin(OperatorAdmin):
    list_display = ("public_id", "seller_shown", "kind", "roles_shown", "country", "created_at")
    list_select_related = ("seller",)
    search_by = (lambda term: Q(seller__external_id=term),)
    search_help_text = "Id, or the seller's external id"
    panels = (Panel("requirements", "Requirements", panels.requirements_of_person, lazy=False, order=10),)
    seller_shown = link_column("Seller", "seller")

    @admin.display(description="Roles")
    def roles_shown(self, row: Person) -> str:
        return ", ".join(row.roles)

    def page_title(self, row: Person) -> str:
        return row.name

    def facts(self, row: Person) -> list[tuple[str, Any]]:
        return panels.person_facts(row)


class _OnSellersPage(OperatorAdmin):
    """Rows that are read on the seller's page; the list is there for looking things up."""

    list_select_related: tuple[str, ...] = ("seller",)
    search_by = (lambda term: Q(seller__external_id=term),)
    seller_shown = link_column("Seller", "seller")


@admin.register(Stake)
class StakeAdmin(_OnSellersPage):
    list_display = ("seller_shown", "holder", "company", "basis_points")
    list_select_related = ("seller", "holder", "company")


@admin.register(ReviewMessage)
class ReviewMessageAdmin(_OnSellersPage):
    list_display = ("seller_shown", "text_shown", "sent_at")

    @admin.display(description="Text")
    def text_shown(self, row: ReviewMessage) -> Any:
        return display.clamped(row.text)

    def standing(self, row: ReviewMessage) -> str:
        return row.text


@admin.register(RiskRating)
class RiskRatingAdmin(_OnSellersPage):
    list_display = ("seller_shown", "level", "score", "is_current", "override_until", "next_review_on", "rated_at")


@admin.register(SellerCapabilities)
class SellerCapabilitiesAdmin(_OnSellersPage):
    list_display = ("seller_shown", "pay_out_code", "sell_code", "change_payee_code", "pay_out_ends_at")
    ordering = ("-seller_id",)


@admin.register(Claim)
class ClaimAdmin(_OnSellersPage):
    list_display = ("seller_shown", "claimed_shown", "until")
    ordering = ("-seller_id",)

    @admin.display(description="Claimed by")
    def claimed_shown(self, row: Claim) -> str:
        return display.people([row.claimed_by]).get(row.claimed_by, "")
