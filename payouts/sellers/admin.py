"""Screens of sellers: who they are, their buckets, what may be done to them. Payee accounts: admin_payees."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from backoffice.kit.admin import (
    Button,
    Column,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    money_column,
    state_column,
)
from payouts.ledger.models import Account
from payouts.ledger.naming import name_holders_by
from payouts.ledger.queries import seller_buckets, seller_floors
from payouts.sellers import operations
from payouts.sellers.models import EntityType, PayeeKind, Schedule, Seller, Tier
from payouts.sellers.queries import minimum_payout_minor
from payouts.sellers.states import SELLER, PayeeStatus, SellerStatus

BUCKETS = {
    "pending": "Pending",
    "available": "Available",
    "reserved": "Reserved",
    "in_payout": "In payout",
    "advance": "Advance, to be repaid",
    "debt": "Debt beyond the limit",
    "total": "Total",
}


def _balances(seller: Seller, look: Look) -> Table:
    """Show every bucket, one row each, one column a currency: they add up to the total by construction."""
    found = {currency: buckets for (_, currency), buckets in sorted(seller_buckets([seller.pk]).items())}
    rows = [(BUCKETS[name], *(display.money(found[currency][name], currency) for currency in found)) for name in BUCKETS]
    floors = seller_floors(seller.pk)
    limits = [display.money(-floors.get(currency, (0, 0))[0], currency) for currency in found]
    decided = [display.money(-floors.get(currency, (0, 0))[1], currency) for currency in found]
    less = [("As the debt shrinks, by", *decided)] if decided != limits else []
    least = [
        display.EMPTY if seller.is_consumer else display.money(minimum_payout_minor(currency, seller.country), currency)
        for currency in found
    ]
    return Table(
        [Column("Bucket"), *(Column(currency, money=True) for currency in found)],
        [*rows, ("May fall below zero by", *limits), *less, ("Minimum payout", *least)] if found else [],
        empty="No money has moved for this seller yet.",
        links=[("Ledger accounts of this seller", display.list_url(Account, holder_id=seller.pk))]
        if look.user.has_perm("payouts.view_account")
        else [],
    )


def _payees(seller: Seller, look: Look) -> Table:
    rows = list(seller.payee_accounts.order_by("currency", "-version")[:100])
    return Table(
        [Column(t) for t in ("Account", "Currency", "State", "Name check", "Since", "Cool-off until")],
        [
            (
                display.link(row, display.steady(f"{row.masked} v{row.version}")),
                row.currency,
                display.state(row),
                display.state(row, "name_check"),
                display.instant(row.created_at),
                display.instant(row.cool_off_until) if row.cool_off_until > row.created_at else "none",
            )
            for row in rows
        ],
        empty="No payee account yet: nothing can be paid until there is one.",
    )


def _status_button(
    name: str, label: str, to: SellerStatus, states: tuple[SellerStatus, ...], explain: str, *, danger: bool = False
) -> Button:
    return Button(
        name=name,
        label=label,
        verb=operations.set_seller_status,
        permission="payouts.set_seller_status",
        arguments=lambda row, asked: {"seller_id": row.pk, "to": to, "reason": asked["reason"]},
        states=states,
        fields=lambda row: {"reason": fields.reason()},
        effect=_status_effect,
        explain=explain,
        danger=danger,
        bulk=name in ("pause", "resume"),
        done=lambda row, seller: f"{seller.legal_name} is now: {seller.get_status_display()}.",
        order=70,
    )


def _status_effect(seller: Seller) -> list[tuple[str, Any]]:
    found = seller_buckets([seller.pk])
    totals = {currency: buckets["total"] for (_, currency), buckets in found.items() if buckets["total"]}
    return [("Seller", seller.legal_name), ("Now", display.state(seller)), ("Owed to them", display.totals(totals))]


def _payee_fields(seller: Seller) -> dict[str, Any]:
    currencies = [(code, code) for code in settings.CURRENCIES]
    return {
        "currency": fields.choice("Currency", currencies, initial=seller.currency),
        "kind": fields.choice("Kind", PayeeKind.choices),
        "account_holder": fields.text("Account holder", "As the bank knows it."),
        "number": fields.text("IBAN or account number", max_length=50),
        "bic": fields.text("BIC", required=False, max_length=11),
        "routing_number": fields.text("Routing number", "US accounts only.", required=False, max_length=9),
    }


def _payee_effect(seller: Seller) -> list[tuple[str, Any]]:
    used = seller.payee_accounts.exclude(status=PayeeStatus.SUPERSEDED)
    return [
        ("In use now", ", ".join(f"{p.masked} ({p.currency})" for p in used) or "no account"),
        ("Cool-off after a change", f"{seller.tier.cool_off_hours} hours"),
        ("Open payouts to the old account", "are cancelled; their money is available again"),
    ]


def _names(ids: set[int]) -> dict[int, str]:
    return dict(Seller.objects.filter(pk__in=ids).values_list("pk", "legal_name"))


name_holders_by(_names)


@admin.register(Seller)
class SellerAdmin(OperatorAdmin):
    list_display = ("legal_name", "external_id", "state_shown", "country", "currency", "tier", "available_money", "pending_money")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("tier", RelatedDropdownFilter),
        ("schedule", ChoicesDropdownFilter),
        ("entity_type", ChoicesDropdownFilter),
    )
    list_select_related = ("tier", "partner")
    search_by = (
        lambda term: Q(external_id=term),
        lambda term: Q(legal_name__icontains=term),
    )
    search_help_text = "Id, external id or name"
    machine = SELLER
    empty_title = "No sellers yet"
    empty_text = "Sellers come from the API or from the command import_sellers."
    panels = (
        Panel("balances", "Balances", _balances, lazy=False, order=10),
        Panel("payees", "Payee accounts", _payees, permission="payouts.view_payeeaccount", order=60),
    )
    export_columns = (
        ExportColumn("id", lambda s: s.public_id),
        ExportColumn("external_id", lambda s: s.external_id),
        ExportColumn("legal_name", lambda s: s.legal_name),
        ExportColumn("status", lambda s: s.get_status_display()),
        ExportColumn("country", lambda s: s.country),
        ExportColumn("currency", lambda s: s.currency),
        ExportColumn("tier", lambda s: s.tier.name),
        ExportColumn("schedule", lambda s: s.get_schedule_display()),
    )
    buttons = (
        Button(
            name="change_payee",
            label="Change payee account",
            verb=operations.change_payee_account,
            permission="payouts.change_payee",
            arguments=lambda row, asked: {"seller_id": row.pk, **asked},
            states=[state for state in SellerStatus if state != SellerStatus.CLOSED],
            fields=_payee_fields,
            effect=_payee_effect,
            explain="Makes a new version; the version before stays in the history. You may not approve this seller's next run.",
            done=lambda row, payee: f"The payee account is now {payee.masked}.",
            order=40,
        ),
        Button(
            name="update",
            label="Change terms",
            verb=operations.update_seller,
            permission="payouts.set_seller_status",
            arguments=lambda row, asked: {"seller_id": row.pk, "changes": asked},
            states=[state for state in SellerStatus if state != SellerStatus.CLOSED],
            fields=lambda row: {
                "tier": fields.choice("Tier", [(t.code, t.name) for t in Tier.objects.order_by("pk")], initial=row.tier.code),
                "schedule": fields.choice("Schedule", Schedule.choices, initial=row.schedule),
                "schedule_day": _initial(fields.number("Day", "1 to 7 for weekly (1 is Monday), 1 to 31 for monthly.", low=1, high=31), row.schedule_day),
                "entity_type": fields.choice("Entity", EntityType.choices, initial=row.entity_type),
            },
            explain="A new tier changes the waiting time of coming sales, the cool-off and the debt limit.",
            done="Changed.",
            order=60,
        ),
        _status_button(
            "activate", "Activate", SellerStatus.ACTIVE, (SellerStatus.REVIEW,),
            "The review is done: payouts go on if the requirements are met.",
        ),
        _status_button("resume", "Resume payouts", SellerStatus.ACTIVE, (SellerStatus.PAUSED,), "The next run may pay this seller again."),
        _status_button("pause", "Pause payouts", SellerStatus.PAUSED, (SellerStatus.ACTIVE,), "Runs skip this seller until somebody resumes."),
        _status_button(
            "review", "Put under review", SellerStatus.REVIEW, (SellerStatus.ACTIVE,),
            "Runs skip this seller until the review is done.",
        ),
        _status_button(
            "block", "Block", SellerStatus.BLOCKED,
            (SellerStatus.CREATED, SellerStatus.REVIEW, SellerStatus.ACTIVE, SellerStatus.PAUSED),
            "Nothing is paid to a blocked seller. Their money stays theirs.", danger=True,
        ),
        _status_button(
            "close", "Close", SellerStatus.CLOSED,
            (SellerStatus.CREATED, SellerStatus.REVIEW, SellerStatus.ACTIVE, SellerStatus.PAUSED, SellerStatus.BLOCKED),
            "A closed seller stays closed. Every bucket must be empty.", danger=True,
        ),
    )  # fmt: skip
    state_shown = state_column()
    available_money = money_column("Available", amount="shown_available")
    pending_money = money_column("Pending", amount="shown_pending")

    def decorate(self, rows: list[Any]) -> None:
        found = seller_buckets([row.pk for row in rows]) if rows else {}
        for row in rows:
            buckets = found.get((row.pk, row.currency), {})
            row.shown_available, row.shown_pending = buckets.get("available", 0), buckets.get("pending", 0)

    def page_title(self, row: Seller) -> str:
        return row.legal_name

    def standing(self, row: Seller) -> str:
        return row.status_reason

    def facts(self, row: Seller) -> list[tuple[str, Any]]:
        return [
            ("External id", display.copyable(row.external_id, row.external_id)),
            ("Entity", row.get_entity_type_display()),
            ("Country", row.country),
            ("Currency", row.currency),
            ("Tier", row.tier.name),
            ("Schedule", _schedule(row)),
            ("Partner", display.link(row.partner) if row.partner else "none"),
            ("Seller number", row.pk),
            ("Since", display.instant(row.created_at)),
        ]


def _initial(field: Any, value: Any) -> Any:
    field.initial = value
    return field


def _schedule(seller: Seller) -> str:
    words = seller.get_schedule_display()
    if seller.schedule == Schedule.WEEKLY:
        days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
        return f"{words}, on {days[(seller.schedule_day - 1) % 7]}"
    return f"{words}, on day {seller.schedule_day}" if seller.schedule == Schedule.MONTHLY else words
