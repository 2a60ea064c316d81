"""Holds, pauses and reserve plans on the seller's page: what is held, and the buttons that hold more."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from backoffice.kit.admin import (
    Button,
    Column,
    Look,
    Panel,
    Table,
    display,
    fields,
    plug,
)
from backoffice.kit.money import to_minor
from payouts.holds import operations
from payouts.holds.models import Hold, HoldKind, PlanKind
from payouts.ledger.queries import seller_buckets
from payouts.sellers.models import Seller
from payouts.sellers.states import SellerStatus


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
                display.clamped(row.reason),
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
