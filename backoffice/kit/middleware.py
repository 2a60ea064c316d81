"""Static files, request id in and out, who looks at the desk, and each staff member's time zone."""

import re
import zoneinfo
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware
from servestatic.middleware import ServeStaticMiddleware

from backoffice.kit.admin import viewing
from backoffice.kit.ids import new_id

_SAFE_ID = re.compile(r"[A-Za-z0-9_\-]{8,64}")


@sync_and_async_middleware
def StaticFiles(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Serve static files, as servestatic does; under WSGI let everything else pass by it.

    Its own middleware only knows async: under WSGI Django would start an event loop and a thread for every request of the whole site.
    """
    if iscoroutinefunction(get_response):
        return ServeStaticMiddleware(get_response)
    files = ServeStaticMiddleware(sync_to_async(get_response))
    serve = async_to_sync(files.__call__)

    def answered(request: HttpRequest) -> Any:
        return serve(request) if request.path_info.startswith(files.static_prefix) else get_response(request)

    return answered


class RequestIdMiddleware:
    """Take a well-formed X-Request-Id from the caller or make one; errors and logs carry it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request.request_id = given if _SAFE_ID.fullmatch(given) else new_id("req")  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


class ViewerMiddleware:
    """Let the desk's pages know for whom they are drawn; the API and everything else has no links to leave out."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        with viewing.seen_by(request.user):
            return self.get_response(request)


class StaffTimeZoneMiddleware:
    """Show times in the operator's zone; the database and the API keep UTC."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/"):
            return self.get_response(request)
        name = request.session.get("time_zone") or settings.STAFF_TIME_ZONE
        with timezone.override(zoneinfo.ZoneInfo(name)):
            return self.get_response(request)
