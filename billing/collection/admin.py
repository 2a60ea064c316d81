"""Screens of collecting: what is being collected and each attempt, dunning policies, brakes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q
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
    number_column,
    person_column,
    reason_column,
    state_column,
)
from backoffice.kit.errors import InputError
from backoffice.kit.money import Money
from billing.collection import operations
from billing.collection.models import BillingBrake, BrakeScope, Collection, DunningPolicy, FinalAction
from billing.collection.states import COLLECTION, POLICY, CollectionState, PolicyState
from billing.customers.models import Customer
from billing.invoices.models import Invoice


def reference(public_id: str) -> Any:
    """Return a public id of another room as a link to wherever it leads."""
    return display.plain(public_id) if public_id else ""


def invoice_links(public_ids: Iterable[str]) -> dict[str, Any]:
    """Return links to invoices by their numbers, all looked up at once; "" for no invoice."""
    found = Invoice.objects.filter(public_id__in={one for one in public_ids if one})
    return {"": ""} | {row.public_id: display.link(row) for row in found}


def _code(code: str) -> str:
    """Return why an attempt failed as people say it: card_declined/insufficient_funds is insufficient funds."""
    return code.rpartition("/")[2].replace("_", " ")


def _attempts(row: Collection, look: Look) -> Table:
    rows, older = look.slice_of(row.attempts.all())
    return Table(
        [Column("No."), Column("Planned"), Column("Because"), Column("Outcome"), Column("Why"), Column("Balance", money=True), Column("Card", money=True), Column("Payment")],
        [
            (one.number, display.instant(one.planned_at), one.get_trigger_display(), display.state(one), _code(one.code),
             display.money(one.balance_minor, row.currency), display.money(one.card_minor, row.currency), reference(one.payment))
            for one in rows
        ],
        older=older,
    )  # fmt: skip


@admin.register(Collection)
class CollectionAdmin(OperatorAdmin):
    list_display = (
        "public",
        "customer_shown",
        "state_shown",
        "due_money",
        "amount_money",
        "method_shown",
        "trigger_shown",
        "opened",
    )
    wide_only = ("method_shown", "trigger_shown")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("method", ChoicesDropdownFilter),
        ("trigger", ChoicesDropdownFilter),
        CurrencyFilter,
    )
    list_select_related = ("customer", "policy")
    machine = COLLECTION
    search_by = (
        lambda term: Q(invoice=term),
        lambda term: Q(origin=term),
        lambda term: Q(customer__in=Customer.objects.filter(external_id=term)),
    )
    search_help_text = "Id, invoice, subscription, or the customer's external id"
    empty_title = "Nothing is being collected"
    empty_text = "An invoice of a subscription is collected from the moment it is finalised."
    panels = (Panel("attempts", "Attempts", _attempts, lazy=False),)
    buttons = (
        Button(
            name="retry",
            label="Try again now",
            verb=operations.retry_collection,
            permission="billing.retry_collections",
            arguments=lambda row, asked: {"collection_id": row.pk, **asked},
            states=(CollectionState.OPEN, CollectionState.EXHAUSTED, CollectionState.STOPPED),
            fields=lambda row: {"reason": fields.reason()},
            effect=lambda row: [
                ("Still due", display.money(row.due_minor, row.currency)),
                ("Collected", row.get_method_display()),
            ],
            explain="One attempt now, outside the dunning budget. Refused while an earlier one is on its way.",
            bulk=True,
            done="It is tried within moments.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda c: c.public_id),
        ExportColumn("customer", lambda c: c.customer.public_id),
        ExportColumn("invoice", lambda c: c.invoice),
        ExportColumn("for", lambda c: c.origin),
        ExportColumn("state", lambda c: c.get_status_display()),
        ExportColumn("due", lambda c: Money(c.due_minor, c.currency)),
        ExportColumn("currency", lambda c: c.currency),
        ExportColumn("opened_at", lambda c: c.opened_at),
    )
    customer_shown = link_column("Customer", "customer", lambda customer: customer.external_id)
    state_shown = state_column()
    due_money = money_column("Still due", "due_minor")
    amount_money = money_column("Of", "amount_minor")
    method_shown = choice_column("Collected", "method")
    trigger_shown = choice_column("Because", "trigger")
    opened = instant_column("Since", "opened_at")

    @admin.display(description="Id")
    def public(self, row: Collection) -> Any:
        return display.steady(display.short_id(row.public_id))

    def page_title(self, row: Collection) -> str:
        return f"Collecting from {row.customer.external_id}"

    def headline(self, row: Collection) -> Any:
        return display.money(row.due_minor, row.currency)

    def standing(self, row: Collection) -> str:
        if row.status in (CollectionState.OPEN, CollectionState.EXHAUSTED):
            planned = row.attempts.filter(status="planned").order_by("planned_at").first()
            stopped = " The card was declined for good: only another one is tried." if row.card_stopped else ""
            return (
                f"Next attempt on {planned.planned_at:%d %b %Y, %H:%M} UTC." if planned else "No attempt is planned."
            ) + stopped
        return ""

    def facts(self, row: Collection) -> list[tuple[str, Any]]:
        return [
            ("Customer", display.link(row.customer, row.customer.external_id)),
            ("Invoice", invoice_links([row.invoice]).get(row.invoice, "")),
            ("For", reference(row.origin)),
            ("Was due", display.money(row.amount_minor, row.currency)),
            ("Collected so far", display.money(row.collected_minor, row.currency)),
            ("Collected", row.get_method_display()),
            ("Dunning policy", display.link(row.policy)),
            ("First failed", display.instant(row.failed_at)),
            ("Ended", display.instant(row.ended_at)),
        ]


def _set_policy(asked: dict[str, Any], actor: Any, at: Any, code: str = "") -> DunningPolicy:
    """Read the form's lists: days and decline codes, separated by commas."""
    days = [part.strip() for part in asked["days_between"].split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() and len(part) < 4 for part in days):
        raise InputError(detail="Days are whole numbers, separated by commas, such as 2, 5, 7, 7.")
    return operations.set_dunning_policy(
        code=code or asked["code"], days_between=[int(part) for part in days],
        hard_declines=[part.strip() for part in asked["hard_declines"].split(",") if part.strip()],
        final_action=asked["final_action"], reason=asked["reason"], actor=actor, at=at,
    )  # fmt: skip


