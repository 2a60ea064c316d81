"""Screens of holds, reserves and pauses; their buttons stand on the seller's page too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
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
    plug,
    queue,
    reason_column,
    state_column,
)
from backoffice.kit.money import Money, to_minor
from payouts.holds import operations
from payouts.holds.models import Hold, HoldKind, PlanKind, ReservePlan
from payouts.holds.states import HOLD, PLAN, HoldState, PlanState, ReleaseReason
from payouts.ledger.models import Posting
from payouts.ledger.queries import seller_buckets
from payouts.sellers.models import Seller
from payouts.sellers.states import SellerStatus


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
    rows, older = look.slice_of(Posting.objects.filter(source_kind="hold", source_id=hold.pk))
    return Table(
        [Column("Posting"), Column("Recorded"), Column("Reason")],
        [(display.link(row, row.template.replace("_", " ")), display.instant(row.recorded_at), row.reason) for row in rows],
        empty="A pause moves no money.",
        older=older,
    )


@admin.register(Hold)
class HoldAdmin(OperatorAdmin):
    list_display = (
        "kind_shown",
        "seller_shown",
        "state_shown",
        "remaining_money",
        "amount_money",
        "why",
        "owner_shown",
        "review",
        "ends",
    )
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
    amount_money = money_column("Set aside")
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
            ("Code", row.code),
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


# --- on the seller's page -----------------------------------------------------------------------------------------------


def _currencies(seller: Seller) -> list[tuple[str, str]]:
    found = sorted({currency for _, currency in seller_buckets([seller.pk])} | {seller.currency})
    return [(code, code) for code in found or settings.CURRENCIES]


def _hold_fields(seller: Seller) -> dict[str, Any]:
    return {
        "currency": fields.choice("Currency", _currencies(seller), initial=seller.currency),
        "amount": fields.amount(help_text="At most what is available, in units such as 120.50."),
        "code": fields.text("Code", "A short name for reports, such as suspected_fraud.", max_length=40),
        "reason": fields.reason(),
        "seller_text": fields.long_text("What the seller reads", "Plain words; it stands on statements and in the API."),
        "review_on": fields.on_date("Review on", "When somebody looks at it again.", required=False),
        "release_at": fields.at_instant("Ends", "Empty: a person releases it.", required=False),
        "release_condition": fields.text(
            "Ends when", "A condition a machine can check, such as payee_cool_off_over.", required=False
        ),
    }


def _place(seller: Seller, asked: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in asked.items() if name != "amount" and value is not None}
    if "amount" in asked:
        given["amount_minor"] = to_minor(asked["amount"], asked["currency"])
    return {"seller_id": seller.pk, **given}


def _available(seller: Seller) -> list[tuple[str, Any]]:
    found = seller_buckets([seller.pk])
    return [
        ("Seller", seller.legal_name),
        ("Available", display.totals({currency: buckets["available"] for (_, currency), buckets in found.items()})),
        ("Reserved already", display.totals({currency: buckets["reserved"] for (_, currency), buckets in found.items()})),
    ]


def _pause_fields(seller: Seller) -> dict[str, Any]:
    asked = _hold_fields(seller)
    del asked["amount"], asked["currency"]
    return asked


def _plan_fields(seller: Seller) -> dict[str, Any]:
    return {
        "currency": fields.choice("Currency", _currencies(seller), initial=seller.currency),
        "kind": fields.choice("Kind", PlanKind.choices),
        "percent": fields.text("Share in percent", "Such as 10 or 7.5."),
        "days": fields.number("Days", "Rolling: from when the money becomes available, 180 at most.", required=False, high=180),
        "release_on": fields.on_date("Release on", "Fixed: the day everything is released.", required=False),
        "cap": fields.text("Up to", "In units; empty: no limit.", required=False, max_length=20),
        "reason": fields.reason(),
        "seller_text": fields.long_text("What the seller reads"),
    }


def _make_plan(seller: Seller, asked: dict[str, Any]) -> dict[str, Any]:
    given = {name: asked[name] for name in ("currency", "kind", "reason", "seller_text", "release_on")}
    given["basis_points"] = to_minor(asked["percent"].rstrip("% "), "EUR")  # two decimals of a percent are basis points
    given["days"] = asked["days"] or 0
    given["cap_minor"] = to_minor(asked["cap"], asked["currency"]) if asked["cap"] else None
    return {"seller_id": seller.pk, **given}


def _holds_of(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(Hold.objects.filter(seller=seller))
    names = display.people(row.owner for row in rows)
    return Table(
        [
            Column("Hold"),
            Column("State"),
            Column("Held", money=True),
            Column("Why"),
            Column("Owner"),
            Column("Review"),
            Column("Ends"),
        ],
        [
            (
                display.link(row, row.get_kind_display()),
                display.state(row, "state"),
                display.money(row.remaining_minor, row.currency) if row.kind != HoldKind.PAUSE else "all payouts",
                row.reason,
                names.get(row.owner, row.owner),
                display.day(row.review_on),
                display.instant(row.release_at) if row.release_at else row.release_condition or "by a person",
            )
            for row in rows
        ],
        empty="Nothing of this seller is held.",
        older=older,
        links=[("All holds of this seller", display.list_url(Hold, seller=seller.pk))],
    )


_NOT_CLOSED = [state for state in SellerStatus if state != SellerStatus.CLOSED]

plug(
    Seller,
    Panel("holds", "Holds and reserves", _holds_of, permission="payouts.view_hold", lazy=False, order=30),
    Button(
        name="place_hold",
        label="Place a hold",
        verb=operations.place_hold,
        permission="payouts.place_hold",
        arguments=_place,
        states=_NOT_CLOSED,
        fields=_hold_fields,
        effect=_available,
        explain="The amount moves from available to reserved and stays there until the hold ends.",
        done="The hold is placed.",
        order=20,
    ),
    Button(
        name="place_pause",
        label="Pause by a hold",
        verb=operations.place_pause,
        permission="payouts.place_hold",
        arguments=_place,
        states=_NOT_CLOSED,
        fields=_pause_fields,
        effect=_available,
        explain="No money moves; runs skip this seller until the pause ends.",
        done="The pause is placed.",
        order=30,
    ),
    Button(
        name="reserve_plan",
        label="Make a reserve plan",
        verb=operations.create_reserve_plan,
        permission="payouts.change_reserve_plan",
        arguments=_make_plan,
        states=_NOT_CLOSED,
        fields=_plan_fields,
        effect=_available,
        explain="A share of what becomes available from now on is set aside.",
        done="The plan is made.",
        order=50,
    ),
)
