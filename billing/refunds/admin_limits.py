"""The limit of refunds by one person, per currency, changed by two."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    CurrencyFilter,
    OperatorAdmin,
    display,
    fields,
    instant_column,
    money_column,
    person_column,
    queue,
    reason_column,
    state_column,
)
from backoffice.kit.money import to_minor
from billing.refunds import operations, queries
from billing.refunds.limits import limit_of
from billing.refunds.models import RefundLimit
from billing.refunds.states import LIMIT, LimitState

queue(
    name="refund_limits",
    title="Limits of refunds to approve",
    model=RefundLimit,
    rows=lambda at: queries.proposed_limits(),
    age_field="made_at",
    help_text="Up to this much of a payment goes back on one person's word. Approve or refuse; not your own.",
    order=75,
)


def _effect(row: RefundLimit) -> list[tuple[str, Any]]:
    return [
        ("In force now", display.money(limit_of(row.currency), row.currency)),
        ("Then", display.money(row.limit_minor, row.currency)),
        ("Because", row.reason),
        ("Proposed by", display.people([row.made_by]).get(row.made_by, row.made_by)),
    ]


def _proposal(row: None) -> dict[str, forms.Field]:
    return {
        "currency": fields.choice("Currency", [(one, one) for one in settings.CURRENCIES]),
        "amount": fields.amount("Limit", "In units. Zero: every refund takes two people."),
        "reason": fields.reason(),
    }


def _proposed(row: None, asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "currency": asked["currency"],
        "limit_minor": to_minor(str(asked["amount"]), asked["currency"]),
        "reason": asked["reason"],
    }


@admin.register(RefundLimit)
class RefundLimitAdmin(OperatorAdmin):
    list_display = ("shown", "state_shown", "why", "by", "since", "limit_money")
    list_filter = (("state", ChoicesDropdownFilter), CurrencyFilter)
    actor_fields = ("made_by", "approved_by")
    machine = LIMIT
    empty_title = "No limit"
    empty_text = "Without a limit every refund takes two people."
    list_buttons = (
        Button(
            name="propose", label="Propose a limit", verb=operations.propose_limit, permission="billing.propose_refund_limit",
            arguments=_proposed, fields=_proposal, explain="It counts once another person has approved it.", done="Proposed.",
            then=lambda row, made: display.page_of(made),
        ),
    )  # fmt: skip
    buttons = (
        Button(
            name="approve", label="Approve", verb=operations.approve_limit, permission="billing.approve_refund_limit", effect=_effect,
            states=(LimitState.PROPOSED,), state_field="state", arguments=lambda row, asked: {"limit_id": row.pk, **asked},
            fields=lambda row: {"reason": fields.reason(required=False)}, done="In force.",
        ),
        Button(
            name="refuse", label="Refuse", verb=operations.refuse_limit, permission="billing.approve_refund_limit", effect=_effect,
            states=(LimitState.PROPOSED,), state_field="state", arguments=lambda row, asked: {"limit_id": row.pk, **asked},
            fields=lambda row: {"reason": fields.reason()}, danger=True, done="Refused.",
        ),
    )  # fmt: skip
    state_shown = state_column("State", "state")
    why = reason_column("Why", "reason")
    by = person_column("Proposed by", "made_by")
    since = instant_column("In force since", "in_force_at")
    limit_money = money_column("Limit", "limit_minor")

    @admin.display(description="Limit of")
    def shown(self, row: RefundLimit) -> Any:
        return display.steady(row.currency)

    def page_title(self, row: RefundLimit) -> str:
        return f"Limit of refunds in {row.currency}"

    def headline(self, row: RefundLimit) -> Any:
        return display.money(row.limit_minor, row.currency)

    def standing(self, row: RefundLimit) -> str:
        return "Another person than who proposed it decides." if row.state == LimitState.PROPOSED else row.reason

    def facts(self, row: RefundLimit) -> list[tuple[str, Any]]:
        return [
            ("Because", row.reason),
            ("Proposed by", self.person(row, "made_by")),
            ("Proposed", display.instant(row.made_at)),
            ("Approved by", self.person(row, "approved_by") if row.approved_by else ""),
            ("In force since", display.instant(row.in_force_at)),
        ]