_set_policy.intention = "composable"  # type: ignore[attr-defined]


def _policy_fields(row: DunningPolicy | None) -> dict[str, Any]:
    days = ", ".join(map(str, row.days_between)) if row else "2, 5, 7, 7"
    return {
        "days_between": fields.text("Days between attempts", "From the first failure on.", initial=days),
        "final_action": fields.choice("In the end", FinalAction.choices, initial=row.final_action if row else FinalAction.CANCEL),
        "hard_declines": fields.long_text(
            "Decline codes that stop a card", required=False, initial=", ".join(row.hard_declines) if row else ""
        ),
        "reason": fields.reason(),
    }


@admin.register(DunningPolicy)
class DunningPolicyAdmin(OperatorAdmin):
    list_display = ("code", "version_shown", "state_shown", "days", "final_shown", "made", "why")
    list_filter = (("status", ChoicesDropdownFilter),)
    actor_fields = ("made_by",)
    machine = POLICY
    search_by = (lambda term: Q(code=term),)
    search_help_text = "Id or code"
    list_buttons = (
        Button(
            name="create",
            label="Make a policy",
            verb=_set_policy,
            permission="billing.set_dunning",
            arguments=lambda row, asked: {"asked": asked},
            fields=lambda row: {"code": fields.text("Code", "Plans name it by this.", max_length=40)} | _policy_fields(None),
            done="In force.",
        ),
    )
    buttons = (
        Button(
            name="replace",
            label="Put a new version in force",
            verb=_set_policy,
            permission="billing.set_dunning",
            arguments=lambda row, asked: {"asked": asked, "code": row.code},
            states=(PolicyState.IN_FORCE,),
            fields=_policy_fields,
            explain="What is being collected keeps the version it began with.",
            done="In force.",
        ),
    )
    version_shown = number_column("Version", "version")
    state_shown = state_column()
    final_shown = choice_column("In the end", "final_action")
    made = instant_column("Since", "created_at")
    why = reason_column("Why", "reason")

    @admin.display(description="Days between")
    def days(self, row: DunningPolicy) -> str:
        return ", ".join(map(str, row.days_between)) or "no second attempt"

    def standing(self, row: DunningPolicy) -> str:
        return row.reason

    def facts(self, row: DunningPolicy) -> list[tuple[str, Any]]:
        budgets = ", ".join(f"{name}: {count}" for name, count in row.budgets.items())
        return [
            ("Days between", self.days(row)),
            ("Budgets", budgets),
            ("In the end", row.get_final_action_display()),
            ("What stops a card", ", ".join(code.replace("_", " ") for code in row.hard_declines)),
            ("Made by", self.person(row, "made_by")),
        ]


