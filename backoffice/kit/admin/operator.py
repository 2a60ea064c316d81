"""OperatorAdmin: read-only rows, buttons as data, panels, timelines, exports. Every admin class of money stands on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from backoffice.kit import clock, trail
from backoffice.kit.actors import staff
from backoffice.kit.admin import bulk, display, export
from backoffice.kit.admin.lists import KeysetChangeList
from backoffice.kit.admin.pressing import Pressing
from backoffice.kit.admin.queues import QueueFilter, queues_of
from backoffice.kit.errors import Refusal
from backoffice.kit.ids import prefix_of

EXPORT_PERMISSION = "payouts.export_rows"


class OperatorAdmin(Pressing):
    """Rows nobody edits here: what may happen to them is a Button, what belongs to them a Panel."""

    # The list.
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    show_facets = ShowFacets.NEVER
    ordering = ("-id",)
    sortable_by: Sequence[str] = ()
    actions: Sequence[Any] = ()
    search_by: Sequence[Callable[[str], Q]] = ()
    export_columns: Sequence[export.ExportColumn] = ()
    export_permission = EXPORT_PERMISSION
    list_links: Sequence[tuple[str, str, str]] = ()  # (label, url name, permission)
    wide_only: Sequence[str] = ()  # columns left out on narrow screens; they stand on the row's page
    empty_title = "Nothing here yet"
    empty_text = "Nothing has happened yet that would make a row here."
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
            answer = export.respond(kind, name, self.export_columns, rows, asynchronous=isinstance(request, ASGIRequest))
        except Refusal as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(reverse(self._url("changelist")))
        # What was searched for may be a name, which no audit entry holds: only that something was.
        said = {key: ", ".join(values) for key, values in request.GET.lists() if key != "q"} | (
            {"q": "…"} if request.GET.get("q") else {}
        )
        facts = {"list": self.opts.model_name, "format": kind, "filter": said, "rows": rows.order_by().count()}
        trail.record(staff(request.user.pk), "export", f"{self.opts.app_label}.{self.opts.model_name}", clock.now(), facts)
        return answer

    # --- addresses -----------------------------------------------------------------------------------------------------

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
