"""Bulk buttons: a preview of what would move and what is blocked, then one transaction a row and a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.admin import display
from backoffice.kit.admin.buttons import Button, Press
from backoffice.kit.ids import new_id, prefix_of

# One transaction a row in one request: beyond this a job is the better tool, and a person has not looked at the rows.
ROWS_MAX = 500


def preview_action(one: Button) -> Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]:
    """Return the list's action: it shows, and does nothing."""

    def action(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        if not one.permitted(request.user):
            messages.error(request, "You may not do this.")
            return None
        rows = list(queryset[: ROWS_MAX + 1])
        if len(rows) > ROWS_MAX:
            messages.error(request, f"These are more than {ROWS_MAX} rows. Narrow the filter and do them in parts.")
            return None
        return preview(model_admin, request, one, rows)

    action.__name__ = one.name
    return action


def preview(model_admin: Any, request: HttpRequest, one: Button, rows: list[Any], form: Any = None) -> HttpResponse:
    legal = [row for row in rows if one.legal(row)]
    blocked = [row for row in rows if not one.legal(row)]
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": one.label,
        "button": one,
        "rows": [(row, display.link(row), display.state(row, one.state_field), _amount(row)) for row in legal],
        "blocked": [(display.link(row), model_admin._not_legal(one, row)) for row in blocked],
        "sums": display.totals(_sums(legal)),
        "form": form or one.form(legal[0] if legal else None),
        "key": new_id("frm"),
        "back": request.get_full_path() if "/do-many/" not in request.path else reverse(model_admin._url("changelist")),
        "action": reverse(model_admin._url("bulk"), args=[one.name]),
    }
    return TemplateResponse(request, "backoffice/bulk.html", context)


def run(model_admin: Any, request: HttpRequest, one: Button) -> HttpResponse:
    """Press the button once per row; each row stands or falls alone."""
    ids = [int(text) for text in request.POST.getlist("ids") if text.isdigit()][:ROWS_MAX]
    rows = list(model_admin.get_queryset(request).filter(pk__in=ids).order_by("pk"))
    form = one.form(rows[0] if rows else None, request.POST)
    key = request.POST.get("key", "")
    if not form.is_valid() or prefix_of(key) != "frm" or not rows:
        if not rows:
            messages.error(request, "Nothing was selected.")
            return HttpResponseRedirect(reverse(model_admin._url("changelist")))
        return preview(model_admin, request, one, rows, form)
    at, actor = clock.now(), staff(request.user.pk)
    results = []
    for row in rows:
        press = Press(one, row, dict(form.cleaned_data), actor, f"{key}:{row.pk}", at, model_admin._request_id(request))
        results.append((display.link(row), press.run()))
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"{one.label}: what happened",
        "done": sum(not outcome.refused for _, outcome in results),
        "refused": [(shown, outcome.sentence) for shown, outcome in results if outcome.refused],
        "results": results,
        "back": model_admin._back(request, None),
    }
    return TemplateResponse(request, "backoffice/bulk_done.html", context)


def _sums(rows: list[Any]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        if hasattr(row, "amount_minor") and row.currency:
            sums[row.currency] = sums.get(row.currency, 0) + row.amount_minor
    return sums


def _amount(row: Any) -> Any:
    return display.money(row.amount_minor, row.currency) if hasattr(row, "amount_minor") and row.currency else ""
