"""Screens of webhooks to partners: endpoints with their health, deliveries with every attempt."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from backoffice.kit import clock
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
    link_column,
    number_column,
    plug,
    queue,
    state_column,
)
from backoffice.kit.outbox import Event
from backoffice.partners.models import Partner
from backoffice.partners.outgoing import endpoints, operations, replaying
from backoffice.partners.outgoing.models import WebhookDelivery, WebhookEndpoint
from backoffice.partners.outgoing.states import DELIVERY, DISABLED, ENDED, ENDPOINT, LIVE, DeliveryStatus, EndpointStatus

FAILED_SHOWN = timedelta(days=30)
_TYPES_HELP = "One a line, such as payout.paid or payout.*; empty means all."


def failing_endpoints(at: datetime) -> QuerySet[WebhookEndpoint]:
    unwell = [EndpointStatus.DEGRADED, EndpointStatus.DISABLED_AUTO, EndpointStatus.DISABLED_GONE]
    return WebhookEndpoint.objects.filter(status__in=unwell)


def failed_deliveries(at: datetime) -> QuerySet[WebhookDelivery]:
    rows = WebhookDelivery.objects.filter(status=DeliveryStatus.FAILED, endpoint__status__in=LIVE)
    return rows.filter(ended_at__gt=at - FAILED_SHOWN)


queue(
    name="endpoints_failing",
    title="Webhook endpoints failing",
    model=WebhookEndpoint,
    rows=failing_endpoints,
    age_field="failing_since",
    help_text="These partners' servers refuse what we send. Tell the partner; once it is mended, enable and send what was missed.",
    order=80,
)
queue(
    name="deliveries_failed",
    title="Webhook deliveries given up",
    model=WebhookDelivery,
    rows=failed_deliveries,
    age_field="ended_at",
    help_text="Every attempt of three days failed, but the endpoint lives. Read the answers, then send again.",
    order=81,
)


def _deliveries_table(rows: list[WebhookDelivery], older: int | None, empty: str) -> Table:
    return Table(
        [
            Column("Delivery"),
            Column("Event"),
            Column("Endpoint"),
            Column("State"),
            Column("Tries"),
            Column("Last"),
            Column("Ended"),
        ],
        [
            (
                display.link(row, display.short_id(row.public_id)),
                display.link(row.event, row.event.type),
                display.link(row.endpoint, endpoints.host_of(row.endpoint.url)),
                display.state(row, "status"),
                str(row.tries),
                row.last_code.replace("_", " "),
                display.instant(row.ended_at),
            )
            for row in rows
        ],
        empty=empty,
        older=older,
    )


def _of_endpoint(endpoint: WebhookEndpoint, look: Look) -> Table:
    rows = endpoint.deliveries.select_related("event", "endpoint")
    return _deliveries_table(*look.slice_of(rows), empty="Nothing was to be sent yet.")


def _of_event(event: Event, look: Look) -> Table:
    rows = WebhookDelivery.objects.filter(event=event).select_related("event", "endpoint")
    return _deliveries_table(*look.slice_of(rows), empty="No endpoint is told of this event.")


def _of_partner(partner: Partner, look: Look) -> Table:
    rows, older = look.slice_of(WebhookEndpoint.objects.filter(partner=partner))
    return Table(
        [Column("Endpoint"), Column("State"), Column("Events"), Column("Last delivered"), Column("Failing since")],
        [
            (
                display.link(row, endpoints.host_of(row.url)),
                display.state(row, "status"),
                ", ".join(row.event_types) or "all",
                display.instant(row.last_success_at),
                display.instant(row.failing_since),
            )
            for row in rows
        ],
        empty="This partner has no webhook endpoint.",
        older=older,
    )


def _attempts(delivery: WebhookDelivery, look: Look) -> Table:
    rows, older = look.slice_of(delivery.attempts.all())
    return Table(
        [Column("Attempt"), Column("Sent"), Column("Took"), Column("Status"), Column("What came of it"), Column("Answer")],
        [
            (
                str(row.number),
                display.instant(row.started_at),
                f"{row.ms:,} ms",
                str(row.http_status or display.EMPTY),
                display.label(row.code.replace("_", " "), "good" if row.code == "delivered" else "bad"),
                display.clamped(row.answer),
            )
            for row in rows
        ],
        empty="Nothing was sent yet.",
        older=older,
    )


def _types(text: str) -> list[str]:
    return [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()]


def _opened(partner: Partner, asked: dict[str, Any]) -> dict[str, Any]:
    return {"partner_id": partner.pk, **asked, "event_types": _types(asked["event_types"])}


def _changed(row: WebhookEndpoint, asked: dict[str, Any]) -> dict[str, Any]:
    return {"endpoint_id": row.pk, **asked, "event_types": _types(asked["event_types"])}


def _form(row: WebhookEndpoint | None) -> dict[str, Any]:
    types = "\n".join(row.event_types) if row else ""
    return {
        "url": fields.text("URL", "It begins with https://.", max_length=endpoints.URL_MAX, initial=row.url if row else ""),
        "description": fields.text("What it is for", required=False, max_length=120, initial=row.description if row else ""),
        "event_types": fields.long_text("Events", _TYPES_HELP, required=False, initial=types),
    }


OPEN = Button(
    name="open_endpoint",
    label="Open a webhook endpoint",
    verb=operations.create_endpoint,
    permission="backoffice.manage_endpoints",
    arguments=_opened,
    when=lambda row: row.is_active,
    fields=lambda row: _form(None),
    explain="Its secret is shown once, on the next page; the partner can read it by its API key as well.",
    done=lambda row, made: f"The endpoint at {endpoints.host_of(made.url)} is open.",
    reveal=lambda row, made: made.secret,
    order=60,
)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(OperatorAdmin):
    list_display = ("shown", "partner_shown", "state_shown", "events_shown", "last", "failing")
    list_filter = (("status", ChoicesDropdownFilter), ("partner", RelatedDropdownFilter))
    list_select_related = ("partner",)
    machine = ENDPOINT
    actor_fields = ("created_by",)
    search_by = (lambda term: Q(url__icontains=term), lambda term: Q(partner__name__icontains=term))
    search_help_text = "Id, address or partner"
    empty_title = "No webhook endpoint yet"
    empty_text = "Partners open them by API, or somebody here does on the partner's page."
    panels = (Panel("deliveries", "Deliveries", _of_endpoint, permission="backoffice.view_webhookdelivery"),)
    buttons = (
        Button(
            name="enable",
            label="Enable",
            verb=operations.enable_endpoint,
            permission="backoffice.manage_endpoints",
            arguments=lambda row, asked: {"endpoint_id": row.pk, **asked},
            states=(*DISABLED, EndpointStatus.DEGRADED),
            fields=lambda row: {"reason": fields.reason()},
            explain="It is told of what happens from now on. What it missed is sent with Send what was missed.",
            done="Enabled.",
            order=10,
        ),
        Button(
            name="resend",
            label="Send what was missed",
            verb=operations.resend_missed,
            permission="backoffice.replay_deliveries",
            arguments=lambda row, asked: {"endpoint_id": row.pk, **asked},
            states=LIVE,
            fields=lambda row: {
                "since": fields.at_instant("Events since", "At most 90 days ago."),
                "until": fields.at_instant("Until", "Empty: until now.", required=False),
                "reason": fields.reason(),
            },
            explain=f"Given up, skipped, and never opened; at most {replaying.MISSED_MAX:,} of each at a time.",
            done=lambda row, count: f"{count:,} deliveries are on their way." if count else "Nothing was missed.",
            order=20,
        ),
        Button(
            name="ping",
            label="Send a test event",
            verb=operations.ping_endpoint,
            permission="backoffice.replay_deliveries",
            arguments=lambda row, asked: {"endpoint_id": row.pk},
            states=LIVE,
            explain="An event of the type webhook_endpoint.ping, to this endpoint alone.",
            done="It is sent within seconds.",
            order=30,
        ),
        Button(
            name="change",
            label="Change",
            verb=operations.change_endpoint,
            permission="backoffice.manage_endpoints",
            arguments=_changed,
            fields=_form,
            done="Changed.",
            order=40,
        ),
        Button(
            name="rotate",
            label="New secret",
            verb=operations.rotate_secret,
            permission="backoffice.manage_endpoints",
            arguments=lambda row, asked: {"endpoint_id": row.pk, **asked},
            fields=lambda row: {
                "overlap_hours": fields.number(
                    "Hours", "How long the old one signs as well; 0 where it leaked.", high=endpoints.OVERLAP_HOURS_MAX
                )
            },
            explain="The new secret is shown once, on the next page.",
            done="The next delivery is signed with the new secret.",
            reveal=lambda row, made: made.secret,
            order=50,
        ),
        Button(
            name="disable",
            label="Disable",
            verb=operations.disable_endpoint,
            permission="backoffice.manage_endpoints",
            arguments=lambda row, asked: {"endpoint_id": row.pk, **asked},
            states=(*LIVE, EndpointStatus.DISABLED_AUTO, EndpointStatus.DISABLED_GONE),
            fields=lambda row: {"reason": fields.reason()},
            explain="Nothing more is sent to it; what waits is skipped. It leaves the desk's queue.",
            danger=True,
            done="Disabled.",
            order=60,
        ),
    )
    partner_shown = link_column("Partner", "partner")
    state_shown = state_column("State")
    last = instant_column("Last delivered", "last_success_at")
    failing = instant_column("Failing since", "failing_since")

    @admin.display(description="Endpoint")
    def shown(self, row: WebhookEndpoint) -> str:
        return row.description or endpoints.host_of(row.url)

    @admin.display(description="Events")
    def events_shown(self, row: WebhookEndpoint) -> Any:
        return display.clamped(", ".join(row.event_types) or "all")

    def page_title(self, row: WebhookEndpoint) -> str:
        return row.description or endpoints.host_of(row.url)

    def standing(self, row: WebhookEndpoint) -> str:
        if row.status == EndpointStatus.ENABLED or row.failing_since is None:
            return row.url
        since = display.age(row.failing_since, clock.now())
        return f"{row.failures_in_row} attempts in a row failed, over {since}: {row.url}"

    def facts(self, row: WebhookEndpoint) -> list[tuple[str, Any]]:
        return [
            ("URL", display.copyable(row.url, endpoints.host_of(row.url)[-28:])),
            ("Partner", display.link(row.partner)),
            ("Events", ", ".join(row.event_types) or "all"),
            ("Old secret signs until", display.instant(row.previous_until) if row.previous_until else ""),
            ("Last delivered", display.instant(row.last_success_at)),
            ("Failing since", display.instant(row.failing_since)),
            ("Tried again", display.instant(row.paused_until) if row.status == EndpointStatus.DEGRADED else ""),
            ("Opened", display.instant(row.created_at)),
            ("Opened by", self.person(row, "created_by")),
        ]


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(OperatorAdmin):
    list_display = ("shown", "event_shown", "endpoint_shown", "state_shown", "tries_shown", "last_shown", "created", "ended")
    list_filter = (("status", ChoicesDropdownFilter), ("endpoint", RelatedDropdownFilter), ("created_at", DayRangeFilter))
    list_select_related = ("event", "endpoint")
    machine = DELIVERY
    refresh_while = (DeliveryStatus.SENDING,)
    search_by = (lambda term: Q(event__public_id=term), lambda term: Q(event__subject=term))
    search_help_text = "Id of the delivery, its event, or what the event is about"
    empty_title = "Nothing was to be sent yet"
    empty_text = "Each event of a partner with an endpoint that wants it becomes a delivery."
    panels = (Panel("attempts", "Attempts", _attempts, lazy=False),)
    buttons = (
        Button(
            name="replay",
            label="Send again",
            verb=operations.replay_delivery,
            permission="backoffice.replay_deliveries",
            arguments=lambda row, asked: {"delivery_id": row.pk, **asked},
            states=ENDED,
            fields=lambda row: {"reason": fields.reason()},
            effect=lambda row: [
                ("Event", row.event.type),
                ("To", endpoints.host_of(row.endpoint.url)),
                ("State", display.state(row, "status")),
                ("Effect", "the same message with the same id, from the beginning of the schedule"),
            ],
            bulk=True,
            done="It is sent within seconds.",
            order=10,
        ),
    )
    export_columns = (
        ExportColumn("delivery", lambda d: d.public_id),
        ExportColumn("event", lambda d: d.event.public_id),
        ExportColumn("type", lambda d: d.event.type),
        ExportColumn("endpoint", lambda d: d.endpoint.public_id),
        ExportColumn("state", lambda d: d.get_status_display()),
        ExportColumn("tries", lambda d: d.tries),
        ExportColumn("last", lambda d: d.last_code),
        ExportColumn("ended_at", lambda d: d.ended_at),
    )
    state_shown = state_column("State")
    tries_shown = number_column("Tries", "tries")
    created = instant_column("Created", "created_at")
    ended = instant_column("Ended", "ended_at")
    event_shown = link_column("Event", "event", lambda event: event.type)
    endpoint_shown = link_column("Endpoint", "endpoint", lambda endpoint: endpoints.host_of(endpoint.url))

    @admin.display(description="Delivery")
    def shown(self, row: WebhookDelivery) -> Any:
        return display.steady(display.short_id(row.public_id))

    @admin.display(description="Last")
    def last_shown(self, row: WebhookDelivery) -> str:
        return row.last_code.replace("_", " ")

    def page_title(self, row: WebhookDelivery) -> str:
        return row.event.type

    def standing(self, row: WebhookDelivery) -> str:
        return (
            f"Given up after {row.tries} tries: {row.last_code.replace('_', ' ')}" if row.status == DeliveryStatus.FAILED else ""
        )

    def facts(self, row: WebhookDelivery) -> list[tuple[str, Any]]:
        return [
            ("Event", display.link(row.event, display.short_id(row.event.public_id))),
            ("About", display.plain(row.event.subject)),
            ("Number among its events", str(row.sequence)),
            ("Endpoint", display.link(row.endpoint, endpoints.host_of(row.endpoint.url))),
            ("Tries", str(row.tries)),
            ("Next attempt", display.instant(row.next_attempt_at) if row.status == DeliveryStatus.PENDING else ""),
            ("Ended", display.instant(row.ended_at)),
            ("Sent again", str(row.replays) if row.replays else ""),
        ]


plug(Partner, Panel("webhooks", "Webhook endpoints", _of_partner, permission="backoffice.view_webhookendpoint", lazy=False), OPEN)
plug(Event, Panel("deliveries", "Told to partners", _of_event, permission="backoffice.view_webhookdelivery"))
