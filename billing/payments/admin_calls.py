"""Screens of the calls behind payments and refunds, and of invitations to put a card on file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit.admin import (
    Button,
    ExportColumn,
    OperatorAdmin,
    display,
    instant_column,
    link_column,
    number_column,
    plug,
    state_column,
)
from billing.customers.models import Customer
from billing.payments import operations
from billing.payments.models import Attempt, CardSetup
from billing.payments.panels import CALLS
from billing.payments.states import ATTEMPT, SETUP, SetupStatus


@admin.register(Attempt)
class AttemptAdmin(OperatorAdmin):
    list_display = ("call", "state_shown", "target_shown", "gateway", "outcome_shown", "code_shown", "tries_shown", "called_at")
    wide_only = ("gateway", "tries_shown")
    list_filter = (("status", ChoicesDropdownFilter), ("outcome", ChoicesDropdownFilter))
    machine = ATTEMPT
    search_by = (lambda term: Q(target=term), lambda term: Q(key=term))
    search_help_text = "Id, key, or the payment or refund it is for"
    empty_title = "No gateway was called yet"
    empty_text = "A call is on record here before it is made."
    export_columns = (
        ExportColumn("id", lambda a: a.public_id),
        ExportColumn("key", lambda a: a.key),
        ExportColumn("status", lambda a: a.get_status_display()),
        ExportColumn("outcome", lambda a: a.outcome),
        ExportColumn("code", lambda a: a.code),
        ExportColumn("gateway", lambda a: a.gateway),
        ExportColumn("tries", lambda a: a.tries),
        ExportColumn("provider_ref", lambda a: a.provider_ref),
        ExportColumn("created_at", lambda a: a.created_at),
    )
    state_shown = state_column()

    @admin.display(description="Why")
    def code_shown(self, row: Attempt) -> Any:
        return display.coded(row.code)

    tries_shown = number_column("Tries", "tries")
    called_at = instant_column("Last called", "last_called_at")

    @admin.display(description="Call")
    def call(self, row: Attempt) -> Any:
        return display.steady(f"{row.kind} no. {row.number}")

    @admin.display(description="For")
    def target_shown(self, row: Attempt) -> Any:
        return display.plain(row.target)

    @admin.display(description="Outcome")
    def outcome_shown(self, row: Attempt) -> str:
        return row.get_outcome_display() or display.EMPTY

    def page_title(self, row: Attempt) -> str:
        return f"{row.kind.capitalize()} no. {row.number}"

    def standing(self, row: Attempt) -> str:
        return row.reason

    def facts(self, row: Attempt) -> list[tuple[str, Any]]:
        return [
            ("For", display.plain(row.target)),
            ("Gateway", row.gateway),
            ("Key", display.copyable(row.key, row.key)),
            ("Outcome", row.get_outcome_display()),
            ("Why", display.coded(row.code)),
            ("There", display.copyable(row.provider_ref) if row.provider_ref else ""),
            ("Taken up", f"{row.tries} times"),
            ("On record", display.instant(row.created_at)),
            ("First called", display.instant(row.first_called_at)),
            ("Last called", display.instant(row.last_called_at)),
            ("Answered", display.instant(row.answered_at)),
            ("Lease until", display.instant(row.lease_until)),
            ("Due", display.instant(row.next_try_at)),
            ("What is asked", display.plain(row.request)),
        ]


def _invite(row: Customer, asked: dict[str, Any]) -> dict[str, Any]:
    return {"customer_id": row.pk, **asked}


plug(
    Customer,
    Button(
        name="invite_card", label="Ask for a card", verb=operations.request_setup, permission="billing.charge_customers", arguments=_invite,
        fields=lambda row: {
            "return_url": forms.URLField(
                label="Then back to", assume_scheme="https", help_text="Where the gateway's page sends the customer afterwards.",
            )
        },
        effect=lambda row: [("Customer", row.external_id), ("On file now", "a card" if row.gateway_method else "nothing")],
        explain="The gateway makes a page for this customer; its address stands on the set-up within seconds. We never see the card.",
        done="The page is being made.", then=lambda row, made: display.page_of(made), order=30,
    ),
)  # fmt: skip


@admin.register(CardSetup)
class CardSetupAdmin(OperatorAdmin):
    list_display = ("shown", "state_shown", "customer_shown", "gateway", "asked")
    list_filter = (("status", ChoicesDropdownFilter),)
    list_select_related = ("customer", "customer__seller")
    actor_fields = ("made_by",)
    machine = SETUP
    refresh_while = (SetupStatus.CREATED,)
    search_by = (
        lambda term: Q(provider_ref=term),
        lambda term: Q(customer__in=Customer.objects.filter(Q(external_id=term) | Q(public_id=term))),
    )
    search_help_text = "Id, the gateway's id, or customer"
    empty_title = "No card was asked for"
    empty_text = (
        "A customer puts a card on file on the gateway's own page; partners' programs and the customer's page here ask for it."
    )
    panels = (CALLS,)
    state_shown = state_column()
    customer_shown = link_column("Customer", "customer", lambda c: c.seller.legal_name if c.seller else c.external_id)
    asked = instant_column("Asked", "created_at")

    @admin.display(description="Card set-up")
    def shown(self, row: CardSetup) -> Any:
        return display.steady(display.short_id(row.public_id))

    def page_title(self, row: CardSetup) -> str:
        return f"Card of {row.customer.external_id}"

    def standing(self, row: CardSetup) -> str:
        if row.status == SetupStatus.REQUIRES_ACTION:
            return "Give the customer the address of the page; the card is on file once they have finished it."
        return row.reason

    def facts(self, row: CardSetup) -> list[tuple[str, Any]]:
        return [
            ("Customer", display.link(row.customer, row.customer.external_id)),
            ("Gateway", row.gateway),
            ("The page", display.copyable(row.action_url, row.action_url) if row.action_url else ""),
            ("Then back to", row.return_url),
            ("There", display.copyable(row.provider_ref) if row.provider_ref else ""),
            ("Asked about again", display.instant(row.next_look_at)),
            ("Asked", display.instant(row.created_at)),
            ("Asked by", self.person(row, "made_by")),
        ]
