"""OperatorAdmin: read-only rows, buttons as data, panels, timelines, exports. Every admin class of money stands on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db import models
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import content_disposition_header, url_has_allowed_host_and_scheme
from unfold.admin import ModelAdmin

from backoffice.kit import clock, states
from backoffice.kit.actors import staff
from backoffice.kit.admin import bulk, display, export
from backoffice.kit.admin.buttons import Button, Outcome, Press
from backoffice.kit.admin.lists import KeysetChangeList
from backoffice.kit.admin.panels import ROWS_SHOWN, Download, Look, Panel, plugged
from backoffice.kit.admin.queues import QueueFilter, queues_of
from backoffice.kit.errors import Refusal
from backoffice.kit.ids import new_id, prefix_of

TIMELINE_ROWS = 50
EXPORT_PERMISSION = "payouts.export_rows"


class OperatorAdmin(ModelAdmin):
    """Rows nobody edits here: what may happen to them is a Button, what belongs to them a Panel."""

    # The list.
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    show_facets = ShowFacets.NEVER
    ordering = ("-id",)
    sortable_by: Sequence[str] = ()
    actions: Sequence[Any] = ()
    actor_fields: Sequence[str] = ()
    search_by: Sequence[Callable[[str], Q]] = ()
    export_columns: Sequence[export.ExportColumn] = ()
    export_permission = EXPORT_PERMISSION
    list_buttons: Sequence[Button] = ()
    list_links: Sequence[tuple[str, str, str]] = ()  # (label, url name, permission)
    empty_title = "Nothing here yet"
    empty_text = "Rows appear when something happens that makes them."
    # The page of one row.
    buttons: Sequence[Button] = ()
    panels: Sequence[Panel] = ()
    downloads: Sequence[Download] = ()
    machine: states.StateMachine | None = None
    refresh_while: Sequence[str] = ()
    change_list_template = "backoffice/list.html"

    # --- permissions: nobody adds, edits or deletes here ---------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- the list ------------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        own = list(super().get_list_filter(request))
        return [QueueFilter, *own] if queues_of(self.model) else own

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        return ("pk",) if self.search_by else ()

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Find by whole id or reference first, each through its index; only then by name. The first way that finds anything wins."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if prefix_of(term) and any(f.name == "public_id" for f in self.opts.fields):
            found = queryset.filter(public_id=term)
            if found.exists():
                return found, False
        for way in self.search_by:
            found = queryset.filter(way(term))
            if found.order_by().exists():
                return found, False
        return queryset.none(), False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            one.name: (bulk.preview_action(one), one.name, one.label)
            for one in self.all_buttons()
            if one.bulk and one.permitted(request.user)
        }

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        query = request.GET.urlencode()
        context = {
            "list_buttons": [
                (one, reverse(self._url("list_button"), args=[one.name]))
                for one in self.list_buttons
                if one.permitted(request.user) and one.legal(None)
            ],
            "list_links": [(label, reverse(name)) for label, name, needs in self.list_links if request.user.has_perm(needs)],
            "export_links": [
                (kind.upper(), f"{reverse(self._url('export'), args=[kind])}?{query}")
                for kind in ("csv", "xlsx")
                if self.export_columns and request.user.has_perm(self.export_permission)
            ],
            "empty_title": self.empty_title,
            "empty_text": self.empty_text,
            "title": self.opts.verbose_name_plural.capitalize(),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """Answer the rows of the list with the filters it is shown with."""
        if not self.has_view_permission(request) or not request.user.has_perm(self.export_permission):
            raise PermissionDenied
        if kind not in ("csv", "xlsx") or not self.export_columns:
            raise Http404
        rows = self.get_changelist_instance(request).queryset
        name = f"{self.opts.model_name}-{clock.now():%Y%m%d-%H%M}"
        try:
            return export.respond(kind, name, self.export_columns, rows, asynchronous=isinstance(request, ASGIRequest))
        except Refusal as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(reverse(self._url("changelist")))

    # --- the page of one row -------------------------------------------------------------------------------------------

    def facts(self, row: Any) -> list[tuple[str, Any]]:
        """Return (name, value) pairs for the side of the page."""
        return []

    def headline(self, row: Any) -> Any:
        """Return the one thing to see first, such as the amount."""
        return ""

    def standing(self, row: Any) -> str:
        """Return a sentence on where this stands and what comes next."""
        return ""

    def status_label(self, row: Any) -> Any:
        if self.machine is not None:
            return display.state(row, self.machine.column)
        return ""

    def page_title(self, row: Any) -> str:
        return str(row)

    def all_buttons(self) -> list[Button]:
        return sorted([*self.buttons, *plugged(self.model).buttons], key=lambda one: (one.danger, one.order))

    def all_panels(self) -> list[Panel]:
        return sorted([*self.panels, *plugged(self.model).panels], key=lambda one: one.order)

    def all_downloads(self) -> list[Download]:
        return [*self.downloads, *plugged(self.model).downloads]

    def decorate(self, rows: list[Any]) -> None:
        """Put onto a list's rows what their columns need, in one query for all of them."""

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self._row(request, object_id)
        if str(row.pk) != object_id:
            return HttpResponseRedirect(reverse(self._url("change"), args=[row.pk]))
        timeline = self._timeline(row)
        actors = [getattr(row, name) for name in self.actor_fields] + [change.actor for change in timeline]
        row.people = display.people(actors)
        shown = [one for one in self.all_panels() if one.shown_to(request.user, row)]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": self.page_title(row),
            "original": row,
            "public_id": getattr(row, "public_id", ""),
            "headline": self.headline(row),
            "status_label": self.status_label(row),
            "standing": self.standing(row),
            "facts": self.facts(row),
            "buttons": [
                (one, reverse(self._url("button"), args=[row.pk, one.name]))
                for one in self.all_buttons()
                if one.permitted(request.user) and one.legal(row)
            ],
            "downloads": [
                (one.label, reverse(self._url("download"), args=[row.pk, one.name]))
                for one in self.all_downloads()
                if one.shown_to(request.user, row)
            ],
            "panels": [
                {"panel": one, "address": reverse(self._url("panel"), args=[row.pk, one.name])}
                | ({} if one.lazy else {"table": one.table(row, Look(request.user))})
                for one in shown
            ],
            "timeline": [self._moment(self.machine, row, change) for change in reversed(timeline)] if self.machine else [],
            "has_timeline": self.machine is not None,
            "refresh_seconds": 3 if self.machine and getattr(row, self.machine.column) in self.refresh_while else 0,
        } | (extra_context or {})
        return TemplateResponse(request, "backoffice/object.html", context)

    def panel_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Answer one panel's table, or its next rows."""
        row = self._row(request, object_id)
        for one in self.all_panels():
            if one.name == name and one.shown_to(request.user, row):
                before = request.GET.get("before", "")
                look = Look(request.user, int(before) if before.isdigit() else None, ROWS_SHOWN)
                context = {
                    "panel": one,
                    "table": one.table(row, look),
                    "address": request.path,
                    "continued": look.before is not None,
                }
                return TemplateResponse(request, "backoffice/panel_table.html", context)
        raise Http404

    def download_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Answer a file of this row, byte for byte."""
        row = self._row(request, object_id)
        for one in self.all_downloads():
            if one.name == name and one.shown_to(request.user, row):
                try:
                    data, media_type, file_name = one.content(row)
                except Refusal as refusal:
                    messages.error(request, str(refusal))
                    return HttpResponseRedirect(reverse(self._url("change"), args=[row.pk]))
                response = HttpResponse(data, content_type=media_type)
                response["Content-Disposition"] = content_disposition_header(True, file_name)
                response["X-Content-Type-Options"] = "nosniff"
                return response
        raise Http404

    def _timeline(self, row: Any) -> list[states.StateChange]:
        if self.machine is None:
            return []
        return list(states.timeline(self.machine, row.pk).order_by("-id")[:TIMELINE_ROWS])[::-1]

    def _moment(self, machine: states.StateMachine, row: Any, change: states.StateChange) -> dict[str, Any]:
        return {
            "state": display.state_of(machine.states, change.to_state),
            "who": row.people.get(change.actor, change.actor),
            "at": display.instant(change.at),
            "reason": change.reason,
            "code": change.code,
        }

    def _row(self, request: HttpRequest, object_id: str) -> Any:
        """Return the row by key or public id; what does not exist and what one may not see answer the same."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request).select_related(*self._page_relations())
        if object_id.isdigit():
            found = rows.filter(pk=int(object_id[:19])).first()
        elif prefix_of(object_id) and any(f.name == "public_id" for f in self.opts.fields):
            found = rows.filter(public_id=object_id).first()
        else:
            found = None
        if found is None:
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return found

    def _page_relations(self) -> list[str]:
        chosen = self.list_select_related
        return list(chosen) if isinstance(chosen, list | tuple) else []

    # --- buttons -------------------------------------------------------------------------------------------------------

    def button_view(self, request: HttpRequest, button: str, object_id: str | None = None) -> HttpResponse:
        """Show what a button will do (GET, changes nothing) and do it (POST with the form's key)."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponse(status=405, headers={"Allow": "GET, POST"})
        row = self._row(request, object_id) if object_id is not None else None
        pool = self.all_buttons() if row is not None else self.list_buttons
        one = next((candidate for candidate in pool if candidate.name == button), None)
        if one is None:
            raise Http404
        if not self.has_view_permission(request) or not one.permitted(request.user):
            raise PermissionDenied
        back = self._back(request, row)
        posted = request.method == "POST"
        if not one.legal(row) and not posted:
            messages.error(request, self._not_legal(one, row))
            return HttpResponseRedirect(back)
        form = one.form(row, request.POST if posted else None, request.FILES if posted else None)
        form.initial = {
            name: request.GET[name] for name in form.fields if name in request.GET and not form.fields[name].widget.is_hidden
        }
        status = 200
        if posted and form.is_valid():
            key = request.POST.get("key", "")
            if prefix_of(key) != "frm":
                form.add_error(None, "This page is out of date. Check it and press the button again.")
                status = 409
            else:
                press = Press(one, row, form.cleaned_data, staff(request.user.pk), key, clock.now(), self._request_id(request))
                outcome = press.run()
                if outcome.secret:
                    return self._reveal(request, one, outcome, back)
                if not outcome.refused:
                    messages.success(request, outcome.sentence)
                    return HttpResponseRedirect(outcome.address or back)
                form.add_error(None, outcome.sentence)
                status = 409
                row = self._row(request, object_id) if object_id is not None else None
        return self._confirm(request, one, row, form, back, status)

    def _confirm(self, request: HttpRequest, one: Button, row: Any, form: Any, back: str, status: int) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": one.label,
            "button": one,
            "row": row,
            "row_name": self.page_title(row) if row is not None else "",
            "public_id": getattr(row, "public_id", ""),
            "effect": one.effect(row) if one.effect else [],
            "form": form,
            "has_file": form.is_multipart(),
            "key": new_id("frm"),
            "back": back,
        }
        return TemplateResponse(request, "backoffice/confirm.html", context, status=status)

    def _reveal(self, request: HttpRequest, one: Button, outcome: Outcome, back: str) -> HttpResponse:
        """Show a secret once, in the answer to the press; nothing keeps it."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": one.label,
            "sentence": outcome.sentence,
            "secret": outcome.secret,
            "back": outcome.address or back,
        }
        response = TemplateResponse(request, "backoffice/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def _not_legal(self, one: Button, row: Any) -> str:
        if row is None or not one.states:
            return f"“{one.label}” is not possible now."
        shown = getattr(row, f"get_{one.state_field}_display")()
        return f"“{one.label}” is not possible: this {self.opts.verbose_name} is {shown}."

    def _back(self, request: HttpRequest, row: Any) -> str:
        came_from = request.POST.get("back") or request.headers.get("Referer", "")
        inside = url_has_allowed_host_and_scheme(came_from, {request.get_host()}, require_https=request.is_secure())
        if inside and "/do/" not in came_from and "/do-many/" not in came_from:
            return came_from
        if row is not None:
            return reverse(self._url("change"), args=[row.pk])
        return reverse(self._url("changelist"))

    def bulk_view(self, request: HttpRequest, button: str) -> HttpResponse:
        """Do what the bulk preview showed: one transaction a row, and a report."""
        one = next((b for b in self.all_buttons() if b.name == button and b.bulk), None)
        if one is None:
            raise Http404
        if not self.has_view_permission(request) or not one.permitted(request.user):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponse(status=405, headers={"Allow": "POST"})
        return bulk.run(self, request, one)

    # --- addresses -----------------------------------------------------------------------------------------------------

    def _url(self, name: str) -> str:
        return f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{name}"

    def _request_id(self, request: HttpRequest) -> str:
        return str(getattr(request, "request_id", ""))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        base = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path("export/<str:kind>/", wrap(self.export_view), name=f"{base}_export"),
            path("do/<str:button>/", wrap(self.button_view), name=f"{base}_list_button"),
            path("do-many/<str:button>/", wrap(self.bulk_view), name=f"{base}_bulk"),
            path("<str:object_id>/do/<str:button>/", wrap(self.button_view), name=f"{base}_button"),
            path("<str:object_id>/download/<str:name>/", wrap(self.download_view), name=f"{base}_download"),
            path("<str:object_id>/panel/<str:name>/", wrap(self.panel_view), name=f"{base}_panel"),
        ]
        return own + super().get_urls()

    def person(self, row: Any, field: str) -> str:
        """Return the name behind an actor column, from the page's or list's one look-up."""
        actor = getattr(row, field)
        return getattr(row, "people", {}).get(actor, actor) or display.EMPTY


