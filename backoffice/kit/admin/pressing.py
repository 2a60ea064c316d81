"""How a button is pressed: a page that shows what will happen, then one post that does it; many rows at once after a preview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from backoffice.kit import clock
from backoffice.kit.actors import staff
from backoffice.kit.admin import bulk
from backoffice.kit.admin.buttons import Button, Outcome, Press
from backoffice.kit.admin.object_pages import ObjectPages, is_text
from backoffice.kit.ids import new_id, prefix_of


class Pressing(ObjectPages):
    """Let buttons be pressed."""

    list_buttons: Sequence[Button] = ()

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
            "effect": [(name, value, is_text(value)) for name, value in (one.effect(row) if one.effect else [])],
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

    def _request_id(self, request: HttpRequest) -> str:
        return str(getattr(request, "request_id", ""))
