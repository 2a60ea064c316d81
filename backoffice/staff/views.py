"""The page behind a one-time sign-in link. Looking at it spends nothing (mail scanners look too); setting the password does."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from backoffice.kit import clock
from backoffice.staff.operations import LinkNotValid, PasswordTooWeak, peek_sign_in_link, redeem_sign_in_link


class PasswordForm(forms.Form):
    """A password, twice."""

    password = forms.CharField(
        label="New password", widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False
    )
    again = forms.CharField(
        label="The same again", widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("password") != given.get("again"):
            raise forms.ValidationError("The two passwords are not the same.")
        return given


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest, token: str) -> HttpResponse:
    """Show whose link it is; on POST set the password, spend the link and sign in."""
    at = clock.now()
    form = PasswordForm(request.POST if request.method == "POST" else None)
    try:
        user = peek_sign_in_link(token=token, at=at)
        if form.is_valid():
            user = redeem_sign_in_link(token=token, password=form.cleaned_data["password"], at=at)
            login(request, user, backend="backoffice.staff.backends.LockOutBackend")
            return HttpResponseRedirect("/admin/")
    except LinkNotValid as refusal:
        return _page(request, {"refusal": str(refusal)}, 410)
    except PasswordTooWeak as refusal:
        form.add_error("password", str(refusal))
    return _page(request, {"form": form, "email": user.email}, 200)


def _page(request: HttpRequest, context: dict[str, Any], status: int) -> HttpResponse:
    return render(request, "staff/sign_in.html", admin.site.each_context(request) | {"title": "Sign in"} | context, status=status)
