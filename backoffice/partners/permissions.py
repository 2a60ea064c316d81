"""Permit by scope: a method says which it needs; one that says nothing is refused."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission


class HasScope(BasePermission):
    """The key must carry the scope of the method."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if not request.user:
            return False
        name = request.method.lower()
        handler = getattr(view, name, None) if name in view.http_method_names else None
        if handler is None:
            return True  # not offered at all: the view answers 405
        scope = getattr(handler, "scope", None)
        if scope is None:
            raise PermissionDenied("This method has no scope, so no key opens it.", "insufficient_scope")
        if scope not in request.user.scopes:
            raise PermissionDenied(f"This needs a key with the scope {scope}.", "insufficient_scope")
        return True
