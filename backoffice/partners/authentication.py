"""Authenticate a request by its key: one query, at every request, so that a revoked key is dead at once."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed

from backoffice.kit import clock
from backoffice.partners.keys import Caller, caller_of


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk_test_…`. Unknown, expired, revoked and of a closed partner are one answer."""

    def authenticate(self, request: Any) -> tuple[Caller, str] | None:
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        if len(parts) != 2 or parts[0].lower() != b"bearer":
            raise AuthenticationFailed("Send the key as: Authorization: Bearer <key>.", "invalid_key")
        caller = caller_of(parts[1], at=clock.now())
        if caller is None:
            raise AuthenticationFailed("The key is unknown, expired or revoked.", "invalid_key")
        return caller, caller.key_id

    def authenticate_header(self, request: Any) -> str:
        return 'Bearer realm="api"'
