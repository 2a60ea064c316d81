"""Screens of the cellar's own rows: approvals, events, verdicts of the books."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.desk import operations
from backoffice.desk.models import BooksCheck
from backoffice.kit.admin import (
    Button,
    Column,
    DayRangeFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    person_column,
    state_column,
    value_filter,
    viewing,
)
from backoffice.kit.approvals import Approval, ApprovalState
from backoffice.kit.outbox import Event, EventConsumption
from backoffice.partners import events
from payouts.dispatch import absence
from payouts.ledger import adjustments
from payouts.ledger.chart import CHART


def subject_link(subject: str) -> Any:
    """Return a link to what a public id names, without a look-up; other texts stay text."""
    return display.way_to(subject) if viewing.models_of(subject) else subject


# --- approvals ----------------------------------------------------------------------------------------------------------


def _is_open_correction(row: Approval) -> bool:
    return row.action == adjustments.ACTION and row.state == ApprovalState.REQUESTED


def _correction_effect(row: Approval) -> list[tuple[str, Any]]:
    legs = [
        (
            f"{'Debit' if amount > 0 else 'Credit'} {CHART[code].label if code in CHART else code}",
            display.money(abs(amount), currency),
        )
        for code, _holder_id, _holder, currency, amount in row.shown.get("legs", [])
    ]
    names = display.people([row.maker])
    return [
        ("Kind", row.shown.get("template", "").replace("_", "-")),
        *legs,
        ("Reason", row.shown.get("reason", "")),
        ("Asked by", names.get(row.maker, "")),
    ]


def _shown(row: Approval, look: Look) -> Table:
    if row.action == adjustments.ACTION:
        return Table([Column("What"), Column("Value")], _correction_effect(row))
    return Table(
        [Column("What"), Column("Value")],
        [(name.replace("_", " ").capitalize(), display.plain(value)) for name, value in row.shown.items()],
    )


@admin.register(Approval)
class ApprovalAdmin(OperatorAdmin):
    list_display = ("what", "subject_shown", "state_shown", "maker_shown", "checker_shown", "asked", "expires")
    wide_only = ("expires",)
    list_filter = (
        ("state", ChoicesDropdownFilter),
        value_filter(
            "what", "action", lambda: [(one, one.replace("_", " ")) for one in ("payout_run", adjustments.ACTION, absence.ACTION)]
        ),
    )
    actor_fields = ("maker", "checker")
    search_by = (lambda term: Q(subject=term), lambda term: Q(content_hash=term))
    search_help_text = "Id of the approval or of its subject, or content hash"
    empty_title = "Nobody asked for approval yet"
    empty_text = "Runs and corrections ask here for a second pair of eyes."
    panels = (Panel("shown", "What is to be approved", _shown, lazy=False),)
    buttons = (
        Button(
            name="approve_correction",
            label="Approve and book",
            verb=adjustments.approve_correction,
            permission="payouts.approve_adjustment",
            arguments=lambda row, asked: {"subject": row.subject},
            when=_is_open_correction,
            effect=_correction_effect,
            explain="Booked at once, in both your names. It can only be undone by another correction.",
            done="Approved and booked.",
        ),
        Button(
            name="refuse_correction",
            label="Refuse",
            verb=adjustments.refuse_correction,
            permission="payouts.approve_adjustment",
            arguments=lambda row, asked: {"subject": row.subject, "reason": asked["reason"]},
            when=_is_open_correction,
            fields=lambda row: {"reason": fields.reason()},
            effect=_correction_effect,
            danger=True,
            done="Refused; nothing was booked.",
        ),
    )
    state_shown = state_column("State", "state")
    maker_shown = person_column("Asked by", "maker")
    checker_shown = person_column("Decided by", "checker")
    asked = instant_column("Asked", "requested_at")
    expires = instant_column("Expires", "expires_at")

    @admin.display(description="What")
    def what(self, row: Approval) -> str:
        return row.action.replace("_", " ")

    @admin.display(description="Of")
    def subject_shown(self, row: Approval) -> Any:
        return subject_link(row.subject)

    def page_title(self, row: Approval) -> str:
        return f"Approval: {self.what(row)}"

    def standing(self, row: Approval) -> Any:
        """Say where it is decided: a run on its own page, where one sees what one approves."""
        if row.state == ApprovalState.REQUESTED and not _is_open_correction(row):
            return display.way_to(row.subject, "Look at it and decide on its own page.")
        return ""

    def status_label(self, row: Approval) -> Any:
        return display.state(row, "state")

    def facts(self, row: Approval) -> list[tuple[str, Any]]:
        return [
            ("Of", subject_link(row.subject)),
            ("Asked by", self.person(row, "maker")),
            ("Asked", display.instant(row.requested_at)),
            ("Decided by", self.person(row, "checker")),
            ("Decided", display.instant(row.decided_at)),
            ("Reason", row.reason),
            ("Used", display.instant(row.used_at)),
            ("Expires", display.instant(row.expires_at)),
            ("Content", display.copyable(row.content_hash, row.content_hash[:12])),
            ("May not decide", ", ".join(why for _who, why in row.barred)),
        ]


# --- events -------------------------------------------------------------------------------------------------------------


def _payload(row: Event, look: Look) -> Table:
    return Table(
        [Column("Name"), Column("Value")],
        [(name, display.plain(value)) for name, value in row.payload.items()],
        empty="The event says no more.",
    )


def _consumers(row: Event, look: Look) -> Table:
    names = EventConsumption.objects.filter(event=row).order_by("pk").values_list("consumer", flat=True)
    return Table([Column("Had by")], [(name,) for name in names], empty="No consumer has had it yet.")


@admin.register(Event)
class EventAdmin(OperatorAdmin):
    list_display = ("type", "subject_shown", "occurred", "delivered", "attempts", "trouble")
    # No filter by type: its choices would be read from every row; the search finds a type.
    list_filter = (("occurred_at", DayRangeFilter),)
    search_by = (lambda term: Q(subject=term), lambda term: Q(type=term))
    search_help_text = "Id of the event or of its subject, or type"
    empty_text = "Events are facts told to others, written with the fact itself."
    panels = (Panel("payload", "What it says", _payload, lazy=False), Panel("consumers", "Consumers", _consumers, lazy=False))
    buttons = (
        Button(
            name="deliver_again",
            label="Deliver again",
            verb=events.deliver_again,
            permission="backoffice.deliver_events",
            arguments=lambda row, asked: {"event_id": row.pk, **asked},
            when=lambda row: row.dead_at is not None,
            fields=lambda row: {"reason": fields.reason("What was mended; kept in the audit trail.")},
            effect=lambda row: [("Event", row.type), ("Last error", row.last_error), ("Given up", display.instant(row.dead_at))],
            explain="The relay tries again within seconds. Consumers that had the event do not get it again.",
            done="The relay tries again.",
        ),
    )
    export_columns = (
        ExportColumn("id", lambda e: e.public_id),
        ExportColumn("type", lambda e: e.type),
        ExportColumn("subject", lambda e: e.subject),
        ExportColumn("occurred_at", lambda e: e.occurred_at),
        ExportColumn("delivered_at", lambda e: e.delivered_at),
    )
    occurred = instant_column("Occurred", "occurred_at")
    delivered = instant_column("Delivered", "delivered_at")

    @admin.display(description="Subject")
    def subject_shown(self, row: Event) -> Any:
        return subject_link(row.subject)

    @admin.display(description="Trouble")
    def trouble(self, row: Event) -> Any:
        if row.dead_at:
            return display.label("given up", "bad")
        return display.label("retrying", "warn") if row.last_error else ""

    def page_title(self, row: Event) -> str:
        return row.type

    def standing(self, row: Event) -> str:
        return row.last_error

    def facts(self, row: Event) -> list[tuple[str, Any]]:
        return [
            ("Subject", subject_link(row.subject)),
            ("Occurred", display.instant(row.occurred_at)),
            ("Delivered", display.instant(row.delivered_at)),
            ("Tries", row.attempts),
            ("Next try", display.instant(row.next_try_at)),
            ("Given up", display.instant(row.dead_at)),
        ]


# --- verdicts of the books ----------------------------------------------------------------------------------------------


def _verdicts(row: BooksCheck, look: Look) -> Table:
    return Table(
        [Column("No."), Column("Truth"), Column("Verdict"), Column("Rows that break it"), Column("Took")],
        [
            (
                one["number"],
                one["sentence"],
                display.label("holds", "good") if one["ok"] else display.label("broken", "bad"),
                one["error"] or "; ".join(", ".join(f"{name}={value}" for name, value in found.items()) for found in one["rows"]),
                display.steady(f"{one['milliseconds']:,} ms"),
            )
            for one in row.verdicts
        ],
    )


@admin.register(BooksCheck)
class BooksCheckAdmin(OperatorAdmin):
    list_display = ("verdict", "checked", "by", "broken", "took")
    actor_fields = ("checked_by",)
    empty_title = "The books were not checked from here yet"
    empty_text = "The hourly check keeps its verdict here; the command check_books says the same."
    panels = (Panel("verdicts", "Truths", _verdicts, lazy=False),)
    list_buttons = (
        Button(
            name="check",
            label="Check the books now",
            verb=operations.check_books_now,
            permission="backoffice.check_books",
            arguments=lambda row, asked: {},
            explain="Runs every truth over the whole ledger in one snapshot. It changes nothing and may take a minute on large books.",
            done=lambda row, kept: "The books are clean." if kept.is_clean else f"{kept.broken} truths are BROKEN.",
            then=lambda row, kept: display.page_of(kept),
        ),
    )
    checked = instant_column("Checked", "checked_at")
    by = person_column("By", "checked_by")

    @admin.display(description="Verdict")
    def verdict(self, row: BooksCheck) -> Any:
        return display.label("clean", "good") if row.is_clean else display.label(f"{row.broken} broken", "bad")

    @admin.display(description="Took")
    def took(self, row: BooksCheck) -> str:
        return f"{row.milliseconds:,} ms"

    def status_label(self, row: BooksCheck) -> Any:
        return self.verdict(row)

    def facts(self, row: BooksCheck) -> list[tuple[str, Any]]:
        return [("Checked", display.instant(row.checked_at)), ("By", self.person(row, "checked_by")), ("Took", self.took(row))]
