"""Screens of sellers: their buckets, their payee accounts as versions, tiers and minimums."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from backoffice.kit import clock
from backoffice.kit.actors import staff
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
    id_column,
    instant_column,
    link_column,
    money_column,
    person_column,
    queue,
    state_column,
)
from backoffice.staff import audit
from payouts.ledger.models import Account
from payouts.ledger.queries import seller_buckets
from payouts.sellers import operations
from payouts.sellers.models import EntityType, MinimumPayout, NameCheck, PayeeAccount, PayeeKind, Schedule, Seller, Tier
from payouts.sellers.queries import debt_limit_minor, minimum_payout_minor
from payouts.sellers.states import PAYEE, SELLER, PayeeStatus, SellerStatus

BUCKETS = {
    "pending": "Pending",
    "available": "Available",
    "reserved": "Reserved",
    "in_payout": "In payout",
    "advance": "Advance, to be repaid",
    "debt": "Debt beyond the limit",
    "total": "Total",
}


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


# --- sellers ------------------------------------------------------------------------------------------------------------


def _balances(seller: Seller, look: Look) -> Table:
    """Show every bucket, one row each, one column a currency: they add up to the total by construction."""
    found = {currency: buckets for (_, currency), buckets in sorted(seller_buckets([seller.pk]).items())}
    rows = [(BUCKETS[name], *(display.money(found[currency][name], currency) for currency in found)) for name in BUCKETS]
    own = {currency: seller.debt_limit_minor if currency == seller.currency else None for currency in found}
    limits = [display.money(debt_limit_minor(seller.tier, currency, own[currency]), currency) for currency in found]
    least = [display.money(minimum_payout_minor(currency, seller.country), currency) for currency in found]
    return Table(
        [Column("Bucket"), *(Column(currency, money=True) for currency in found)],
        [*rows, ("May fall below zero by", *limits), ("Minimum payout", *least)] if found else [],
        empty="No money has moved for this seller yet.",
        links=[("Ledger accounts of this seller", display.list_url(Account, holder_id=seller.pk))]
        if look.user.has_perm("payouts.view_account")
        else [],
    )


def _payees(seller: Seller, look: Look) -> Table:
    rows = list(seller.payee_accounts.order_by("currency", "-version")[:100])
    names = display.people(row.created_by for row in rows)
    return Table(
        [Column(t) for t in ("Account", "Currency", "Version", "State", "Name check", "Bank", "Since", "By", "Cool-off until")],
        [
            (
                display.link(row, row.masked),
                row.currency,
                row.version,
                display.state(row),
                display.state(row, "name_check"),
                row.bank_name or row.bic,
                display.instant(row.created_at),
                names.get(row.created_by, ""),
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
            "activate", "Activate", SellerStatus.ACTIVE, (SellerStatus.CREATED, SellerStatus.REVIEW, SellerStatus.BLOCKED),
            "Payouts to this seller become possible.",
        ),
        _status_button("resume", "Resume payouts", SellerStatus.ACTIVE, (SellerStatus.PAUSED,), "The next run may pay this seller again."),
        _status_button("pause", "Pause payouts", SellerStatus.PAUSED, (SellerStatus.ACTIVE,), "Runs skip this seller until somebody resumes."),
        _status_button(
            "review", "Put under review", SellerStatus.REVIEW, (SellerStatus.CREATED, SellerStatus.ACTIVE, SellerStatus.BLOCKED),
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


# --- payee accounts -----------------------------------------------------------------------------------------------------


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
    list_filter = (("status", ChoicesDropdownFilter), ("name_check", ChoicesDropdownFilter))
    list_select_related = ("seller",)
    actor_fields = ("created_by",)
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
            ("Since", display.instant(row.created_at)),
            ("By", self.person(row, "created_by")),
            ("Cool-off until", self.cool_off(row)),
        ]


# --- tiers and minimums: edited by leads, each edit in the audit ----------------------------------------------------------


class LeadEdits(ModelAdmin):
    """Rows a lead edits; everybody else with the right to see them reads."""

    edit_permission = "payouts.change_tiers"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.edit_permission)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(self.edit_permission)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        before = (
            dict(type(obj).objects.filter(pk=obj.pk).values(*form.changed_data).first() or {})
            if change and form.changed_data
            else {}
        )
        super().save_model(request, obj, form, change)
        after = {name: getattr(obj, name) for name in form.changed_data}
        audit.record(
            staff(request.user.pk),
            f"{self.opts.model_name}.{'change' if change else 'add'}",
            f"{self.opts.model_name}:{obj.pk}",
            clock.now(),
            facts={"before": {k: str(v) for k, v in before.items()}, "after": {k: str(v) for k, v in after.items()}},
        )


@admin.register(Tier)
class TierAdmin(LeadEdits):
    list_display = ("name", "code", "delay_days", "cool_off_hours", "debt_limit")
    ordering = ("pk",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Leave the code and the debt limit of a tier in use: files name the one, every seller's floor in the ledger is set from the other."""
        return ("code", "debt_limit") if obj is not None else ()


@admin.register(MinimumPayout)
class MinimumPayoutAdmin(LeadEdits):
    list_display = ("currency", "country_shown", "amount_money")
    ordering = ("currency", "country")
    amount_money = money_column("Minimum")

    @admin.display(description="Country")
    def country_shown(self, row: MinimumPayout) -> str:
        return row.country or "any"
