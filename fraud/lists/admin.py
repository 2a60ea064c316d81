"""Screens of the lists: values allowed, blocked and watched."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from backoffice.kit import clock
from backoffice.kit.actors import Actor, staff
from backoffice.kit.admin import (
    Button,
    OperatorAdmin,
    choice_column,
    display,
    fields,
    instant_column,
    person_column,
    queue,
    reason_column,
    state_column,
)
from backoffice.staff import audit
from fraud.lists import operations
from fraud.lists.models import ListedValue, ListKind, ValueKind
from fraud.lists.states import LISTED, ListedState

queue(
    name="list_values",
    title="Allowed values to approve",
    model=ListedValue,
    rows=lambda at: ListedValue.objects.filter(state=ListedState.WAITING),
    age_field="made_at",
    help_text="A colleague wants a value let through whatever the rules say: look again, with other eyes.",
    order=68,
)


def import_file(*, file: Any, actor: Actor, at: Any) -> operations.Imported:
    """Read an uploaded CSV. Refuses: ListedValueInvalid."""
    if file.size > 2_000_000:
        raise operations.ListedValueInvalid(detail="A file has at most 2 MB.")
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise operations.ListedValueInvalid(detail="The file is not in UTF-8.") from None
    return operations.import_values(text=text, actor=actor, at=at)


def _imported(row: Any, done: operations.Imported) -> str:
    lines = "; ".join(f"line {number}: {why}" for number, why in done.refused[:5])
    return f"{done.added} added, {done.known} there before, {len(done.refused)} refused. {lines}"


def _asked(row: Any, asked: dict[str, Any]) -> dict[str, Any]:
    names = ("list", "kind", "value", "absolute", "expires_at", "reason")
    return {name: asked[name] for name in names}


def _effect(row: ListedValue) -> list[tuple[str, Any]]:
    ends = display.instant(row.expires_at)
    return [
        ("List", row.get_list_display()),
        ("Value", f"{row.get_kind_display()} {row.shown}"),
        ("Until", ends),
        ("Why", row.reason),
    ]


@admin.register(ListedValue)
class ListedValueAdmin(OperatorAdmin):
    list_display = ("shown", "list_shown", "kind_shown", "absolute", "state_shown", "why", "owner_shown", "ends", "since")
    list_filter = (("list", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter))
    machine = LISTED
    actor_fields = ("owner", "made_by", "approved_by", "ended_by")
    search_by = (lambda term: Q(value_index__in=[operations.index_of(kind, term) for kind in ValueKind.values]),)
    search_help_text = "Id, or the whole value"
    empty_title = "Nothing is listed"
    empty_text = "A blocked value stops at once; an allowed one needs a second person and an end."
    list_links = tuple(
        (f"Export the {value}", f"admin:fraud_listedvalue_take_out_{value}", "fraud.change_lists") for value in ListKind.values
    )
    list_buttons = (
        Button(
            name="add",
            label="List a value",
            verb=operations.list_value,
            permission="fraud.change_lists",
            arguments=_asked,
            fields=lambda row: {
                "list": fields.choice("List", ListKind.choices),
                "kind": fields.choice("Kind", ValueKind.choices),
                "value": fields.text("Value", "Kept sealed and found by a keyed hash; screens show a part of it."),
                "absolute": fields.switch("Block absolutely", "Only for blocked values: beaten by nothing."),
                "expires_at": fields.at_instant("Until", "Allowed values always end.", required=False),
                "reason": fields.reason(),
            },
            explain="Blocked and watched values count from the next decision on; an allowed one waits for a second person.",
            done="Kept.",
        ),
        Button(
            name="import",
            label="Import",
            verb=import_file,
            permission="fraud.change_lists",
            arguments=lambda row, asked: {"file": asked["file"]},
            fields=lambda row: {"file": fields.upload("CSV", f"Columns {', '.join(operations.COLUMNS)}.")},
            done=_imported,
        ),
    )
    buttons = (
        Button(
            name="approve", label="Approve", verb=operations.approve_listed, permission="fraud.approve_lists",
            arguments=lambda row, asked: {"listed_id": row.pk, "reason": asked["reason"]}, states=(ListedState.WAITING,), state_field="state",
            fields=lambda row: {"reason": fields.reason(required=False)}, effect=_effect, done="In force.",
            explain="From the next decision on, whoever carries this value passes, but for an absolute block.",
        ),
        Button(
            name="refuse", label="Refuse", verb=operations.refuse_listed, permission="fraud.change_lists",
            arguments=lambda row, asked: {"listed_id": row.pk, "reason": asked["reason"]}, states=(ListedState.WAITING,), state_field="state",
            fields=lambda row: {"reason": fields.reason()}, effect=_effect, done="Refused.",
        ),
        Button(
            name="end", label="Take off", verb=operations.end_listed, permission="fraud.change_lists", danger=True,
            arguments=lambda row, asked: {"listed_id": row.pk, "reason": asked["reason"]}, states=(ListedState.ACTIVE,), state_field="state",
            fields=lambda row: {"reason": fields.reason()}, effect=_effect, done="Taken off.",
        ),
    )  # fmt: skip
    list_shown = choice_column("List", "list")
    kind_shown = choice_column("Kind", "kind")
    state_shown = state_column("State", "state")
    why = reason_column("Why", "reason")
    owner_shown = person_column("Owner", "owner")
    ends = instant_column("Until", "expires_at")
    since = instant_column("Since", "made_at")

    def page_title(self, row: ListedValue) -> str:
        return str(row)

    def standing(self, row: ListedValue) -> str:
        return row.reason

    def facts(self, row: ListedValue) -> list[tuple[str, Any]]:
        return [
            *_effect(row)[:3],
            ("Absolute", "yes" if row.absolute else "no"),
            ("Owner", self.person(row, "owner")),
            ("Put there by", self.person(row, "made_by")),
            ("Approved by", self.person(row, "approved_by") if row.approved_by else ""),
        ]

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"take_out/{value}/",
                self.admin_site.admin_view(partial(self.take_out_view, value)),
                name=f"fraud_listedvalue_take_out_{value}",
            )
            for value in ListKind.values
        ]
        return [*own, *super().get_urls()]

    def take_out_view(self, which: str, request: HttpRequest) -> HttpResponse:
        """Answer the values of one list that are in force or wait, opened, as the import takes them; who took them out stands in the audit."""
        if not request.user.has_perm("fraud.change_lists"):
            raise PermissionDenied
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        rows = list(ListedValue.objects.filter(list=which, state__in=[ListedState.ACTIVE, ListedState.WAITING]).order_by("pk"))
        audit.record(staff(request.user.pk), "list.export", which, clock.now(), facts={"values": len(rows)})
        answer = HttpResponse(operations.export_values(rows), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{which}.csv"'
        answer["Cache-Control"] = "no-store"
        return answer
