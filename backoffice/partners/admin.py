"""Screens of partners and their keys."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from backoffice.kit import clock
from backoffice.kit.admin import (
    Button,
    Column,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    fields,
    instant_column,
    link_column,
    person_column,
)
from backoffice.partners import operations
from backoffice.partners.keys import SCOPES
from backoffice.partners.models import ApiKey, Partner


def _keys(partner: Partner, look: Look) -> Table:
    rows = list(partner.keys.order_by("-id")[: look.limit])
    return Table(
        [Column("Key"), Column("Label"), Column("State"), Column("Scopes"), Column("Last used"), Column("Expires")],
        [
            (
                display.link(row, f"{row.prefix}…"),
                row.label,
                key_state(row),
                ", ".join(row.scopes),
                display.instant(row.last_used_at),
                display.instant(row.expires_at),
            )
            for row in rows
        ],
        empty="This partner has no key yet.",
    )


def key_state(key: ApiKey) -> Any:
    if key.revoked_at:
        return display.label("revoked", "bad")
    if key.expires_at and key.expires_at <= clock.now():
        return display.label("expired", "warn")
    return display.label("in use" if key.last_used_at else "not used yet", "good")


def _scopes_field() -> forms.Field:
    return forms.MultipleChoiceField(
        label="Scopes",
        choices=[(scope, f"{scope}: {says}") for scope, says in SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="Give what is needed, no more.",
    )


@admin.register(Partner)
class PartnerAdmin(OperatorAdmin):
    list_display = ("name", "mode", "state", "since")
    list_filter = ("is_active", "livemode")
    search_by = (lambda term: Q(name__icontains=term),)
    search_help_text = "Id or name"
    empty_title = "No partner yet"
    empty_text = "A partner is somebody whose systems call the API; it sees its own sellers only."
    panels = (Panel("keys", "API keys", _keys, permission="backoffice.view_apikey", lazy=False),)
    list_buttons = (
        Button(
            name="open",
            label="Open a partner",
            verb=operations.create_partner,
            permission="backoffice.manage_keys",
            arguments=lambda row, asked: asked,
            fields=lambda row: {
                "name": fields.text("Name", max_length=120),
                "livemode": fields.switch("Live", "Off: sandbox keys only."),
            },
            done=lambda row, partner: f"{partner.name} is open.",
            then=lambda row, partner: display.page_of(partner),
        ),
    )
    buttons = (
        Button(
            name="issue_key",
            label="Issue a key",
            verb=operations.issue_key,
            permission="backoffice.manage_keys",
            arguments=lambda row, asked: {"partner_id": row.pk, **asked},
            when=lambda row: row.is_active,
            fields=lambda row: {
                "label": fields.text("Label", "Which system uses it.", max_length=80),
                "scopes": _scopes_field(),
                "expires_at": fields.at_instant("Expires", "Empty: it lives until it is revoked.", required=False),
            },
            explain="The key is shown once, on the next page.",
            done=lambda row, made: f"The key {made[0].label} is issued.",
            reveal=lambda row, made: made[1],
        ),
        Button(
            name="reopen",
            label="Reopen",
            verb=operations.reopen_partner,
            permission="backoffice.manage_keys",
            arguments=lambda row, asked: {"partner_id": row.pk, "reason": asked["reason"]},
            when=lambda row: not row.is_active,
            fields=lambda row: {"reason": fields.reason()},
            explain="Its living keys work again.",
            done="Reopened.",
        ),
        Button(
            name="close",
            label="Shut out",
            verb=operations.close_partner,
            permission="backoffice.manage_keys",
            arguments=lambda row, asked: {"partner_id": row.pk, "reason": asked["reason"]},
            when=lambda row: row.is_active,
            fields=lambda row: {"reason": fields.reason()},
            explain="Every key of this partner is refused from now on; the keys themselves stay as they are.",
            danger=True,
            done="Shut out.",
        ),
    )
    since = instant_column("Since", "created_at")

    @admin.display(description="Mode")
    def mode(self, row: Partner) -> Any:
        return display.label("live", "bad") if row.livemode else display.label("sandbox", "busy")

    @admin.display(description="State")
    def state(self, row: Partner) -> Any:
        return display.label("open", "good") if row.is_active else display.label("shut out", "bad")

    def status_label(self, row: Partner) -> Any:
        return self.state(row)

    def page_title(self, row: Partner) -> str:
        return row.name

    def facts(self, row: Partner) -> list[tuple[str, Any]]:
        return [("Mode", self.mode(row)), ("Since", display.instant(row.created_at))]


@admin.register(ApiKey)
class ApiKeyAdmin(OperatorAdmin):
    list_display = ("shown", "label", "partner_shown", "state", "scopes_shown", "by", "last_used", "expires")
    list_select_related = ("partner",)
    actor_fields = ("created_by",)
    search_by = (lambda term: Q(prefix=term), lambda term: Q(label__icontains=term))
    search_help_text = "Id, beginning of the key, or label"
    empty_title = "No key was issued yet"
    empty_text = "Keys are issued on a partner's page."
    buttons = (
        Button(
            name="revoke",
            label="Revoke",
            verb=operations.revoke_key,
            permission="backoffice.manage_keys",
            arguments=lambda row, asked: {"key_id": row.pk, "reason": asked["reason"]},
            when=lambda row: row.revoked_at is None,
            fields=lambda row: {"reason": fields.reason()},
            effect=lambda row: [
                ("Key", f"{row.prefix}…"),
                ("Partner", row.partner.name),
                ("Last used", display.instant(row.last_used_at)),
            ],
            explain="The next request with it is refused. It cannot be brought back.",
            danger=True,
            done="Revoked.",
        ),
    )
    partner_shown = link_column("Partner", "partner")
    by = person_column("Issued by", "created_by")
    last_used = instant_column("Last used", "last_used_at")
    expires = instant_column("Expires", "expires_at")

    @admin.display(description="Key")
    def shown(self, row: ApiKey) -> str:
        return f"{row.prefix}…"

    @admin.display(description="State")
    def state(self, row: ApiKey) -> Any:
        return key_state(row)

    @admin.display(description="Scopes")
    def scopes_shown(self, row: ApiKey) -> str:
        return ", ".join(row.scopes)

    def status_label(self, row: ApiKey) -> Any:
        return key_state(row)

    def page_title(self, row: ApiKey) -> str:
        return row.label

    def facts(self, row: ApiKey) -> list[tuple[str, Any]]:
        return [
            ("Begins with", row.prefix),
            ("Partner", display.link(row.partner)),
            ("Scopes", self.scopes_shown(row)),
            ("Issued by", self.person(row, "created_by")),
            ("Issued", display.instant(row.created_at)),
            ("Last used", display.instant(row.last_used_at)),
            ("Expires", display.instant(row.expires_at)),
            ("Revoked", display.instant(row.revoked_at)),
        ]
