"""Screens of payee accounts: where sellers are paid, as versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    ExportColumn,
    OperatorAdmin,
    display,
    fields,
    id_column,
    instant_column,
    link_column,
    person_column,
    queue,
    state_column,
)
from payouts.sellers import operations
from payouts.sellers.models import NameCheck, PayeeAccount
from payouts.sellers.states import PAYEE, PayeeStatus


def cooling_off(at: datetime) -> QuerySet[PayeeAccount]:
    """Return the payee accounts in use that were changed and are not paid yet."""
    return PayeeAccount.objects.filter(status=PayeeStatus.ACTIVE, cool_off_until__gt=at)


queue(
    name="cooling_off",
    title="Payee changes in cool-off",
    model=PayeeAccount,
    rows=cooling_off,
    age_field="created_at",
    help_text="Call the seller on a known number before the cool-off ends; block the account if the change is not theirs.",
    order=60,
)


@admin.register(PayeeAccount)
class PayeeAccountAdmin(OperatorAdmin):
    list_display = (
        "masked_shown",
        "seller_shown",
        "currency",
        "version",
        "state_shown",
        "name_check_shown",
        "by",
        "since",
        "cool_off",
    )
    wide_only = ("currency", "version", "by")
    list_filter = (("status", ChoicesDropdownFilter), ("name_check", ChoicesDropdownFilter))
    list_select_related = ("seller",)
    actor_fields = ("created_by", "name_checked_by", "reactivated_by")
    machine = PAYEE
    # No search by account number here: it would stand in the address, and so in logs. The search box of the frame posts.
    search_by = (lambda term: Q(seller__external_id=term),)
    search_help_text = "Id, or seller's external id; an IBAN by Ctrl + K"
    empty_text = "Payee accounts come with sellers and change on their pages."
    buttons = (
        Button(
            name="mark",
            label="Mark the account",
            verb=operations.mark_payee_account,
            permission="payouts.change_payee",
            arguments=lambda row, asked: {"payee_account_id": row.pk, **asked},
            when=lambda row: row.status != PayeeStatus.SUPERSEDED,
            fields=lambda row: {
                "status": fields.choice(
                    "State", [pair for pair in PayeeStatus.choices if pair[0] not in (PayeeStatus.SUPERSEDED, row.status)]
                ),
                "code": fields.text("Bank's code", "Such as AC04, if a bank gave one.", required=False, max_length=20),
                "reason": fields.reason(),
            },
            effect=lambda row: [("Account", row.masked), ("Seller", row.seller.legal_name), ("Now", display.state(row))],
            explain="Nothing is paid to an account that does not work; the seller gives a new one.",
            done=lambda row, payee: f"{payee.masked} is now: {payee.get_status_display()}.",
        ),
        Button(
            name="name_check",
            label="Record a name check",
            verb=operations.record_name_check,
            permission="payouts.change_payee",
            arguments=lambda row, asked: {"payee_account_id": row.pk, **asked},
            when=lambda row: row.status != PayeeStatus.SUPERSEDED,
            fields=lambda row: {
                "result": fields.choice("Result", [pair for pair in NameCheck.choices if pair[0] != NameCheck.NOT_CHECKED])
            },
            effect=lambda row: [("Account", row.masked), ("Seller", row.seller.legal_name)],
            explain="A holder whose name does not match is not paid.",
            done="Recorded.",
        ),
    )
    id_shown = id_column()
    seller_shown = link_column("Seller", "seller", lambda seller: seller.legal_name)
    state_shown = state_column("State")
    name_check_shown = state_column("Name check", "name_check")
    by = person_column("By", "created_by")
    since = instant_column("Since", "created_at")
    export_columns = (
        ExportColumn("id", lambda p: p.public_id),
        ExportColumn("seller", lambda p: p.seller.external_id),
        ExportColumn("account", lambda p: p.masked),
        ExportColumn("currency", lambda p: p.currency),
        ExportColumn("version", lambda p: p.version),
        ExportColumn("state", lambda p: p.get_status_display()),
        ExportColumn("name_check", lambda p: p.get_name_check_display()),
        ExportColumn("since", lambda p: p.created_at),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PayeeAccount]:
        """Leave the sealed columns in the database: no screen shows them."""
        return super().get_queryset(request).defer("account_holder", "number")

    @admin.display(description="Account")
    def masked_shown(self, row: PayeeAccount) -> Any:
        return display.steady(row.masked)

    @admin.display(description="Cool-off until")
    def cool_off(self, row: PayeeAccount) -> Any:
        return display.instant(row.cool_off_until) if row.cool_off_until > row.created_at else "none"

    def page_title(self, row: PayeeAccount) -> str:
        return f"{row.masked}, version {row.version}"

    def standing(self, row: PayeeAccount) -> str:
        if row.status == PayeeStatus.ACTIVE and row.cool_off_until > clock.now():
            return "Changed recently: nothing is paid here until the cool-off ends."
        return ""

    def facts(self, row: PayeeAccount) -> list[tuple[str, Any]]:
        return [
            ("Seller", display.link(row.seller)),
            ("Currency", row.currency),
            ("Kind", row.get_kind_display()),
            ("Bank", row.bank_name),
            ("BIC", row.bic),
            ("Routing number", row.routing_number),
            ("Country", row.country),
            ("Bank's code", row.status_code),
            ("Name check", display.state(row, "name_check")),
            ("Name check by", self.person(row, "name_checked_by") if row.name_checked_by else ""),
            ("Said to work again by", self.person(row, "reactivated_by") if row.reactivated_by else ""),
            ("Since", display.instant(row.created_at)),
            ("By", self.person(row, "created_by")),
            ("Cool-off until", self.cool_off(row)),
        ]
