"""Screens of inbound events: what came, what became of it, and the way to have it processed again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter

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
    number_column,
    plug,
    queue,
    reason_column,
    state_column,
    value_filter,
)
from billing.disputes.models import Dispute
from billing.webhooks import operations
from billing.webhooks.models import HealerMark, InboundEvent, RefusedNotice
from billing.webhooks.states import DONE, NOTICE, NoticeState


def dead_events(at: datetime) -> QuerySet[InboundEvent]:
    return InboundEvent.objects.filter(state=NoticeState.DEAD)


queue(
    name="inbound_dead",
    title="Inbound events dead",
    model=InboundEvent,
    rows=dead_events,
    age_field="ended_at",
    help_text="These could not be applied. Read why, put it right, and have them processed again; nothing else waits for them.",
    tone="bad",
    order=35,
)


def _table(rows: list[InboundEvent], older: int | None, empty: str) -> Table:
    return Table(
        [Column("Event"), Column("State"), Column("Happened"), Column("Received"), Column("Why")],
        [
            (
                display.link(row, row.type),
                display.state(row, "state"),
                display.instant(row.occurred_at),
                display.instant(row.received_at),
                display.clamped(row.last_error or row.code),
            )
            for row in rows
        ],
        empty=empty,
        older=older,
    )


def _siblings(event: InboundEvent, look: Look) -> Table:
    rows = InboundEvent.objects.filter(object_ref=event.object_ref).exclude(pk=event.pk).defer("raw")
    return _table(*look.slice_of(rows), empty="No other event is about this object.")


def _of_dispute(dispute: Dispute, look: Look) -> Table:
    refs = [ref for ref in (dispute.provider_ref, dispute.warning_ref) if ref]
    rows = InboundEvent.objects.filter(provider=dispute.provider, object_ref__in=refs).defer("raw")
    return _table(*look.slice_of(rows), empty="No event has come about this dispute.")


def _effect(row: InboundEvent) -> list[tuple[str, Any]]:
    return [
        ("Event", row.type),
        ("About", row.object_ref),
        ("State", display.state(row, "state")),
        ("Last time", row.last_error or row.code),
        ("Effect", "the object is looked at again; what is booked already is not booked twice"),
    ]


KindFilter = value_filter(
    "kind",
    "kind",
    lambda: [(one, one.replace("_", " ")) for one in ("payment", "refund", "dispute", "early_fraud_warning", "payout")],
)


@admin.register(InboundEvent)
class InboundEventAdmin(OperatorAdmin):
    list_display = ("type_shown", "state_shown", "object_shown", "received", "tries_shown", "why")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        KindFilter,
        ("source", ChoicesDropdownFilter),
        ("received_at", DayRangeFilter),
    )
    machine = NOTICE
    refresh_while = (NoticeState.RECEIVED, NoticeState.PROCESSING)
    search_by = (lambda term: Q(event_ref=term), lambda term: Q(object_ref=term))
    search_help_text = "Id, the provider's id of the event or its object"
    empty_title = "Nothing has come in yet"
    empty_text = "The provider sends its events to /webhooks/stripe/ once the endpoint's secret is set."
    list_links = (
        ("Refused at the door", "admin:billing_refusednotice_changelist", "billing.view_refusednotice"),
        ("Found by the healer", "admin:billing_healermark_changelist", "billing.view_healermark"),
    )
    panels = (Panel("siblings", "Others about this object", _siblings, lazy=False),)
    buttons = (
        Button(
            name="replay",
            label="Process again",
            verb=operations.replay_event,
            permission="billing.replay_events",
            arguments=lambda row, asked: {"event_id": row.pk, **asked},
            states=(*DONE, NoticeState.DEAD),
            state_field="state",
            fields=lambda row: {"reason": fields.reason()},
            effect=_effect,
            bulk=True,
            done="It is processed again within seconds.",
            order=10,
        ),
        Button(
            name="open",
            label="Open the body",
            verb=operations.open_body,
            permission="billing.open_event_bodies",
            arguments=lambda row, asked: {"event_id": row.pk, **asked},
            when=lambda row: bool(row.raw),
            fields=lambda row: {"reason": fields.reason("It names people: that you looked stands in the audit trail.")},
            effect=lambda row: [("Event", row.type), ("Came", display.instant(row.received_at))],
            done="Opened.",
            reveal=lambda row, body: body,
            order=20,
        ),
    )
    export_columns = (
        ExportColumn("event", lambda e: e.event_ref),
        ExportColumn("type", lambda e: e.type),
        ExportColumn("object", lambda e: e.object_ref),
        ExportColumn("state", lambda e: e.get_state_display()),
        ExportColumn("code", lambda e: e.code),
        ExportColumn("occurred_at", lambda e: e.occurred_at),
        ExportColumn("received_at", lambda e: e.received_at),
    )
    state_shown = state_column("State", "state")
    received = instant_column("Received", "received_at")
    tries_shown = number_column("Tries", "tries")
    why = reason_column("Why", "last_error")

    @admin.display(description="Event")
    def type_shown(self, row: InboundEvent) -> str:
        return row.type

    @admin.display(description="About")
    def object_shown(self, row: InboundEvent) -> Any:
        return display.shortened(row.object_ref)

    def get_queryset(self, request: Any) -> QuerySet[InboundEvent]:
        rows = super().get_queryset(request)
        # a list of fifty needs no bodies; a page asks for its own
        return rows.defer("raw") if request.resolver_match and request.resolver_match.url_name.endswith("_changelist") else rows

    def page_title(self, row: InboundEvent) -> str:
        return row.type

    def standing(self, row: InboundEvent) -> str:
        if row.state == NoticeState.DEAD:
            return f"Given up after {row.tries} tries: {row.last_error or row.code}"
        return row.last_error

    def facts(self, row: InboundEvent) -> list[tuple[str, Any]]:
        return [
            ("About", display.copyable(row.object_ref, row.object_ref)),
            ("The provider's event", display.copyable(row.event_ref, row.event_ref)),
            ("Account", row.account),
            ("Live", "yes" if row.livemode else "no"),
            ("Shape of the API", row.api_version),
            ("Came", row.get_source_display()),
            ("Happened", display.instant(row.occurred_at)),
            ("Received", display.instant(row.received_at)),
            ("Ended", display.instant(row.ended_at)),
            ("Next try", display.instant(row.next_try_at) if row.state == NoticeState.RETRY else ""),
            ("Tries", str(row.tries)),
            ("Processed again", str(row.replays) if row.replays else ""),
            ("Code", row.code),
        ]


@admin.register(RefusedNotice)
class RefusedNoticeAdmin(OperatorAdmin):
    list_display = ("on_shown", "provider", "code", "count_shown", "last")
    empty_title = "Nothing was refused"
    empty_text = "Bodies that no live secret signed at about the right time are counted here, and not kept."
    count_shown = number_column("How many", "count")
    last = instant_column("Last", "last_at")

    @admin.display(description="Day")
    def on_shown(self, row: RefusedNotice) -> Any:
        return display.day(row.on)


@admin.register(HealerMark)
class HealerMarkAdmin(OperatorAdmin):
    list_display = ("provider", "until", "read", "found_shown")
    empty_title = "The healer has not run yet"
    empty_text = "Each hour it reads the provider's own list of events and takes in what never came."
    until = instant_column("Read until", "read_until")
    read = instant_column("Last run", "read_at")
    found_shown = number_column("Found missing", "found")


plug(Dispute, Panel("events", "Events", _of_dispute, permission="billing.view_inboundevent", order=60))
