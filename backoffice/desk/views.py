"""The desk as home page, the search box, and the way from an id to its page."""

from __future__ import annotations

import json
import time
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from backoffice.desk import queries, search
from backoffice.kit import clock
from backoffice.kit.admin import display
from backoffice.kit.money import Money

UNKNOWN_ID = "There is nothing with this id, or nothing you may see."


def desk_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the home page: queues, figures, runs under way, money in and out by day."""
    at = clock.now()
    user = request.user
    context |= {"title": "Desk", "queues": queries.queue_lines(user, at)}
    if user.has_perm("payouts.view_account"):
        context["owed"] = queries.owed_to_sellers()
    if user.has_perm("payouts.view_payout"):
        context["moving"] = [queries.in_flight(), queries.paid_this_week(at)]
        context["runs"] = queries.moving_runs()
    if user.has_perm("payouts.view_entry"):
        context |= _chart(request, at)
    return context


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


staff_go = admin.site.admin_view(go)
staff_find = admin.site.admin_view(find)
