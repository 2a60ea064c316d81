"""Partners with keys, and a client that speaks for one of them."""

from __future__ import annotations

import itertools
import json
from typing import Any

from django.test import Client

from backoffice.kit import clock
from backoffice.kit.actors import system
from backoffice.partners.keys import SCOPES
from backoffice.partners.models import ApiKey, Partner
from backoffice.partners.operations import create_partner, issue_key

ACTOR = system("test")
_numbers = itertools.count(1)


class ApiClient:
    """Sends requests with one key; POST carries a fresh Idempotency-Key unless one is given (None: none)."""

    def __init__(self, secret: str, partner: Partner | None = None, key: ApiKey | None = None) -> None:
        self.secret, self.partner, self.key = secret, partner, key
        self.client = Client()

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any = None, *, key: str | None = "fresh", **headers: str) -> Any:
        if key is not None:
            headers["Idempotency-Key"] = f"key-{next(_numbers)}" if key == "fresh" else key
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("PATCH", path, body, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        url = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.generic(method, url, data, content_type="application/json", headers=given | headers)


def make_partner(name: str = "", livemode: bool = False) -> Partner:
    return create_partner(name=name or f"Partner {next(_numbers)}", livemode=livemode, actor=ACTOR, at=clock.now())


def make_client(*scopes: str, partner: Partner | None = None, **over: Any) -> ApiClient:
    """Return a client with a key of these scopes (all of them by default), of a new partner unless one is given."""
    partner = partner or make_partner()
    key, secret = issue_key(
        partner_id=partner.pk, label="test", scopes=scopes or list(SCOPES), actor=ACTOR, at=over.pop("at", clock.now()), **over
    )
    return ApiClient(secret, partner, key)
