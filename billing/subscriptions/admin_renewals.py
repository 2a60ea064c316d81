"""Screens of the renewal batch: each run, its items, what is parked; and the dry run of the next one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    Column,
    CurrencyFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    link_column,
    money_column,
    number_column,
    queue,
    reason_column,
    state_column,
)
from backoffice.kit.money import Money
from billing.collection.admin import invoice_links
from billing.subscriptions import operations
from billing.subscriptions.models import RenewalBatch, RenewalItem, Subscription
from billing.subscriptions.states import BATCH, ITEM, BatchState, ItemState


def parked(at: datetime) -> QuerySet[RenewalItem]:
    """Return renewals set aside for a person."""
    return RenewalItem.objects.filter(status=ItemState.PARKED)


queue(
    name="parked_renewals",
    title="Parked renewals",
    model=RenewalItem,
    rows=parked,
    age_field="created_at",
    help_text="The amount jumped, or something failed: look, then release or dismiss. Nothing is invoiced meanwhile.",
    order=71,
)


def _items(batch: RenewalBatch, look: Look) -> Table:
    rows, older = look.slice_of(batch.work.select_related("subscription__customer", "subscription__price__plan"))
    return Table(
        [Column("Subscription"), Column("Price"), Column("Boundary"), Column("State"), Column("Came to"), Column("Why"), Column("Amount", money=True), Column("Before", money=True)],
        [
            (display.link(one.subscription, one.subscription.customer.external_id), str(one.subscription.price), display.link(one, display.instant(one.period_start)),
             display.state(one), one.what, one.detail, display.money(one.amount_minor, one.currency),
             display.money(one.previous_minor, one.currency))
            for one in rows
        ],
        older=older,
    )  # fmt: skip


def _dry_run(row: None) -> list[tuple[str, Any]]:
    plan = operations.plan_all(at=clock.now())
    rows: list[tuple[str, Any]] = [
        (what.replace("_", " ").capitalize(), display.number(count)) for what, count in sorted(plan.counts.items())
    ]
    rows += [
        ("Would be invoiced, net", display.totals(plan.totals)),
        ("The same subscriptions last period", display.totals(plan.previous)),
    ]
    rows += [(f"Would be parked: {one['subscription'][-6:]}", one["detail"]) for one in plan.parked[:10]]
    return rows


def _renew(actor: Any, at: Any) -> Any:
    return operations.renew_subscriptions(actor=actor, at=at, seconds=20)


_renew.intention = "durable"  # type: ignore[attr-defined]


@admin.register(RenewalBatch)
class RenewalBatchAdmin(OperatorAdmin):
    list_display = ("due", "state_shown", "items_shown", "done_shown", "parked_shown", "sums_money", "finished")
    list_filter = (("status", ChoicesDropdownFilter),)
    actor_fields = ("made_by",)
    machine = BATCH
    refresh_while = (BatchState.RUNNING,)
    empty_title = "Nothing was renewed yet"
    empty_text = "A batch is made whenever subscriptions are due."
    panels = (Panel("items", "Renewals", _items, permission="billing.view_renewalitem", lazy=False),)
    list_buttons = (
        Button(
            name="renew",
            label="Renew what is due",
            verb=_renew,
            permission="billing.run_renewals",
            arguments=lambda row, asked: {},
            effect=_dry_run,
            explain="The dry run of what is due now; the timetable does it within minutes anyway.",
            done=lambda row, answer: f"{answer['done']} renewed, {answer['parked']} parked.",
        ),
    )
    buttons = (
        Button(
            name="stop",
            label="Stop",
            verb=operations.stop_batch,
            permission="billing.run_renewals",
            arguments=lambda row, asked: {"batch_id": row.pk, **asked},
            states=(BatchState.RUNNING,),
            fields=lambda row: {"reason": fields.reason()},
            explain="The set in work ends; the open items wait until the batch goes on.",
            danger=True,
            done="Stopped.",
        ),
        Button(
            name="resume",
            label="Go on",
            verb=operations.resume_batch,
            permission="billing.run_renewals",
            arguments=lambda row, asked: {"batch_id": row.pk, **asked},
            states=(BatchState.STOPPED,),
            fields=lambda row: {"reason": fields.reason()},
            done="It goes on with the next tick.",
        ),
    )
    state_shown = state_column()
    items_shown = number_column("Due", "items")
    done_shown = number_column("Done", "done")
    parked_shown = number_column("Parked", "parked")
    due = instant_column("Due at", "due_at")
    finished = instant_column("Finished", "finished_at")

    @admin.display(description="Invoiced, net")
    def sums_money(self, row: RenewalBatch) -> Any:
        return display.totals(row.totals)

    def page_title(self, row: RenewalBatch) -> str:
        return f"Renewals due {row.due_at:%d %b %Y, %H:%M} UTC"

    def headline(self, row: RenewalBatch) -> Any:
        return display.totals(row.totals)

    def facts(self, row: RenewalBatch) -> list[tuple[str, Any]]:
        return [
            ("Due", display.number(row.items)),
            ("Done", display.number(row.done)),
            ("Parked", display.number(row.parked)),
            ("Started", display.instant(row.started_at)),
            ("Finished", display.instant(row.finished_at)),
            ("Started by", self.person(row, "made_by")),
        ]


def _item_effect(item: RenewalItem) -> list[tuple[str, Any]]:
    return [
        ("Subscription", display.link(item.subscription)),
        ("Boundary", display.instant(item.period_start)),
        ("It was parked because", item.detail),
        ("Would be invoiced, net", display.money(item.amount_minor, item.currency)),
        ("The period before", display.money(item.previous_minor, item.currency)),
    ]


@admin.register(RenewalItem)
class RenewalItemAdmin(OperatorAdmin):
    list_display = ("subscription_shown", "boundary", "state_shown", "what", "amount_money", "previous_money", "why")
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter)
    list_select_related = ("subscription", "batch")
    actor_fields = ("accepted_by",)
    machine = ITEM
    search_by = (lambda term: Q(subscription__in=Subscription.objects.filter(public_id=term)), lambda term: Q(code=term))
    search_help_text = "Id, subscription, or code"
    empty_title = "Nothing was renewed yet"
    buttons = (
        Button(
            name="release",
            label="Release",
            verb=operations.release_item,
            permission="billing.run_renewals",
            arguments=lambda row, asked: {"item_id": row.pk, **asked},
            states=(ItemState.PARKED,),
            fields=lambda row: {"reason": fields.reason()},
            effect=_item_effect,
            explain="The next tick renews it, without the bounds.",
            bulk=True,
            done="Released.",
        ),
        Button(
            name="dismiss",
            label="Dismiss",
            verb=operations.dismiss_item,
            permission="billing.run_renewals",
            arguments=lambda row, asked: {"item_id": row.pk, **asked},
            states=(ItemState.PARKED,),
            fields=lambda row: {"reason": fields.reason()},
            effect=_item_effect,
            explain="This boundary is never invoiced, and the subscription renews no more: cancel or pause it too.",
            danger=True,
            done="Dismissed.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda i: i.public_id),
        ExportColumn("subscription", lambda i: i.subscription.public_id),
        ExportColumn("boundary", lambda i: i.period_start),
        ExportColumn("state", lambda i: i.get_status_display()),
        ExportColumn("came to", lambda i: i.what),
        ExportColumn("amount", lambda i: Money(i.amount_minor, i.currency)),
        ExportColumn("currency", lambda i: i.currency),
        ExportColumn("code", lambda i: i.code),
        ExportColumn("why", lambda i: i.detail),
    )
    subscription_shown = link_column("Subscription", "subscription", lambda row: display.short_id(row.public_id))
    boundary = instant_column("Boundary", "period_start")
    state_shown = state_column()
    amount_money = money_column("Amount", "amount_minor")
    previous_money = money_column("Before", "previous_minor")
    why = reason_column("Why", "detail")

    def page_title(self, row: RenewalItem) -> str:
        return f"Renewal of {display.short_id(row.subscription.public_id)} on {row.period_start:%d %b %Y}"

    def headline(self, row: RenewalItem) -> Any:
        return display.money(row.amount_minor, row.currency)

    def standing(self, row: RenewalItem) -> str:
        return row.detail

    def facts(self, row: RenewalItem) -> list[tuple[str, Any]]:
        return [
            ("Subscription", display.link(row.subscription)),
            ("Batch", display.link(row.batch)),
            ("Came to", row.what),
            ("The period before, net", display.money(row.previous_minor, row.currency)),
            ("Invoice", invoice_links([row.invoice]).get(row.invoice, "")),
            ("Code", row.code),
            ("Let pass by", self.person(row, "accepted_by")),
            ("Worked", display.instant(row.worked_at)),
        ]
