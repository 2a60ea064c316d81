"""Screens of staff: the audit trail, people and their roles. Roles themselves are written after every migrate."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q
from django.http import HttpRequest

from backoffice.kit.admin import (
    Column,
    DayRangeFilter,
    ExportColumn,
    Look,
    OperatorAdmin,
    Panel,
    Table,
    display,
    instant_column,
    person_column,
    reason_column,
)
from backoffice.staff.models import AuditEntry


def _facts(row: AuditEntry, look: Look) -> Table:
    return Table(
        [Column("Name"), Column("Value")],
        [(name.replace("_", " "), display.plain(value)) for name, value in row.facts.items()],
        empty="Nothing more was noted.",
    )


@admin.register(AuditEntry)
class AuditEntryAdmin(OperatorAdmin):
    list_display = ("action_shown", "subject_shown", "by", "at_shown", "why")
    list_filter = (("at", DayRangeFilter),)
    actor_fields = ("actor",)
    search_by = (lambda term: Q(subject=term), lambda term: Q(actor=term), lambda term: Q(action=term))
    search_help_text = "Id of the entry or of its subject, actor such as staff:3, or action"
    empty_title = "Nothing privileged was done yet"
    empty_text = "Approvals, holds, payee changes, keys and the like are written here and sealed into a chain."
    panels = (Panel("facts", "What was noted", _facts, lazy=False),)
    export_columns = (
        ExportColumn("id", lambda a: a.public_id),
        ExportColumn("at", lambda a: a.at),
        ExportColumn("actor", lambda a: a.actor),
        ExportColumn("action", lambda a: a.action),
        ExportColumn("subject", lambda a: a.subject),
        ExportColumn("reason", lambda a: a.reason),
        ExportColumn("chain_no", lambda a: a.chain_no),
        ExportColumn("chain_hash", lambda a: a.chain_hash),
    )
    by = person_column("By", "actor")
    why = reason_column("Reason", "reason")
    at_shown = instant_column("At", "at")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("backoffice.view_audit")

    @admin.display(description="Act")
    def action_shown(self, row: AuditEntry) -> str:
        return row.action.replace("_", " ").replace(".", ": ")

    @admin.display(description="Of")
    def subject_shown(self, row: AuditEntry) -> Any:
        return display.way_to(row.subject) if "_" in row.subject and ":" not in row.subject else display.shortened(row.subject)

    @admin.display(description="Sealed")
    def sealed(self, row: AuditEntry) -> str:
        return f"no. {row.chain_no:,}" if row.chain_no else "not yet"

    def page_title(self, row: AuditEntry) -> str:
        return self.action_shown(row)

    def standing(self, row: AuditEntry) -> str:
        return row.reason

    def facts(self, row: AuditEntry) -> list[tuple[str, Any]]:
        return [
            ("By", self.person(row, "actor")),
            ("Of", self.subject_shown(row)),
            ("At", display.instant(row.at)),
            ("Sealed", self.sealed(row)),
            ("Chain hash", display.copyable(row.chain_hash, row.chain_hash[:12])),
        ]


admin.site.unregister(User)
admin.site.unregister(Group)


def _roles_of(row: User, look: Look) -> Table:
    return Table(
        [Column("Role")],
        [(display.link(group),) for group in row.groups.order_by("name")],
        empty="No role: this person may do nothing.",
    )


@admin.register(User)
class StaffAdmin(OperatorAdmin):
    list_display = ("name", "email", "roles_shown", "state", "last_seen")
    list_filter = ("is_active", "groups")
    search_by = (
        lambda term: Q(email__iexact=term),
        lambda term: Q(username__iexact=term),
        lambda term: Q(last_name__istartswith=term),
    )
    search_help_text = "Address or name"
    empty_text = "Staff members are made by the command create_staff."
    panels = (Panel("roles", "Roles", _roles_of, lazy=False),)
    last_seen = instant_column("Last signed in", "last_login")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups").defer("password")

    @admin.display(description="Name")
    def name(self, row: User) -> str:
        return row.get_full_name() or row.get_username()

    @admin.display(description="Roles")
    def roles_shown(self, row: User) -> str:
        return ", ".join(group.name for group in row.groups.all()) or ("everything" if row.is_superuser else "none")

    @admin.display(description="State")
    def state(self, row: User) -> Any:
        return display.label("active", "good") if row.is_active else display.label("shut out", "bad")

    def status_label(self, row: User) -> Any:
        return self.state(row)

    def page_title(self, row: User) -> str:
        return self.name(row)

    def facts(self, row: User) -> list[tuple[str, Any]]:
        return [
            ("Address", row.email),
            ("Roles", self.roles_shown(row)),
            ("Actor", f"staff:{row.pk}"),
            ("Joined", display.instant(row.date_joined)),
            ("Last signed in", display.instant(row.last_login)),
        ]


def _permissions(row: Group, look: Look) -> Table:
    found = row.permissions.select_related("content_type").order_by("content_type__app_label", "codename")
    return Table(
        [Column("May"), Column("Code")], [(_words(one), f"{one.content_type.app_label}.{one.codename}") for one in found]
    )


def _words(permission: Permission) -> str:
    """Return what a permission allows; Django's own names for seeing a kind of row run its words together ("Can view apikey")."""
    model = permission.content_type.model_class()
    verb = next(
        (
            verb
            for verb in ("view", "add", "change", "delete")
            if permission.codename == f"{verb}_{permission.content_type.model}"
        ),
        "",
    )
    return (
        f"{verb} {model._meta.verbose_name_plural}"
        if verb and model
        else permission.name.removeprefix("can ").removeprefix("Can ")
    )


def _members(row: Group, look: Look) -> Table:
    rows, older = look.slice_of(row.user_set.all())
    return Table(
        [Column("Member")],
        [(display.link(user, user.get_full_name() or user.get_username()),) for user in rows],
        empty="Nobody has this role.",
        older=older,
    )


@admin.register(Group)
class RoleAdmin(OperatorAdmin):
    list_display = ("name",)
    empty_text = "Roles are written by migrations."
    panels = (
        Panel("members", "Members", _members, permission="auth.view_user", lazy=False),
        Panel("permissions", "May", _permissions, lazy=False),
    )

    def page_title(self, row: Group) -> str:
        return f"Role {row.name}"
