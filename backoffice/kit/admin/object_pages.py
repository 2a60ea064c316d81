"""The page of one row: what it is, where it stands, its panels, its timeline, what can be taken from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from backoffice.kit import states
from backoffice.kit.admin import display
from backoffice.kit.admin.buttons import Button
from backoffice.kit.admin.panels import ROWS_SHOWN, Download, Look, Panel, plugged
from backoffice.kit.errors import Refusal
from backoffice.kit.ids import prefix_of

TIMELINE_ROWS = 50
SENTENCE_LETTERS = 40


def is_text(value: Any) -> bool:
    """Return whether a fact is a sentence, which reads better under its name than beside it."""
    return isinstance(value, str) and not isinstance(value, SafeString) and len(value) > SENTENCE_LETTERS


class ObjectPages(ModelAdmin):
    """Show rows; subclasses say what of them."""

    buttons: Sequence[Button] = ()
    panels: Sequence[Panel] = ()
    downloads: Sequence[Download] = ()
    actor_fields: Sequence[str] = ()
    machine: states.StateMachine | None = None
    refresh_while: Sequence[str] = ()

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
            "facts": [(name, value, is_text(value)) for name, value in self.facts(row) if value not in (None, "", display.EMPTY)],
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
            "code": display.coded(change.code),
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

    def _url(self, name: str) -> str:
        return f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{name}"
