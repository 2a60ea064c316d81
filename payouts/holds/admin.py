"""Screens of holds, reserves and pauses. Reserve plans: admin_plans; what stands on the seller's page: admin_seller."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    CurrencyFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    choice_column,
    display,
    fields,
    instant_column,
    link_column,
    money_column,
    person_column,
    queue,
    reason_column,
    state_column,
)
from backoffice.kit.money import Money
from payouts.holds import operations
from payouts.holds.models import Hold, HoldKind
from payouts.holds.states import HOLD, HoldState, ReleaseReason
from payouts.ledger.panels import postings_of
from payouts.sellers.models import Seller


def to_review(at: datetime) -> QuerySet[Hold]:
    """Return the live holds whose review date has come."""
    return Hold.objects.filter(state=HoldState.ACTIVE, review_on__lte=at.date())


queue(
    name="review",
    title="Holds to review",
    model=Hold,
    rows=to_review,
    age_field="created_at",
    help_text="Their review date has come: release them, or leave them for another look.",
    order=80,
)


def _hold_effect(hold: Hold) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [("Seller", hold.seller.legal_name), ("Kind", hold.get_kind_display())]
    if hold.kind == HoldKind.PAUSE:
        return [*rows, ("Effect", "the next run may pay this seller again")]
    return [
        *rows,
        ("Becomes available", display.money(hold.remaining_minor, hold.currency)),
        ("It was held because", hold.reason),
    ]


_RELEASE_CHOICES = [
    (ReleaseReason.HOLD_RELEASED_EARLY, ReleaseReason.HOLD_RELEASED_EARLY.label),
    (ReleaseReason.CONDITION_MET, ReleaseReason.CONDITION_MET.label),
    (ReleaseReason.HOLD_REVERSED, ReleaseReason.HOLD_REVERSED.label),
]


def _hold_postings(hold: Hold, look: Look) -> Table:
    return postings_of("hold", hold, look, "A pause moves no money.")


@admin.register(Hold)
class HoldAdmin(OperatorAdmin):
    list_display = (
        "kind_shown",
        "seller_shown",
        "state_shown",
        "remaining_money",
        "why",
        "owner_shown",
        "review",
        "ends",
    )
    wide_only = ("owner_shown", "ends")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("seller", "plan", "earning")
    actor_fields = ("owner", "changed_by")
    machine = HOLD
    search_by = (lambda term: Q(seller__in=Seller.objects.filter(external_id=term)), lambda term: Q(code=term))
    search_help_text = "Id, seller's external id, or code"
    empty_title = "Nothing is held"
    empty_text = "Holds are placed on a seller's page; reserves come from reserve plans."
    panels = (Panel("postings", "Postings", _hold_postings, permission="payouts.view_posting", lazy=False),)
    buttons = (
        Button(
            name="release",
            label="Release",
            verb=operations.release_hold,
            permission="payouts.release_hold",
            arguments=lambda row, asked: {"hold_id": row.pk, **asked},
            states=(HoldState.ACTIVE,),
            state_field="state",
            fields=lambda row: {"release_reason": fields.choice("Why", _RELEASE_CHOICES), "reason": fields.reason()},
            effect=_hold_effect,
            explain="You may not approve the next run of this seller after this.",
            bulk=True,
            done="Released.",
        ),
        Button(
            name="move_review",
            label="Move the review",
            verb=operations.move_review,
            permission="payouts.place_hold",
            arguments=lambda row, asked: {"hold_id": row.pk, **asked},
            states=(HoldState.ACTIVE,),
            state_field="state",
            fields=lambda row: {
                "review_on": fields.on_date("Review on", "Empty: nobody is reminded.", required=False, initial=row.review_on),
                "reason": fields.reason(),
            },
            effect=_hold_effect,
            explain="The hold stays as it is; only the day on which it waits in the queue changes.",
            bulk=True,
            done=lambda row, hold: f"To be reviewed on {hold.review_on}." if hold.review_on else "No review is set.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda h: h.public_id),
        ExportColumn("seller", lambda h: h.seller.external_id),
        ExportColumn("kind", lambda h: h.get_kind_display()),
        ExportColumn("state", lambda h: h.get_state_display()),
        ExportColumn("held", lambda h: Money(h.remaining_minor, h.currency) if h.currency else None),
        ExportColumn("set aside", lambda h: Money(h.amount_minor, h.currency) if h.currency else None),
        ExportColumn("currency", lambda h: h.currency),
        ExportColumn("code", lambda h: h.code),
        ExportColumn("reason", lambda h: h.reason),
        ExportColumn("review_on", lambda h: h.review_on),
        ExportColumn("release_at", lambda h: h.release_at),
    )
    kind_shown = choice_column("Kind", "kind")
    seller_shown = link_column("Seller", "seller", lambda seller: seller.legal_name)
    state_shown = state_column("State", "state")
    remaining_money = money_column("Held", "remaining_minor")
    owner_shown = person_column("Owner", "owner")
    ends = instant_column("Ends", "release_at")
    why = reason_column("Why", "reason")

    @admin.display(description="Review")
    def review(self, row: Hold) -> Any:
        return display.day(row.review_on)

    def page_title(self, row: Hold) -> str:
        return f"{row.get_kind_display().capitalize()} of {row.seller.legal_name}"

    def headline(self, row: Hold) -> Any:
        return display.money(row.remaining_minor, row.currency) if row.currency and row.kind != HoldKind.PAUSE else ""

    def standing(self, row: Hold) -> str:
        return row.reason

    def facts(self, row: Hold) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller)),
            ("Set aside", display.money(row.amount_minor, row.currency)),
            ("Kind of reason", display.coded(row.code)),
            ("Owner", self.person(row, "owner")),
            ("What the seller reads", row.seller_text),
            ("Review on", display.day(row.review_on)),
            ("Ends", display.instant(row.release_at)),
            ("Ends when", row.release_condition),
            ("Plan", display.link(row.plan)),
            ("Sale", display.link(row.earning)),
            ("Placed", display.instant(row.created_at)),
            ("Last changed by", self.person(row, "changed_by")),
            ("Released", display.instant(row.released_at)),
            ("Released because", row.get_release_reason_display()),
        ]