def _place_brake(asked: dict[str, Any], actor: Any, at: Any) -> BillingBrake:
    """Find whom the brake is for; nobody named is everybody."""
    ref = asked.get("customer", "").strip()
    customer = Customer.objects.filter(Q(public_id=ref) | Q(external_id=ref)).first() if ref else None
    if ref and customer is None:
        raise InputError(detail="There is no such customer; leave it empty to stop everybody.")
    return operations.place_brake(
        scope=asked["scope"], reason=asked["reason"], customer_id=customer.pk if customer else None, actor=actor, at=at
    )


_place_brake.intention = "composable"  # type: ignore[attr-defined]


@admin.register(BillingBrake)
class BillingBrakeAdmin(OperatorAdmin):
    list_display = ("whom", "scope_shown", "placed", "by", "why", "lifted")
    list_filter = (("scope", ChoicesDropdownFilter),)
    list_select_related = ("customer",)
    actor_fields = ("placed_by", "lifted_by")
    empty_title = "No brake is on"
    empty_text = "A brake stops invoices or attempts, for one customer or all, until it is lifted."
    list_buttons = (
        Button(
            name="place",
            label="Place a brake",
            verb=_place_brake,
            permission="billing.brake_billing",
            arguments=lambda row, asked: {"asked": asked},
            fields=lambda row: {
                "scope": fields.choice("Stops", BrakeScope.choices),
                "customer": fields.text("Customer", "Id or external id; empty: everybody.", required=False),
                "reason": fields.reason(),
            },
            explain="What is running ends; nothing new begins. What falls due waits until the brake is lifted.",
            danger=True,
            done="The brake is on.",
        ),
    )
    buttons = (
        Button(
            name="lift",
            label="Lift",
            verb=operations.lift_brake,
            permission="billing.brake_billing",
            arguments=lambda row, asked: {"brake_id": row.pk, **asked},
            when=lambda row: row.lifted_at is None,
            fields=lambda row: {"reason": fields.reason()},
            explain="The next tick does everything that fell due meanwhile.",
            done="Lifted.",
        ),
    )
    scope_shown = choice_column("Stops", "scope")
    placed = instant_column("Since", "placed_at")
    by = person_column("By", "placed_by")
    why = reason_column("Why", "reason")
    lifted = instant_column("Lifted", "lifted_at")

    @admin.display(description="Whom")
    def whom(self, row: BillingBrake) -> Any:
        return row.customer.external_id if row.customer else display.label("everybody", "bad")

    def standing(self, row: BillingBrake) -> str:
        return row.reason

    def facts(self, row: BillingBrake) -> list[tuple[str, Any]]:
        return [
            ("Customer", display.link(row.customer) if row.customer else "everybody"),
            ("Stops", row.get_scope_display()),
            ("Placed", display.instant(row.placed_at)),
            ("By", self.person(row, "placed_by")),
            ("Lifted", display.instant(row.lifted_at)),
            ("Lifted by", self.person(row, "lifted_by")),
            ("Lifted because", row.lifted_reason),
        ]


def collections_table(rows: Any, look: Look) -> Table:
    """Return collections as a panel of another page shows them."""
    found, older = look.slice_of(rows)
    found = list(found)
    invoices = invoice_links(row.invoice for row in found)
    return Table(
        [Column("Collection"), Column("Invoice"), Column("State"), Column("Since"), Column("Still due", money=True), Column("Of", money=True)],
        [
            (display.link(row, display.short_id(row.public_id)), invoices.get(row.invoice, ""), display.state(row), display.instant(row.opened_at),
             display.money(row.due_minor, row.currency), display.money(row.amount_minor, row.currency))
            for row in found
        ],
        empty="Nothing was collected yet.",
        older=older,
    )  # fmt: skip
