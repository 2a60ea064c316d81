"""The admin site: Unfold's, without the work no page of ours shows."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class DeskSite(UnfoldAdminSite):
    """The sidebar is `layout.navigation`; Django's own list of apps, a fifth of the time of every page, is made only where something asks for it."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))


class DeskAdminConfig(AdminConfig):
    default_site = "backoffice.desk.site.DeskSite"
