"""Sign-in with a lock-out: ten failed tries and the account rests for half an hour.

Kept in the database, counted before the password is looked at, and the same for accounts that do not exist: neither a restart nor many
connections at once give more tries, and no answer tells whether an address is known.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.db import connection

from backoffice.kit import clock

FAILURES_MAX = 10
REST = timedelta(minutes=30)


class LockOutBackend(ModelBackend):
    """Django's password check behind a count of tries."""

    def authenticate(self, request: Any, username: str | None = None, password: str | None = None, **kwargs: Any) -> Any:
        name = username if username is not None else kwargs.get("username")
        if not name or password is None:
            return None
        at = clock.now()
        account = _account_key(name)
        if not _may_try(account, at):
            make_password(password)  # as slow as a real check
            return None
        user = super().authenticate(request, username=_as_stored(name), password=password)
        if user is not None:
            _forget(account)
        return user

    async def aauthenticate(self, request: Any, username: str | None = None, password: str | None = None, **kwargs: Any) -> Any:
        """Go the same way: ModelBackend's own asynchronous one would pass the count by."""
        return await sync_to_async(self.authenticate)(request, username=username, password=password, **kwargs)


def _as_stored(name: str) -> str:
    """Return the user name as it is stored; people write addresses in capitals now and then."""
    stored = get_user_model().objects.filter(username__iexact=name.strip()).values_list("username", flat=True).first()
    return stored or name.strip()


def _account_key(name: str) -> str:
    """Return a keyed hash: what people type as user name is sometimes their password."""
    return hmac.new(settings.SECRET_KEY.encode(), name.strip().lower()[:254].encode(), hashlib.sha256).hexdigest()


def _may_try(account: str, at: datetime) -> bool:
    """Count a try and tell whether it may go on. The count starts anew after a rest without tries and after a lock-out is over."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM backoffice_loginattempt WHERE last_at < %s", [at - timedelta(days=1)])
        cursor.execute(
            """INSERT INTO backoffice_loginattempt AS a (account, failures, last_at, locked_until) VALUES (%(account)s, 1, %(at)s, NULL)
               ON CONFLICT (account) DO UPDATE SET
                   failures = CASE WHEN a.locked_until > %(at)s THEN a.failures
                                   WHEN a.last_at < %(stale)s OR a.locked_until <= %(at)s THEN 1
                                   ELSE a.failures + 1 END,
                   locked_until = CASE WHEN a.locked_until > %(at)s THEN a.locked_until
                                       WHEN a.last_at < %(stale)s OR a.locked_until <= %(at)s THEN NULL
                                       WHEN a.failures + 1 > %(most)s THEN %(until)s END,
                   last_at = %(at)s
               RETURNING locked_until IS NULL""",
            {"account": account, "at": at, "stale": at - REST, "until": at + REST, "most": FAILURES_MAX},
        )
        return bool(cursor.fetchone()[0])


def _forget(account: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM backoffice_loginattempt WHERE account = %s", [account])