def money_column(title: str, amount: str = "amount_minor", currency: str = "currency") -> Callable[[Any, models.Model], Any]:
    """Return a list column that shows money. Name the class attribute *_money: the stylesheet aligns those to the right."""

    def column(self: Any, row: Any) -> Any:
        return display.money(getattr(row, amount), getattr(row, currency))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def state_column(title: str = "Status", field: str = "status") -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return display.state(row, field)

    column.short_description = title  # type: ignore[attr-defined]
    return column


def choice_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    """Return a column with the words of a choice that is no state."""

    def column(self: Any, row: Any) -> Any:
        return getattr(row, f"get_{field}_display")()

    column.short_description = title  # type: ignore[attr-defined]
    return column


def number_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return display.number(getattr(row, field))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def reason_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    """Return a column for sentences: two lines in the list, the whole of it on hovering."""

    def column(self: Any, row: Any) -> Any:
        return display.clamped(getattr(row, field))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def instant_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return display.instant(getattr(row, field))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def day_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return display.day(getattr(row, field))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def link_column(title: str, field: str, shown: Callable[[Any], Any] | None = None) -> Callable[[Any, models.Model], Any]:
    """Return a column that leads to a related row; `shown(related)` says what to call it there."""

    def column(self: Any, row: Any) -> Any:
        related = getattr(row, field)
        return display.link(related, shown(related) if shown and related is not None else None)

    column.short_description = title  # type: ignore[attr-defined]
    return column


def id_column(title: str = "Id") -> Callable[[Any, models.Model], Any]:
    """Return the id column; it is the link to the page, so the copy button stands on the page itself."""

    def column(self: Any, row: Any) -> Any:
        return display.steady(display.short_id(row.public_id))

    column.short_description = title  # type: ignore[attr-defined]
    return column


def person_column(title: str, field: str) -> Callable[[Any, models.Model], Any]:
    def column(self: Any, row: Any) -> Any:
        return self.person(row, field)

    column.short_description = title  # type: ignore[attr-defined]
    return column
