"""The people of the demo marketplace. Only seed_demo makes them; their password is known to everybody, and printed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model

from backoffice.kit.actors import Actor
from backoffice.kit.transactions import composable
from backoffice.staff.operations import create_staff

DEMO_PASSWORD = "demo-marketplace-1"  # noqa: S105 - of the demo only, and no secret  # pragma: allowlist secret
DEMO_ROLES = ["finance", "lead", "auditor", "compliance", "risk", "support"]


def demo_logins() -> list[dict[str, str]]:
    """Return address, role and password of every demo login, for printing."""
    return [{"email": f"{role}@demo.example", "role": role, "password": DEMO_PASSWORD} for role in DEMO_ROLES]


@composable
def make_demo_staff(*, actor: Actor, at: datetime) -> dict[str, Any]:
    """Make the demo logins that are missing; return the users by role."""
    users = {user.username: user for user in get_user_model().objects.filter(username__endswith="@demo.example")}
    return {
        login["role"]: users.get(login["email"])
        or create_staff(email=login["email"], role=login["role"], password=login["password"], actor=actor, at=at)
        for login in demo_logins()
    }
