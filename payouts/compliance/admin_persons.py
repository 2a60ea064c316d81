"""Persons behind sellers, and the rows that are read on a seller's page: shares, messages, ratings, capabilities, claims."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q

from backoffice.kit.admin import OperatorAdmin, Panel, day_column, display, instant_column, link_column, person_column
from payouts.compliance import panels
from payouts.compliance.models import Claim, Person, ReviewMessage, RiskRating, SellerCapabilities, Stake


@admin.register(Person)
class PersonAdmin(OperatorAdmin):
    list_display = ("name_shown", "seller_shown", "kind", "roles_shown", "country", "since", "left")
    list_select_related = ("seller",)
    search_by = (lambda term: Q(seller__external_id=term), lambda term: Q(seller__public_id=term))
    search_help_text = "Id, or the seller's id; a name by Ctrl + K"
    empty_title = "Nobody is named yet"
    empty_text = "Owners, directors, representatives and signatories come by API, or are named on a seller's page."
    panels = (Panel("requirements", "Requirements", panels.requirements_of_person, lazy=False, order=10),)
    seller_shown = link_column("Seller", "seller")
    since = instant_column("Since", "created_at")
    left = instant_column("Left", "removed_at")

    @admin.display(description="Roles")
    def roles_shown(self, row: Person) -> str:
        return panels.roles_text(row.roles)

    @admin.display(description="Name")
    def name_shown(self, row: Person) -> str:
        return row.name or "erased"

    def page_title(self, row: Person) -> str:
        return row.name or "Erased person"

    def facts(self, row: Person) -> list[tuple[str, Any]]:
        return panels.person_facts(row)


class _OnSellersPage(OperatorAdmin):
    """Rows that are read on the seller's page; the list is there for looking things up."""

    list_select_related: tuple[str, ...] = ("seller",)
    search_by = (lambda term: Q(seller__external_id=term),)

    @admin.display(description="Seller")
    def seller_shown(self, row: Any) -> str:
        return str(row.seller)


def _capability(title: str, field: str) -> Any:
    @admin.display(description=title)
    def shown(self: Any, row: SellerCapabilities) -> Any:
        code = getattr(row, field)
        return display.label("no", "bad") + display.steady(panels.why_off(code)) if code else display.label("yes", "good")

    return shown


@admin.register(Stake)
class StakeAdmin(_OnSellersPage):
    list_display = ("seller_shown", "holder_shown", "company_shown", "share_shown")
    list_select_related = ("seller", "holder", "company")
    empty_text = "Shares come with the ownership a seller declares."

    @admin.display(description="Holder")
    def holder_shown(self, row: Stake) -> Any:
        return display.link(row.holder, row.holder.name or "erased")

    @admin.display(description="Of")
    def company_shown(self, row: Stake) -> Any:
        return display.link(row.company, row.company.name or "erased") if row.company else "the seller"

    @admin.display(description="Share")
    def share_shown(self, row: Stake) -> Any:
        return display.steady(str(row))


@admin.register(ReviewMessage)
class ReviewMessageAdmin(_OnSellersPage):
    list_display = ("seller_shown", "text_shown", "sent", "sender")
    actor_fields = ("sent_by",)
    sent = instant_column("Sent", "sent_at")
    sender = person_column("By", "sent_by")

    @admin.display(description="Text")
    def text_shown(self, row: ReviewMessage) -> Any:
        return display.clamped(row.text)

    def standing(self, row: ReviewMessage) -> str:
        return row.text


@admin.register(RiskRating)
class RiskRatingAdmin(_OnSellersPage):
    list_display = ("seller_shown", "level_shown", "score", "in_force", "set_until", "review", "rated")
    empty_text = "Sellers are rated by the scorecard every day."
    set_until = day_column("Set until", "override_until")
    review = day_column("Next review", "next_review_on")
    rated = instant_column("Rated", "rated_at")

    @admin.display(description="Level")
    def level_shown(self, row: RiskRating) -> Any:
        return panels.level_label(row.level)

    @admin.display(description="In force")
    def in_force(self, row: RiskRating) -> Any:
        return display.label("in force", "good") if row.is_current else display.EMPTY


@admin.register(SellerCapabilities)
class SellerCapabilitiesAdmin(_OnSellersPage):
    list_display = ("seller_shown", "pay_out_shown", "sell_shown", "accrue_shown", "change_payee_shown", "ends")
    ordering = ("-seller_id",)
    pay_out_shown = _capability("Be paid out", "pay_out_code")
    sell_shown = _capability("Sell", "sell_code")
    accrue_shown = _capability("Earn", "accrue_code")
    change_payee_shown = _capability("Change the account", "change_payee_code")
    ends = instant_column("Paying out ends", "pay_out_ends_at")


@admin.register(Claim)
class ClaimAdmin(_OnSellersPage):
    list_display = ("seller_shown", "claimed_shown", "until")
    ordering = ("-seller_id",)

    @admin.display(description="Claimed by")
    def claimed_shown(self, row: Claim) -> str:
        return display.people([row.claimed_by]).get(row.claimed_by, "")
