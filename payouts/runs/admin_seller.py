"""Payouts on the seller's page: what the next run would do, what was paid, and paying at once."""

from __future__ import annotations

from typing import Any

from backoffice.kit import clock
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
from payouts.runs import operations, queries
from payouts.runs.models import Payout
from payouts.runs.states import SkipCode
from payouts.sellers.models import Seller
from payouts.sellers.states import SellerStatus


def _eligibility(seller: Seller, look: Look) -> Table:
    """Ask the run's own statement what the next run would do."""
    at = clock.now()
    labels = dict(SkipCode.choices)
    return Table(
        [Column("Currency"), Column("Stands there", money=True), Column("The next run"), Column("To"), Column("Next day")],
        [
            (
                row.currency,
                display.money(row.amount_minor, row.currency),
                display.label("would pay it", "good") if not row.code else display.label(labels.get(row.code, row.code), "warn"),
                display.steady(row.payee) if row.payee else display.EMPTY,
                "today" if not row.code else (display.day(row.next_on) if row.next_on else "once that changes"),
            )
            for row in queries.eligibility(seller.pk, at.date(), at)
        ],
        empty="Nothing to pay in any currency.",
    )


def _payouts_of(seller: Seller, look: Look) -> Table:
    rows, older = look.slice_of(seller.payouts.select_related("payee_account", "run"))
    return Table(
        [Column("Payout"), Column("Amount", money=True), Column("State"), Column("Why"), Column("To"), Column("Built")],
        [
            (
                display.link(row, display.steady(display.short_id(row.public_id))),
                display.money(row.amount_minor, row.currency),
                display.state(row),
                display.clamped(row.status_reason),
                display.steady(row.payee_account.masked),
                display.instant(row.built_at),
            )
            for row in rows
        ],
        empty="Nothing was paid to this seller yet.",
        older=older,
        links=[("All payouts of this seller", display.list_url(Payout, seller=seller.pk))],
    )


def _payout_fields(seller: Seller) -> dict[str, Any]:
    at = clock.now()
    offered = [(row.currency, row.currency) for row in queries.eligibility(seller.pk, at.date(), at, on_request=True)]
    return {"currency": fields.choice("Currency", offered or [(seller.currency, seller.currency)], initial=seller.currency)}


def _would_pay(seller: Seller) -> list[tuple[str, Any]]:
    at, labels = clock.now(), dict(SkipCode.choices)
    return [
        (
            row.currency,
            display.money(row.amount_minor, row.currency) if not row.code else f"not possible: {labels.get(row.code, row.code)}",
        )
        for row in queries.eligibility(seller.pk, at.date(), at, on_request=True)
    ]


plug(
    Seller,
    Panel("eligibility", "What the next run would do", _eligibility, lazy=False, order=20),
    Panel("payouts", "Payouts", _payouts_of, permission="payouts.view_payout", order=40),
    Button(
        name="pay",
        label="Pay now",
        verb=operations.build_payout,
        permission="payouts.build_run",
        arguments=lambda seller, asked: {"seller_id": seller.pk, "currency": asked["currency"]},
        states=(SellerStatus.ACTIVE,),
        fields=_payout_fields,
        effect=_would_pay,
        explain="Builds a run of one payout, whatever the schedule. Another person approves it like any other.",
        done="The payout is built and waits for approval.",
        then=lambda seller, payout: display.page_of(payout.run),
        order=10,
    ),
)
