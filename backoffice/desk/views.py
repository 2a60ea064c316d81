"""The desk as home page, the search box, and the way from an id to its page."""

from __future__ import annotations

import json
import time
import zoneinfo
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backoffice.desk import queries, search
from backoffice.kit import clock
from backoffice.kit.admin import display, fields
from backoffice.kit.money import Money
from billing.gateways.registry import charges_are_pretended

UNKNOWN_ID = "There is nothing with this id, or nothing you may see."


def desk_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the home page: queues, figures, runs under way; the chart comes after it."""
    at = clock.now()
    user = request.user
    lines = queries.queue_lines(user, at)
    waits = [line for line in lines if line.count or line.always_help]
    context |= {"title": "Desk", "queues": lines, "waits": waits, "quiet": [line for line in lines if line not in waits]}
    context["pretended"] = user.has_perm("billing.view_payment") and charges_are_pretended()
    if user.has_perm("payouts.view_account"):
        context["owed"] = queries.owed_to_sellers()
    if user.has_perm("payouts.view_payout"):
        context["moving"] = [queries.in_flight(), queries.paid_this_week(at)]
        context["runs"] = queries.moving_runs()
    if user.has_perm("payouts.view_entry"):
        currency = request.GET.get("currency", "")
        context["chart_url"] = f"{reverse('chart')}?{urlencode({'currency': currency})}" if currency else reverse("chart")
    return context


@require_GET
def chart(request: HttpRequest) -> HttpResponse:
    """Answer the desk's chart, which the page fetches once it stands."""
    if not request.user.has_perm("payouts.view_entry"):
        raise PermissionDenied
    return render(request, "backoffice/chart.html", _chart(request, clock.now()))


def _chart(request: HttpRequest, at: Any) -> dict[str, Any]:
    """Return the chart of one currency and the same figures as a table; currencies never share an axis."""
    offered = queries.currencies()
    if not offered:
        return {}
    asked = request.GET.get("currency", "")
    currency = asked if asked in offered else offered[0]
    days = queries.money_by_day(currency, at)
    series = [
        {
            "label": "In from buyers",
            "data": [Money(came, currency).decimal() for _, came, _ in days],
            "backgroundColor": "var(--color-primary-600)",
        },
        {
            "label": "Out to sellers",
            "data": [Money(went, currency).decimal() for _, _, went in days],
            "backgroundColor": "var(--color-base-400)",
        },
    ]
    return {
        "chart": json.dumps({"labels": [f"{day.day} {day:%b}" for day, _, _ in days], "datasets": series}),
        "chart_options": json.dumps(
            {
                "maintainAspectRatio": False,
                "animation": False,
                "plugins": {"legend": {"display": True, "align": "end", "labels": {"boxWidth": 10, "boxHeight": 10}}},
                "scales": {"y": {"beginAtZero": True, "ticks": {"maxTicksLimit": 6}}, "x": {"grid": {"display": False}}},
            }
        ),
        "chart_currency": currency,
        "chart_currencies": offered if len(offered) > 1 else [],
        "chart_rows": [
            (display.day(day), display.money(came, currency), display.money(went, currency)) for day, came, went in reversed(days)
        ],
    }


@require_GET
def go(request: HttpRequest, public_id: str) -> HttpResponse:
    """Lead from an id to its page; what does not exist and what one may not see answer the same."""
    row = search.by_public_id(request.user, public_id.strip().lower())
    address = display.page_of(row) if row is not None else None
    if address is None:
        raise Http404(UNKNOWN_ID)
    return HttpResponseRedirect(address)


@require_POST
def find(request: HttpRequest) -> HttpResponse:
    """Answer the search box. By POST, so that account numbers and names stay out of addresses and access logs."""
    started = time.monotonic()
    results = search.find_anything(request, "")
    page = Paginator(results, search.FOUND_MAX)
    context = {
        "page_obj": page,
        "results": page.page(1),
        "page_counter": 0,
        "execution_time": time.monotonic() - started,
        "command_show_history": False,
    }
    response = render(request, "unfold/helpers/command_results.html", context)
    response["HX-Trigger"] = "search"
    return response


@require_http_methods(["GET", "POST"])
def time_zone(request: HttpRequest) -> HttpResponse:
    """Let somebody choose the zone their times are shown in."""
    form = forms.Form(request.POST if request.method == "POST" else None)
    now = request.session.get("time_zone") or settings.STAFF_TIME_ZONE
    form.fields["zone"] = fields.choice("Zone", [(name, name.replace("_", " ")) for name in _zones()], initial=now)
    if request.method == "POST" and form.is_valid():
        request.session["time_zone"] = form.cleaned_data["zone"]
        messages.success(request, f"Times are shown in {form.cleaned_data['zone'].replace('_', ' ')} now.")
        return HttpResponseRedirect(reverse("admin:index"))
    context = {**admin.site.each_context(request), "title": "Time zone", "form": form}
    return render(request, "backoffice/time_zone.html", context)


def _zones() -> list[str]:
    """Return the zones of places, without the historical aliases."""
    areas = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return ["UTC", *sorted(name for name in zoneinfo.available_timezones() if name.startswith(areas))]


staff_chart = admin.site.admin_view(chart)
staff_go = admin.site.admin_view(go)
staff_find = admin.site.admin_view(find)
staff_time_zone = admin.site.admin_view(time_zone)
